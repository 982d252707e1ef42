"""Processes by identity (pid and start time), because a pid alone may belong to somebody else by now."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airfleet.errors import AirfleetError

_PROC = Path("/proc")


def boot_id() -> str:
    """The identity of this boot of the machine; start times only compare within one."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True)
class ProcessId:
    """One process: its pid and its start time in clock ticks since boot."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The identity of a running process; None if there is none with that pid or it is a zombie."""
        fields = _stat(pid)
        return None if fields is None or fields[0] in "ZX" else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return ProcessId.of(self.pid) == self


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the command's name, so [0] is the state and [1] the parent."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def all_pids() -> list[int]:
    """Every pid of the machine that this process can see."""
    return [int(p.name) for p in _PROC.iterdir() if p.name.isdigit()]


def child_of(pid: int) -> ProcessId | None:
    """The first child of a process, if it has one."""
    for candidate in all_pids():
        fields = _stat(candidate)
        if fields is not None and int(fields[1]) == pid:
            return ProcessId.of(candidate)
    return None


def pid_namespace(pid: int) -> str | None:
    """The identity of a process's pid namespace; None if the process is gone."""
    try:
        return str((_PROC / str(pid) / "ns/pid").readlink())
    except OSError:
        return None


def descendants_of(init: ProcessId) -> list[int]:
    """The pids (as the machine counts) of a node's first process and of all below it, those in containers included."""
    if not init.alive():
        return []
    children: dict[int, list[int]] = {}
    for pid in all_pids():
        if (fields := _stat(pid)) is not None:
            children.setdefault(int(fields[1]), []).append(pid)
    found = [init.pid]
    for pid in found:  # grows while it is walked
        found += children.get(pid, [])
    return found


def inner_pid(pid: int) -> int | None:
    """The pid that a process has in its innermost pid namespace."""
    with suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text(errors="replace").splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return None


def proportional_memory(pid: int) -> int:
    """The proportional set size of a process in bytes: what it has for itself, and its share of what it shares."""
    with suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def kill_all(processes: list[ProcessId], *, timeout: float = 20) -> None:
    """Kill these processes and wait until they are gone; those that are gone already are fine.

    Raises AirfleetError if some are still there after timeout seconds.
    """
    for p in processes:
        if p.alive():
            with suppress(ProcessLookupError):
                os.kill(p.pid, signal.SIGKILL)
    deadline = time.monotonic() + timeout
    left = processes
    while left := [p for p in left if _still_there(p)]:
        if time.monotonic() > deadline:
            pids = ", ".join(str(p.pid) for p in left)
            raise AirfleetError(f"killed processes did not go away in {timeout:.0f} s: {pids}")
        time.sleep(0.02)


def _still_there(p: ProcessId) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(p.pid, os.WNOHANG)  # one of our own children stays a zombie until it is asked for
    return p.alive()

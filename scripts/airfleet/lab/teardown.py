"""Removes a lab by what is recorded about it; works at any stage of its life, and twice."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from airfleet.errors import AirfleetError
from airfleet.lab import cgroups, limits, network, state
from airfleet.lab.procs import ProcessId, kill_all


def remove(name: str) -> None:
    """Kill the lab's processes, then remove its network, its control groups and its files.

    A lab whose record was lost is found by its directory and by its control groups, where only its own processes are.
    """
    directory = state.lab_dir(name)
    kill_all(_recorded(name))
    hierarchies = cgroups.detect()
    kill_all([p for pid in cgroups.processes(hierarchies, state.group(name)) if (p := ProcessId.of(pid)) is not None])
    network.remove_all(directory)
    cgroups.remove(hierarchies, state.group(name))
    _remove_files(directory)
    with state.locked(state.INDEX_LOCK):
        if not state.names():
            limits.restore_limits()
            with suppress(FileNotFoundError):
                state.labs_dir().rmdir()


def _recorded(name: str) -> list[ProcessId]:
    try:
        record = state.read(name)
    except AirfleetError:
        return []  # unreadable: the control groups know the processes
    return record.recorded() if record else []


def _remove_files(directory: Path) -> None:
    """Delete a lab's directory; refuses while something is mounted below it, since that would be deleted, too."""
    below = f"{directory}/"
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    if busy := [m for m in mounted if m.startswith(below)]:
        raise AirfleetError(
            "something is mounted in the lab's directory, so it was not deleted",
            where=busy[0],
            fix=f"umount {' '.join(busy)}, then run the same command again",
        )
    with suppress(FileNotFoundError):
        shutil.rmtree(directory)

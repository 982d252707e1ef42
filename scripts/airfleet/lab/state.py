"""What is recorded about each lab, so that any later command can find and remove it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from airfleet.errors import AirfleetError, UsageError
from airfleet.lab.addresses import MAX_LABS, AddressPlan
from airfleet.lab.procs import ProcessId, boot_id
from airfleet.paths import state_dir

INDEX_LOCK = ".index"  # held while a new lab picks its number
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")


@dataclass(frozen=True)
class NodeProcesses:
    """The two recorded processes of a running node: its first process, and the parent that holds its namespaces."""

    parent: ProcessId
    init: ProcessId | None


@dataclass(frozen=True)
class LabRecord:
    """One lab, as it was decided by `up` and as it runs.

    nodes: node names in order, the first is the control plane. workers: whether the nodes run pods at all.
    port: where the API server listens on 127.0.0.1. programs: the directories of the programs
    in use. base_images: the archive that every node imports at its start.
    """

    name: str
    index: int
    nodes: tuple[str, ...]
    workers: bool
    port: int
    boot: str
    programs: dict[str, str]
    base_images: str
    ready: bool = False
    processes: dict[str, NodeProcesses] | None = None

    @property
    def addresses(self) -> AddressPlan:
        """The lab's address plan."""
        return AddressPlan(self.index)

    @property
    def dir(self) -> Path:
        """The lab's own directory."""
        return lab_dir(self.name)

    @property
    def group(self) -> str:
        """The name of the lab's control groups."""
        return group(self.name)

    def running(self, node: str) -> ProcessId | None:
        """The first process of a node, if it runs (in this boot of the machine)."""
        entry = (self.processes or {}).get(node)
        if entry is None or entry.init is None or self.boot != boot_id() or not entry.init.alive():
            return None
        return entry.init

    def number(self, node: str) -> int:
        """The number of a node, from 1. Raises UsageError if the lab has no such node."""
        if node not in self.nodes:
            raise UsageError(f"lab {self.name} has no node {node}", fix=f"one of: {', '.join(self.nodes)}")
        return self.nodes.index(node) + 1

    def recorded(self) -> list[ProcessId]:
        """Every process that was recorded for this lab and can still be there."""
        if self.boot != boot_id():
            return []
        return [p for e in (self.processes or {}).values() for p in (e.parent, e.init) if p is not None]

    def with_node(self, node: str, processes: NodeProcesses) -> LabRecord:
        """The record after a node was started."""
        return replace(self, processes={**(self.processes or {}), node: processes})


def check_name(name: str) -> str:
    """Return the name if a lab can have it. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} can't be the name of a lab",
            why="it becomes part of the nodes' names",
            fix="use up to 20 lower-case letters, digits and dashes, starting with a letter",
        )
    return name


def labs_dir() -> Path:
    """Where all labs are recorded."""
    return state_dir() / "labs"


def lab_dir(name: str) -> Path:
    """The directory of one lab."""
    return labs_dir() / name


def group(name: str) -> str:
    """The name of a lab's control groups: the machine has one tree of them, whatever AIRFLEET_STATE says."""
    return f"{name}-{hashlib.sha256(str(lab_dir(name)).encode()).hexdigest()[:6]}"


def read(name: str) -> LabRecord | None:
    """The record of a lab; None if there is no such lab."""
    path = lab_dir(name) / "lab.json"
    try:
        raw = json.loads(path.read_text())
        return _parse(raw)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as e:
        raise AirfleetError(
            f"the record of lab {name} can't be read",
            where=str(path),
            why=str(e),
            fix=f"airfleet lab down --name {name}",
        ) from e


def _parse(raw: dict[str, object]) -> LabRecord:
    fields = dict(raw)
    processes = fields.pop("processes") or {}
    if not isinstance(processes, dict):
        raise TypeError("processes is not a mapping")
    parsed = {
        node: NodeProcesses(ProcessId(**p["parent"]), ProcessId(**p["init"]) if p["init"] else None)
        for node, p in processes.items()
    }
    fields["nodes"] = tuple(fields["nodes"])  # type: ignore[arg-type]
    return LabRecord(**fields, processes=parsed)  # type: ignore[arg-type]


def require(name: str) -> LabRecord:
    """The record of a lab. Raises AirfleetError if there is no such lab."""
    found = read(check_name(name))
    if found is None:
        raise AirfleetError(f"there is no lab {name}", fix=f"airfleet lab up --name {name}")
    return found


def write(record: LabRecord) -> None:
    """Replace a lab's record in one step. Only root can look into a lab's directory: keys and volumes are in it."""
    record.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = record.dir / "lab.json.new"
    new.write_text(json.dumps(asdict(record), indent=1))
    new.replace(record.dir / "lab.json")


def mark_ready(record: LabRecord) -> LabRecord:
    """Record that the lab works, and return the record."""
    ready = replace(record, ready=True)
    write(ready)
    return ready


def names() -> list[str]:
    """Every lab that left a directory, running or not."""
    return sorted(p.name for p in labs_dir().glob("*") if p.is_dir())


def free_index() -> int:
    """The lowest index that no recorded lab has. Raises AirfleetError when there are too many labs."""
    taken = set()
    for name in names():
        try:
            record = read(name)
        except AirfleetError:
            continue
        if record is not None:
            taken.add(record.index)
    for index in range(MAX_LABS):
        if index not in taken:
            return index
    raise AirfleetError(f"there are {MAX_LABS} labs already", fix="airfleet lab down --name ONE")


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of a lab, or INDEX_LOCK; the lock's file goes away with its last holder.

    Raises AirfleetError at once if another airfleet command holds a lab's lock; the index's lock is waited for.
    """
    path = state_dir() / f"{name}.lock"
    fd = _acquire(path, name, wait=name == INDEX_LOCK)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(fd)
        with suppress(OSError):  # the last lab is gone, and this was all that was left
            path.parent.rmdir()


def _acquire(path: Path, name: str, *, wait: bool) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            continue  # another command removed the empty directory just now
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.pread(fd, 64, 0).decode(errors="replace").strip()
            os.close(fd)
            raise AirfleetError(
                f"another airfleet command is working on lab {name}",
                where=f"pid {holder}" if holder else str(path),
                fix="wait for it, or interrupt it: it cleans up after itself",
            ) from None
        if _same_file(fd, path):
            os.ftruncate(fd, 0)
            os.pwrite(fd, str(os.getpid()).encode(), 0)
            return fd
        os.close(fd)  # its holder removed it between our open and our lock


def _same_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False

"""The control groups of a lab, on cgroup v1 (also hybrid) and v2: airfleet/LAB/NODE in every hierarchy.

LAB is `state.group(name)`, since labs of the same name can exist in two state directories.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airfleet.errors import AirfleetError

TOP = "airfleet"
_SYSTEM = "system"  # holds a node's daemons; its pods are beside it
_MOUNT_FLAGS = {"rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "seclabel", "none"}
_ACCOUNTING = {"memory", "cpuacct", "cpu", "pids"}


@dataclass(frozen=True)
class Hierarchies:
    """The mounted cgroup hierarchies: one directory for v2, one per controller set for v1.

    mounts: "memory", "cpu,cpuacct", "name=systemd" or "" (v2) -> mount point. unified: the v2 mount of a hybrid
    machine; container runtimes make groups in it, too, though it controls nothing.
    """

    version: int
    mounts: dict[str, Path]
    unified: Path | None = None

    @property
    def everywhere(self) -> list[Path]:
        """Every mount point in which a lab can have groups."""
        return [*self.mounts.values(), *([self.unified] if self.unified else [])]

    def of_controller(self, controller: str) -> Path | None:
        """Where a controller's hierarchy is mounted."""
        for names, mount in self.mounts.items():
            if self.version == 2 or controller in names.split(","):
                return mount
        return None


def parse_mountinfo(text: str) -> Hierarchies:
    """Read /proc/self/mountinfo. A v2 mount beside v1 controllers (hybrid) counts as v1, as container runtimes do."""
    v1: dict[str, Path] = {}
    v2: Path | None = None
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        mount = Path(left.split()[4])
        if kind == "cgroup2" and (v2 is None or mount == Path("/sys/fs/cgroup")):
            v2 = mount
        elif kind == "cgroup":
            v1[",".join(o for o in options.split(",") if _is_controller(o))] = mount
    if any("=" not in name for name in v1):
        return Hierarchies(1, v1, unified=v2)
    return Hierarchies(2, {"": v2} if v2 else {})


def _is_controller(option: str) -> bool:
    """Whether a mount option names a v1 controller (or a named hierarchy) and not a flag."""
    return option.startswith("name=") or ("=" not in option and option not in _MOUNT_FLAGS)


def detect() -> Hierarchies:
    """The hierarchies of this machine."""
    return parse_mountinfo(Path("/proc/self/mountinfo").read_text())


def create(h: Hierarchies, lab: str, node: str) -> list[Path]:
    """Make a node's groups; returns the directories that the node's first process joins."""
    joined = []
    for names, mount in h.mounts.items():
        group = mount
        for part in (TOP, lab, node):
            if h.version == 2:
                _enable_controllers(group)
            group = group / part
            group.mkdir(exist_ok=True)
            if "cpuset" in names.split(","):
                _copy_cpuset(group.parent, group)
        if h.version == 2:
            _enable_controllers(group)
        if h.version == 2 or _ACCOUNTING & set(names.split(",")):
            (group / _SYSTEM).mkdir(exist_ok=True)
            joined.append(group / _SYSTEM)
    return joined


def _copy_cpuset(parent: Path, group: Path) -> None:
    """A new v1 cpuset group is empty, and nothing can join it before it has processors and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (group / name).read_text().strip():
            (group / name).write_text((parent / name).read_text().strip())


def _enable_controllers(group: Path) -> None:
    available = set((group / "cgroup.controllers").read_text().split())
    wanted = available & {"cpu", "cpuset", "io", "memory", "pids", "hugetlb"}
    enabled = set((group / "cgroup.subtree_control").read_text().split())
    if not wanted <= enabled:
        (group / "cgroup.subtree_control").write_text(" ".join(f"+{c}" for c in sorted(wanted)))


def processes(h: Hierarchies, lab: str) -> set[int]:
    """Every process in the lab's groups; only the lab's own can be there."""
    found: set[int] = set()
    for mount in h.everywhere:
        for procs in (mount / TOP / lab).glob("**/cgroup.procs"):
            with suppress(OSError):
                found.update(int(pid) for pid in procs.read_text().split())
    return found


def remove(h: Hierarchies, lab: str, *, timeout: float = 10) -> None:
    """Remove the lab's groups once their processes are gone, and the common parent with the last lab.

    Raises AirfleetError if a group is still busy after timeout seconds.
    """
    deadline = time.monotonic() + timeout
    for mount in h.everywhere:
        top = mount / TOP / lab
        while not _remove_tree(top):
            if time.monotonic() > deadline:
                raise AirfleetError("a control group of the lab is still in use", where=str(top))
            time.sleep(0.05)
        with suppress(OSError):  # other labs are in it, or it is gone
            (mount / TOP).rmdir()


def _remove_tree(top: Path) -> bool:
    if not top.exists():
        return True
    for group in sorted((g for g in top.glob("**/") if g.is_dir()), reverse=True):
        with suppress(OSError):
            group.rmdir()
    return not top.exists()


@dataclass(frozen=True)
class Usage:
    """What a group has used: memory in bytes without page cache, CPU time in seconds."""

    memory: int
    cpu_seconds: float


def usage(h: Hierarchies, lab: str) -> Usage:
    """What the whole lab uses, its pods included."""
    memory_dir, cpu_dir = h.of_controller("memory"), h.of_controller("cpuacct")
    return Usage(_memory(h.version, memory_dir, lab), _cpu_seconds(h.version, cpu_dir, lab))


def _memory(version: int, mount: Path | None, lab: str) -> int:
    if mount is None:
        return 0
    with suppress(OSError):
        stat = dict(line.split() for line in (mount / TOP / lab / "memory.stat").read_text().splitlines())
        return int(stat["total_rss"]) if version == 1 else int(stat["anon"]) + int(stat.get("kernel", 0))
    return 0


def _cpu_seconds(version: int, mount: Path | None, lab: str) -> float:
    if mount is None:
        return 0.0
    with suppress(OSError):
        if version == 1:
            return int((mount / TOP / lab / "cpuacct.usage").read_text()) / 1e9
        stat = dict(line.split() for line in (mount / TOP / lab / "cpu.stat").read_text().splitlines())
        return int(stat["usage_usec"]) / 1e6
    return 0.0

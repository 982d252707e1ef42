"""How a lab is: its nodes and daemons, and what it takes of the machine."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from airfleet.lab import api, cgroups
from airfleet.lab.daemons import DaemonState, daemons
from airfleet.lab.procs import descendants_of, proportional_memory
from airfleet.lab.state import LabRecord

_SAMPLE = 1.0  # seconds over which the use of processors is measured


@dataclass(frozen=True)
class NodeStatus:
    """One node. running: its first process is there. ready: Kubernetes says so; always False without an API server."""

    name: str
    running: bool
    ready: bool
    daemons: list[DaemonState]


@dataclass(frozen=True)
class LabStatus:
    """One lab.

    up: it came up, every node runs and every daemon is healthy. memory: bytes of all its processes, pods included,
    shared pages counted once. cgroup_memory: bytes that its control groups account for, without page cache.
    cpu_cores: processors in use just now. cpu_seconds: processor time since its start.
    """

    name: str
    up: bool
    server: str
    kubeconfig: str
    nodes: list[NodeStatus]
    processes: int
    memory: int
    cgroup_memory: int
    cpu_cores: float
    cpu_seconds: float

    def footprint(self) -> dict[str, str]:
        """What the lab takes of the machine, in words: label -> figure."""
        return {
            "memory of its processes": f"{self.memory / 2**20:.0f} MiB ({self.processes} processes, PSS)",
            "memory of its control groups": f"{self.cgroup_memory / 2**20:.0f} MiB",
            "processors": f"{self.cpu_cores:.2f} cores",
        }

    def as_json(self) -> dict[str, Any]:
        """The status as plain data."""
        return asdict(self)


def of(lab: LabRecord) -> LabStatus:
    """Look at a lab; takes a second."""
    hierarchies = cgroups.detect()
    before, started = cgroups.usage(hierarchies, lab.group), time.monotonic()
    ready = api.ready_nodes(lab) if lab.workers else set()
    nodes = [_node(lab, name, ready) for name in lab.nodes]
    pids = [pid for name in lab.nodes if (init := lab.running(name)) for pid in descendants_of(init)]
    memory = sum(map(proportional_memory, pids))
    time.sleep(max(0.0, started + _SAMPLE - time.monotonic()))
    after, elapsed = cgroups.usage(hierarchies, lab.group), time.monotonic() - started
    return LabStatus(
        name=lab.name,
        up=lab.ready and all(n.running and all(d.healthy for d in n.daemons) for n in nodes),
        server=f"https://127.0.0.1:{lab.port}",
        kubeconfig=str(lab.dir / "kubeconfig"),
        nodes=nodes,
        processes=len(pids),
        memory=memory,
        cgroup_memory=after.memory,
        cpu_cores=(after.cpu_seconds - before.cpu_seconds) / elapsed,
        cpu_seconds=after.cpu_seconds,
    )


def _node(lab: LabRecord, name: str, ready: set[str]) -> NodeStatus:
    running = lab.running(name) is not None
    return NodeStatus(name, running, name in ready, daemons(lab, name) if running else [])

"""Starts and stops one node: its network, its control groups and its first process."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from airfleet.errors import AirfleetError
from airfleet.lab import cgroups, network, nodespec, state
from airfleet.lab.node import Node
from airfleet.lab.procs import ProcessId, child_of, kill_all
from airfleet.lab.state import LabRecord, NodeProcesses

_NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private")


def start(lab: LabRecord, number: int, listener: socket.socket | None) -> LabRecord:
    """Start a node; returns the record (already written) with its processes.

    listener is the socket on which the machine reaches the API server; only node 1 has one.
    Raises AirfleetError with the node's own words if its first process does not come up.
    """
    name = lab.nodes[number - 1]
    network.create_node(lab.dir, lab.addresses, lab.nodes, number)
    joined = cgroups.create(cgroups.detect(), lab.group, name)
    node = Node(lab, number, cgroup=f"/{cgroups.TOP}/{lab.group}/{name}")
    spec = nodespec.write(node, joined)
    status = node.dir / "status.json"
    status.unlink(missing_ok=True)

    argv = ["nsenter", f"--net={network.namespace(lab.dir, name)}", "unshare", *_NAMESPACES]
    argv += [node.program("node", "labinit"), "node", str(spec)]
    log_path = node.dir / "logs" / "init.log"
    with log_path.open("ab") as log:
        inherited = () if listener is None else (listener.fileno(),)
        # started here and not through airfleet.process: it outlives this command
        process = subprocess.Popen(
            [*argv, *map(str, inherited)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=inherited,
            start_new_session=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": "/root"},
        )
    parent = ProcessId.of(process.pid)
    if parent is not None:
        lab = lab.with_node(name, NodeProcesses(parent, None))
        state.write(lab)
    _wait_until_up(process, status, name, log_path)
    if parent is None or (init := child_of(process.pid)) is None:
        raise _did_not_start(name, log_path)
    lab = lab.with_node(name, NodeProcesses(parent, init))
    state.write(lab)
    return lab


def stop(lab: LabRecord, name: str) -> None:
    """Kill a node's processes and pull its cable."""
    network.set_cable(lab.dir, lab.number(name), plugged=False)
    entry = (lab.processes or {}).get(name)
    if entry is not None:
        kill_all([p for p in (entry.parent, entry.init) if p is not None])


def clear(lab: LabRecord, name: str) -> None:
    """Remove what a stopped node left in the kernel: its network namespace and its control groups."""
    network.remove_node(lab.dir, name, lab.number(name))
    cgroups.remove(cgroups.detect(), f"{lab.group}/{name}")


def _wait_until_up(process: subprocess.Popen[bytes], status: Path, name: str, log: Path) -> None:
    deadline = time.monotonic() + 20
    while not status.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise _did_not_start(name, log)
        time.sleep(0.01)


def _did_not_start(name: str, log: Path) -> AirfleetError:
    return AirfleetError(f"node {name} did not start", where=str(log), why=log.read_text(errors="replace")[-1000:])

"""Brings a recorded lab up, phase by phase, and says which daemon is to blame when it does not come."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from airfleet.errors import AirfleetError, UsageError
from airfleet.lab import api, links, network, nodes, pki, state
from airfleet.lab.daemons import daemons, log_file, log_tail
from airfleet.lab.node import API_PORT
from airfleet.lab.state import LabRecord
from airfleet.process import run

MANIFESTS = Path(__file__).parent / "manifests"
PhaseReport = Callable[[str, float], None]


class _Phases:
    """Reports how many seconds each phase took."""

    def __init__(self, report: PhaseReport) -> None:
        self._report = report
        self._start = time.monotonic()

    def done(self, title: str) -> None:
        now = time.monotonic()
        self._report(title, now - self._start)
        self._start = now


def boot(lab: LabRecord, listener: socket.socket, timeout: float, report: PhaseReport) -> LabRecord:
    """Start the lab's nodes and wait until the cluster works; returns its record, marked ready.

    Raises AirfleetError with the unhealthy daemons' last words after timeout seconds.
    """
    deadline = time.monotonic() + timeout
    phases = _Phases(report)
    pki.create(lab)
    network.create_switch(lab.dir)
    for number in range(1, len(lab.nodes) + 1):
        lab = nodes.start(lab, number, listener if number == 1 else None)
    phases.done("certificates, network, nodes started")

    _wait(lab, "the API server is ready", lambda: api.is_ready(lab), deadline)
    phases.done("API server ready")
    if lab.workers:
        _apply_manifests(lab)
        _wait(lab, "every node is Ready", lambda: api.ready_nodes(lab) >= set(lab.nodes), deadline)
        phases.done("nodes Ready")
        _wait(lab, "DNS answers", lambda: dns_answers(lab), deadline)
        _wait(lab, "there is a default StorageClass", lambda: api.default_storage_class(lab) is not None, deadline)
        phases.done("DNS answering, storage class there")
    _wait(lab, "namespaces get their service accounts", lambda: api.has_default_service_account(lab), deadline)
    return state.mark_ready(lab)


def restart_node(lab: LabRecord, node: str, timeout: float) -> None:
    """Start a stopped node and wait until it is Ready. Raises AirfleetError after timeout seconds."""
    number = lab.number(node)
    if lab.running(node) is not None:
        raise UsageError(f"node {node} is running")
    nodes.clear(lab, node)
    with listen(lab.port) if number == 1 else nullcontext() as listener:
        lab = nodes.start(lab, number, listener)
    links.route_again(lab, node)
    deadline = time.monotonic() + timeout
    since = datetime.now(UTC)
    _wait(lab, "the API server is ready", lambda: api.is_ready(lab), deadline)
    if lab.workers:
        _wait(lab, f"{node} is Ready", lambda: api.heard_from(lab, node, since), deadline)


def listen(port: int | None) -> socket.socket:
    """Open the socket on which the machine will reach the API server: on this port of 127.0.0.1, else on a free one.

    Raises UsageError if the port is taken.
    """
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(("127.0.0.1", port or 0))
        opened.listen(256)
    except OSError as e:
        opened.close()
        raise UsageError(
            f"port {port} of 127.0.0.1 can't be used",
            why=str(e),
            fix="choose another --port, or none to get a free one",
        ) from e
    return opened


def dns_answers(lab: LabRecord) -> bool:
    """Whether the cluster's DNS, asked through its Service from node 1, knows the Service `kubernetes`."""
    labinit = str(Path(lab.programs["node"]) / "labinit")
    inside = ["nsenter", f"--net={network.namespace(lab.dir, lab.nodes[0])}"]
    asked = [labinit, "lookup", "kubernetes.default.svc.cluster.local", f"{lab.addresses.dns}:53"]
    return run([*inside, *asked], check=False).code == 0


def kubectl(lab: LabRecord, *args: str, stdin: str | None = None) -> str:
    """Run the lab's own kubectl as administrator; returns its output."""
    program = Path(lab.programs["kube"]) / "kubectl"
    return run([program, f"--kubeconfig={lab.dir / 'kubeconfig'}", *args], stdin=stdin).stdout


def _apply_manifests(lab: LabRecord) -> None:
    values = {"CONTROL_PLANE": lab.nodes[0], "DNS": str(lab.addresses.dns)}
    texts = [Template(path.read_text()).substitute(values) for path in sorted(MANIFESTS.glob("*.yaml"))]
    kubectl(lab, "create", "--validate=false", "-f", "-", stdin="\n---\n".join(texts))


def _wait(lab: LabRecord, what: str, holds: Callable[[], bool], deadline: float) -> None:
    while not holds():
        dead = [n for n in lab.nodes if lab.running(n) is None]
        if dead or time.monotonic() > deadline:
            raise _not_up(lab, what, dead)
        time.sleep(0.1)


def _not_up(lab: LabRecord, what: str, dead: list[str]) -> AirfleetError:
    words = [f"{node}: its first process is gone\n{log_tail(log_file(lab, node, 'init'))}" for node in dead]
    for node in lab.nodes:
        for d in daemons(lab, node):
            if d.starts > 1 or d.state == "waiting":
                words.append(
                    f"{node} {d.name}: {d.state} {d.last_exit}\n{log_tail(log_file(lab, node, d.name))}".rstrip()
                )
    return AirfleetError(
        f"lab {lab.name} did not come up: not true in time that {what}",
        where=f"127.0.0.1:{lab.port} (API server, port {API_PORT} inside)",
        why="\n".join(words) or "every daemon runs",
        fix="give it more time with --timeout if the machine is busy",
    )

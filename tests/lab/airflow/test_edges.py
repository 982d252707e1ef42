"""Every way that the policies allow is open in a live cluster, and no other; the Execution API by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from chart_harness.network import Endpoint, allowed
from chart_harness.objects import COMPONENT, Rendered, load
from chart_harness.objects import Release as Told
from lab_harness.full.places import elsewhere
from lab_harness.release import Release, until

# 22 is nobody's; 6443 is what those may reach who use the Kubernetes API.
ALWAYS = {22, 5432, 6443, 8080, 8794, 8974}
# Pods that stand for what does not run on: the test starts them, with the labels that policies select by. An @ says
# that one is in the other namespace of tasks.
STAND_INS = ("worker", "bootstrap", "stranger", "worker@elsewhere", "stranger@elsewhere")
LISTEN = """
import socket, sys, threading, time
for port in map(int, sys.argv[1:]):
    server = socket.create_server(("", port))
    threading.Thread(target=lambda s=server: [s.accept()[0].close() for _ in iter(int, 1)], daemon=True).start()
time.sleep(600)
"""
# A refused connection was let through: only what a policy drops stays without an answer.
TRY = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def passes(target):
    try:
        socket.create_connection(target, timeout=3).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True
targets = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(targets)) as pool:
    print(json.dumps(list(pool.map(passes, map(tuple, targets)))))
"""

Way = tuple[str, str, int]


@dataclass(frozen=True)
class World:
    """The release's pods, one of each component, and the pods that stand in for the rest."""

    release: Release
    ends: dict[str, Endpoint]
    pods: dict[str, tuple[str, str]]  # to its namespace and name
    ports: tuple[int, ...]
    sources: tuple[str, ...]

    def expected(self) -> set[Way]:
        """What the release's policies, evaluated, let through; a block of addresses matches pods in this cluster."""
        manifest = self.release.helm(["get", "manifest", self.release.name, "--namespace", self.release.namespace])
        policies = Rendered(Told(self.release.name, self.release.namespace), load(manifest))
        return {
            way
            for way in self.ways()
            if allowed(policies, self.ends[way[0]], self.ends[way[1]], way[2], cidrs_match_pods=True)
        }

    def ways(self) -> list[Way]:
        return [
            (one, other, port) for one in self.sources for other in self.ends if one != other for port in self.ports
        ]

    def open(self) -> set[Way]:
        """What is let through, every way tried at the same time."""
        with ThreadPoolExecutor(len(self.sources)) as pool:
            return {way for found in pool.map(self._open_from, self.sources) for way in found}

    def _open_from(self, source: str) -> list[Way]:
        ways = [way for way in self.ways() if way[0] == source]
        targets = json.dumps([(self.ends[other].address, port) for _, other, port in ways])
        namespace, name = self.pods[source]
        argv = ["exec", name, "--namespace", namespace, "--container", "base", "--", "python", "-c", TRY, targets]
        done = self.release.kubectl(*argv)
        assert done.code == 0, f"{source}: {done.stderr}"
        return [way for way, passes in zip(ways, json.loads(done.stdout), strict=True) if passes]


@pytest.fixture(scope="module")
def world(full: Release) -> Iterator[World]:
    found = {pod.metadata.labels[COMPONENT]: pod for pod in full.pods() if pod.status.phase == "Running"}
    ports = sorted(
        ALWAYS | {p.container_port for pod in found.values() for c in pod.spec.containers for p in c.ports or []}
    )
    like = found["scheduler"].spec
    for name in STAND_INS:
        full.apply(_stand_in(full, name, like, ports), namespace=_place(full, name)[0])
    try:
        names = {c: (full.namespace, p.metadata.name) for c, p in found.items()}
        names |= {name: _place(full, name) for name in STAND_INS}
        for namespace in {_place(full, name)[0] for name in STAND_INS}:
            ready = ("wait", "--for=condition=Ready", "--timeout=60s", "pod", "--selector", "test=edges")
            full.lab.kubectl("--namespace", namespace, *ready)
        pods = {c: full.cluster.core.read_namespaced_pod(name, namespace) for c, (namespace, name) in names.items()}
        ends = {c: _end(c, pod) for c, pod in pods.items()}
        sources = tuple(c for c, pod in pods.items() if pod.spec.containers[0].image == like.containers[0].image)
        yield World(full, ends, names, tuple(ports), sources)
    finally:
        for name in STAND_INS:
            namespace, pod = _place(full, name)
            full.lab.kubectl("--namespace", namespace, "delete", "pod", pod, "--now", "--wait=false")


def _place(full: Release, name: str) -> tuple[str, str]:
    """The namespace and the pod of a stand-in."""
    component, _, other = name.partition("@")
    return elsewhere(full) if other else full.namespace, f"end-{component}"


def _end(component: str, pod: Any) -> Endpoint:
    named = {p.name: p.container_port for c in pod.spec.containers for p in c.ports or [] if p.name}
    return Endpoint(component, pod.status.pod_ip, pod.metadata.namespace, pod.metadata.labels or {}, named)


def _stand_in(full: Release, name: str, like: Any, ports: list[int]) -> dict[str, Any]:
    """A pod with a component's labels, or with none, that listens on every port."""
    component = name.partition("@")[0]
    labels = {"app.kubernetes.io/name": "airfleet", "app.kubernetes.io/instance": full.name, COMPONENT: component}
    command = ["python", "-c", LISTEN, *map(str, ports)]
    container = {
        "name": "base",
        "image": like.containers[0].image,
        "command": command,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "readinessProbe": {"tcpSocket": {"port": max(ports)}, "periodSeconds": 1},
    }
    context = {"runAsNonRoot": True, "runAsUser": 50000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "securityContext": context, "automountServiceAccountToken": False}
    own = {} if component == "stranger" else labels
    metadata = {"name": _place(full, name)[1], "labels": {"test": "edges", **own}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_what_is_open_is_what_the_policies_say(world: World) -> None:
    """All ways between all pods, on every port that one of them serves."""
    expected = world.expected()
    last: list[set[Way]] = []

    def holds() -> bool:
        last[:] = [world.open()]
        return last[0] == expected

    try:
        until("the table to hold", holds, 30)
    except AssertionError:
        pytest.fail(f"open and should not be: {sorted(last[0] - expected)}; closed: {sorted(expected - last[0])}")
    print(f"{len(world.ways())} ways tried, {len(expected)} of them open")


def test_what_matters_most_is_so(world: World) -> None:
    """The table above is computed from policies; these lines are not."""
    expected = world.expected()
    for way in (
        ("worker", "execution-api", 8080),
        ("worker@elsewhere", "execution-api", 8080),
        ("api-server", "triggerer", 8794),
        ("scheduler", "postgres", 5432),
    ):
        assert way in expected
    for way in (
        ("worker", "api-server", 8080),
        ("worker", "postgres", 5432),
        ("worker", "scheduler", 8974),
        ("worker@elsewhere", "api-server", 8080),
        ("worker@elsewhere", "postgres", 5432),
        ("worker@elsewhere", "worker", 8080),
        ("stranger", "execution-api", 8080),
        ("stranger@elsewhere", "execution-api", 8080),
        ("stranger", "postgres", 5432),
        ("scheduler", "worker", 8080),
        ("stranger@elsewhere", "worker@elsewhere", 8080),
    ):
        assert way not in expected


def test_a_dag_runs_through_the_execution_api_alone(full: Release) -> None:
    """Tasks can't reach the API server, which does not serve /execution; and yet they run."""
    assert full.run("hello_pods")
    status, text = full.api.send("GET", "/execution/health")
    assert (status, "healthy" in text) == (200, False), "the API server's page, not the Execution API"
    logs = full.kubectl("logs", "deployment/full-execution-api", "--container", "base", "--tail=-1").stdout
    assert re.search(r"/execution/task-instances/\S+/run", logs)
    (pod,) = full.pods("execution-api")
    assert not pod.spec.automount_service_account_token
    assert not [
        v for v in pod.spec.volumes if v.projected and any(s.service_account_token for s in v.projected.sources)
    ]

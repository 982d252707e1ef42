"""NetworkPolicies are enforced within and across nodes. Every case states the whole matrix of who reaches what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from airfleet.lab import Lab

if TYPE_CHECKING:
    from conftest import Probe

PORTS = (8080, 8081, 8082)
CLIENTS = ("near", "far")  # on the first and on the second node
SERVERS = ("web-1", "web-2")  # likewise
EVERYTHING = {(c, s, p) for c in CLIENTS for s in SERVERS for p in PORTS}


@pytest.fixture(scope="module")
def world(probe: Probe) -> Iterator[Probe]:
    serve = "; ".join(f"httpd -p {port} -h /tmp" for port in PORTS)
    named = {
        "ports": [{"containerPort": 8080, "name": "http"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1},
    }
    for number, node in enumerate(probe.lab.nodes, start=1):
        script = f"echo web > /tmp/index.html; {serve}; sleep 100000"
        probe.apply(probe.pod(f"web-{number}", script, node=node, labels={"app": "web"}, container=named))
        probe.apply(probe.pod(CLIENTS[number - 1], node=node, labels={"app": "client"}))
    probe.wait_ready(*SERVERS, *CLIENTS)
    yield probe


@pytest.fixture(autouse=True)
def _no_policies_left(world: Probe) -> Iterator[None]:
    yield
    world.kubectl("delete", "networkpolicy", "--all")


def policy(name: str, selector: dict[str, str], **spec: Any) -> dict[str, Any]:
    spec.setdefault("policyTypes", [kind.capitalize() for kind in ("ingress", "egress") if kind in spec])
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": selector}, **spec},
    }


def reached(probe: Probe) -> set[tuple[str, str, int]]:
    """Who reaches which server on which port, all tried at the same time."""
    addresses = {probe.ip(s): s for s in SERVERS}
    found = set()
    for client in CLIENTS:
        tries = "".join(
            f"(timeout 1 wget -qO- http://{address}:{port}/ >/dev/null 2>&1 && echo {server} {port}) & "
            for address, server in addresses.items()
            for port in PORTS
        )
        for line in probe.sh(client, f"{tries} wait").splitlines():
            server, port = line.split()
            found.add((client, server, int(port)))
    return found


def expect(probe: Probe, until: Callable[..., Any], expected: set[tuple[str, str, int]]) -> None:
    last: list[set[tuple[str, str, int]]] = []

    def holds() -> bool:
        last[:] = [reached(probe)]
        return last[0] == expected

    try:
        until("the matrix", holds, 15)
    except AssertionError:
        wrongly, missing = last[0] - expected, expected - last[0]
        pytest.fail(f"reached and should not: {sorted(wrongly)}; not reached and should: {sorted(missing)}")


def test_without_policies_everything_is_reached(world: Probe, until: Callable[..., Any]) -> None:
    expect(world, until, EVERYTHING)


def test_default_deny_blocks_both_ways_but_not_the_kubelet(world: Probe, until: Callable[..., Any]) -> None:
    world.apply(policy("deny", {"app": "web"}, policyTypes=["Ingress"]))
    expect(world, until, set())
    ready = [c["status"] for s in SERVERS for c in world.get("pod", s)["status"]["conditions"] if c["type"] == "Ready"]
    assert ready == ["True", "True"], "a probe every second has failed"


def test_pod_selector_with_a_named_port(world: Probe, until: Callable[..., Any]) -> None:
    peers = [{"podSelector": {"matchLabels": {"name": "far"}}}]
    world.apply(policy("named", {"app": "web"}, ingress=[{"from": peers, "ports": [{"port": "http"}]}]))
    expect(world, until, {("far", s, 8080) for s in SERVERS})


def test_namespace_selector(world: Probe, until: Callable[..., Any]) -> None:
    own = {"kubernetes.io/metadata.name": world.namespace}
    elsewhere = {"kubernetes.io/metadata.name": "kube-system"}
    for labels, expected in ((elsewhere, set()), (own, EVERYTHING)):
        peers = [{"namespaceSelector": {"matchLabels": labels}}]
        world.apply(policy("namespace", {"app": "web"}, ingress=[{"from": peers}]))
        expect(world, until, expected)


def test_block_with_exception(world: Probe, until: Callable[..., Any]) -> None:
    block = {"cidr": "0.0.0.0/0", "except": [f"{world.ip('near')}/32"]}
    world.apply(policy("block", {"app": "web"}, ingress=[{"from": [{"ipBlock": block}]}]))
    expect(world, until, {e for e in EVERYTHING if e[0] == "far"})


def test_block_of_another_network_allows_nobody(world: Probe, until: Callable[..., Any]) -> None:
    world.apply(policy("block", {"app": "web"}, ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]))
    expect(world, until, set())


def test_end_port(world: Probe, until: Callable[..., Any]) -> None:
    world.apply(policy("range", {"app": "web"}, ingress=[{"ports": [{"port": 8080, "endPort": 8081}]}]))
    expect(world, until, {e for e in EVERYTHING if e[2] != 8082})


def test_policies_add_up(world: Probe, until: Callable[..., Any]) -> None:
    world.apply(
        policy("deny", {}, policyTypes=["Ingress"]),
        policy("one", {"name": "web-1"}, ingress=[{"ports": [{"port": 8080}]}]),
        policy("two", {"app": "web"}, ingress=[{"ports": [{"port": 8081}]}]),
    )
    expect(world, until, {e for e in EVERYTHING if e[1:] == ("web-1", 8080) or e[2] == 8081})


def test_egress_by_pod_and_by_block_with_exception(world: Probe, until: Callable[..., Any]) -> None:
    to_web_1 = [{"podSelector": {"matchLabels": {"name": "web-1"}}}]
    world.apply(policy("out", {"app": "client"}, egress=[{"to": to_web_1, "ports": [{"port": "http"}]}]))
    expect(world, until, {(c, "web-1", 8080) for c in CLIENTS})
    pods = world.lab.record.addresses.pods
    block = {"cidr": str(pods), "except": [f"{world.ip('web-1')}/32"]}
    world.apply(policy("out", {"app": "client"}, egress=[{"to": [{"ipBlock": block}]}]))
    expect(world, until, {e for e in EVERYTHING if e[1] == "web-2"})


def test_egress_to_the_api_server_is_blocked_and_allowed_on_every_node(world: Probe, until: Callable[..., Any]) -> None:
    """On the control plane's own node this traffic is not forwarded, so it needs rules of its own."""
    plan = world.lab.record.addresses

    def who_reaches_it() -> set[str]:
        ask = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 1 nc {plan.kubernetes_service} 443 || true"
        return {c for c in CLIENTS if "HTTP request to an HTTPS server" in world.sh(c, ask)}

    until("everybody reaches it", lambda: who_reaches_it() == set(CLIENTS))
    world.apply(policy("out", {"app": "client"}, policyTypes=["Egress"]))
    until("nobody reaches it", lambda: who_reaches_it() == set())
    block = {"cidr": f"{plan.node(1)}/32"}
    world.apply(policy("out", {"app": "client"}, egress=[{"to": [{"ipBlock": block}], "ports": [{"port": 6443}]}]))
    until("everybody reaches it again", lambda: who_reaches_it() == set(CLIENTS))
    world.apply(policy("out", {"app": "client"}, egress=[{"to": [{"ipBlock": block}], "ports": [{"port": 443}]}]))
    until("nobody reaches it on another port", lambda: who_reaches_it() == set())


def test_dns_alone(world: Probe, until: Callable[..., Any]) -> None:
    dns = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    ports = [{"port": 53, "protocol": p} for p in ("UDP", "TCP")]
    world.apply(policy("dns", {"app": "client"}, egress=[{"to": [dns], "ports": ports}]))
    expect(world, until, set())
    for client in CLIENTS:
        assert "Address" in world.sh(client, "timeout 5 nslookup -type=a kubernetes.default.svc.cluster.local")


def test_nothing_runs_in_a_pod_before_its_policies_are_in_force(world: Probe, selftest: Lab) -> None:
    world.apply(policy("jail", {"app": "prisoner"}, policyTypes=["Egress"]))
    script = f"timeout 1 wget -qO- http://{world.ip('web-1')}:8080/ || echo blocked"
    names = [f"prisoner-{n}" for n in range(6)]
    pods = [world.pod(n, script, node=selftest.nodes[i % 2], labels={"app": "prisoner"}) for i, n in enumerate(names)]
    world.apply(*pods)
    said = [set(world.wait_done(name).split()) - {"Terminated"} for name in names]
    assert said == [{"blocked"}] * 6

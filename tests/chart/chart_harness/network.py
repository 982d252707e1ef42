"""Who may reach whom: an evaluator for the NetworkPolicies of a release.

It knows what the API documents: a pod that no policy selects is open, policies add up, an empty list of peers means
everybody, and traffic needs the sender's egress and the receiver's ingress. What the API leaves to implementations is a
parameter: whether an ipBlock also matches the addresses of pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from chart_harness.objects import Pod, Rendered


@dataclass(frozen=True)
class Endpoint:
    """One end of a connection: a pod (with labels, in a namespace) or an address outside (neither)."""

    name: str
    address: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_pod(self) -> bool:
        """Whether policies can select it."""
        return bool(self.namespace)


INTERNET = Endpoint("internet", "203.0.113.7")
METADATA = Endpoint("node metadata", "169.254.169.254")
NAME_SERVER = Endpoint("name server", "10.244.9.1", "kube-system", {"k8s-app": "kube-dns"})
NEIGHBOUR = Endpoint("a pod of another team", "10.244.9.2", "other", {"app": "other"})


def endpoints(r: Rendered) -> list[Endpoint]:
    """One endpoint for each kind of pod of the release."""
    return [_endpoint(r, pod, number) for number, pod in enumerate(r.pods, start=1)]


def stranger(r: Rendered) -> Endpoint:
    """A pod in the release's own namespace that is not part of it."""
    return Endpoint("a stranger in the namespace", "10.244.9.3", r.release.namespace, {"app": "stranger"})


def allowed(
    r: Rendered, source: Endpoint, to: Endpoint, port: int, protocol: str = "TCP", *, cidrs_match_pods: bool
) -> bool:
    """Whether the policies of the release let source open a connection to this port."""
    out = _passes(r, "egress", source, to, to, port, protocol, cidrs_match_pods)
    return out and _passes(r, "ingress", to, source, to, port, protocol, cidrs_match_pods)


def is_isolated(r: Rendered, pod: Endpoint, direction: str) -> bool:
    """Whether some policy limits what the pod may send (egress) or receive (ingress)."""
    return any(True for _ in _policies(r, direction, pod))


def _passes(
    r: Rendered, way: str, own: Endpoint, peer: Endpoint, to: Endpoint, port: int, protocol: str, cidrs_match_pods: bool
) -> bool:
    if not own.is_pod:
        return True
    policies = list(_policies(r, way, own))
    side = "to" if way == "egress" else "from"
    return not policies or any(
        _port_matches(entry.get("ports"), to, port, protocol)
        and (not entry.get(side) or any(_peer_matches(p, policy, peer, cidrs_match_pods) for p in entry[side]))
        for policy in policies
        for entry in policy["spec"].get(way) or []
    )


def _policies(r: Rendered, way: str, pod: Endpoint) -> Iterator[dict[str, Any]]:
    for policy in r.of("NetworkPolicy"):
        spec = policy["spec"]
        in_namespace = policy["metadata"].get("namespace") == pod.namespace
        if in_namespace and way.title() in spec["policyTypes"] and _selects(spec["podSelector"], pod.labels):
            yield policy


def _peer_matches(peer: Mapping[str, Any], policy: Mapping[str, Any], end: Endpoint, cidrs_match_pods: bool) -> bool:
    if block := peer.get("ipBlock"):
        return (cidrs_match_pods or not end.is_pod) and _in_block(end.address, block)
    if not end.is_pod or not _selects(peer.get("podSelector") or {}, end.labels):
        return False
    if "namespaceSelector" in peer:
        return _selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace})
    return bool(end.namespace == policy["metadata"].get("namespace"))


def _in_block(address: str, block: Mapping[str, Any]) -> bool:
    own = ip_address(address)
    return own in ip_network(block["cidr"]) and not any(own in ip_network(x) for x in block.get("except") or [])


def _port_matches(ports: list[dict[str, Any]] | None, to: Endpoint, port: int, protocol: str) -> bool:
    if not ports:
        return True
    for entry in ports:
        number = entry.get("port")
        number = to.ports.get(number) if isinstance(number, str) else number
        if entry.get("protocol", "TCP") == protocol and (
            number is None or number <= port <= entry.get("endPort", number)
        ):
            return True
    return False


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    for entry in selector.get("matchExpressions") or []:
        value, among = labels.get(entry["key"]), entry.get("values") or []
        holds = {
            "In": value in among,
            "NotIn": value not in among,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not holds[entry["operator"]]:
            return False
    return all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items())


def _endpoint(r: Rendered, pod: Pod, number: int) -> Endpoint:
    ports = {p["name"]: p["containerPort"] for c in pod.containers for p in c.get("ports") or [] if p.get("name")}
    return Endpoint(pod.component, f"10.244.0.{number}", pod.namespace, pod.labels, ports)

"""What the NetworkPolicies let through: the table of docs/reference/network.md, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from chart_harness import catalogue
from chart_harness.network import (
    INTERNET,
    METADATA,
    NAME_SERVER,
    NEIGHBOUR,
    Endpoint,
    allowed,
    endpoints,
    is_isolated,
    stranger,
)
from chart_harness.objects import Rendered, ref_of
from chart_harness.rules.registry import rule

CONTROL_PLANE = ("api-server", "execution-api", "scheduler", "dag-processor", "triggerer", "bootstrap", "db-cleanup")
PORTS = {
    "api-server": 8080,
    "execution-api": 8080,
    "triggerer": 8794,
    "postgres": 5432,
    "scheduler": 8974,
    "metrics": 9102,
    "pgbouncer": 6432,
}
STATSD = 9125
SCRAPED = {("metrics", 9102)}
SENDS_METRICS = ("api-server", "execution-api", "scheduler", "dag-processor", "triggerer", "worker")
USES_THE_KUBERNETES_API = ("api-server", "scheduler", "bootstrap", "pod-cleanup")
USES_THE_OUTSIDE = ("api-server", "execution-api", "dag-processor", "triggerer", "worker")


def open_to_clients(r: Rendered) -> set[tuple[str, int]]:
    """What those may reach who are not part of the release."""
    own = r.release.value("executionApi") or {}
    elsewhere = (own.get("service") or {}).get("type") not in (None, "ClusterIP")
    exposed = elsewhere or any((own.get(way) or {}).get("enabled") for way in ("ingress", "httpRoute"))
    return {("api-server", 8080), *([("execution-api", 8080)] if own.get("enabled") and exposed else [])}


def connects(r: Rendered) -> set[str]:
    """Who goes to the database itself: PgBouncer, if there is one, and bootstrap, whose lock needs its own session."""
    return {"pgbouncer", "bootstrap"} if r.release.value("pgbouncer.enabled") else set(CONTROL_PLANE)


def table(r: Rendered) -> set[tuple[str, str, int]]:
    """Who may reach which pod of the release at which port."""
    pooled = {(component, "pgbouncer", 6432) for component in set(CONTROL_PLANE) - connects(r)}
    own = {
        ("worker", "execution-api" if r.release.value("executionApi.enabled") else "api-server", 8080),
        ("api-server", "triggerer", 8794),
    }
    return own | pooled | {(component, "postgres", 5432) for component in connects(r)}


def enabled(r: Rendered) -> bool:
    """Whether this release has policies at all."""
    return not r.release.is_off("networkPolicies.enabled")


@rule
def every_pod_is_isolated(r: Rendered) -> Iterator[str]:
    """Every pod has a policy for what it sends and for what it receives."""
    for pod in endpoints(r):
        for direction in ("ingress", "egress"):
            if enabled(r) != is_isolated(r, pod, direction):
                yield f"{pod.name} is {'not ' * enabled(r)}limited in {direction}"


@rule
def address_blocks_are_valid(r: Rendered) -> Iterator[str]:
    """The API server refuses a block that is no CIDR, and an exception that is not strictly within its block."""
    for policy in r.of("NetworkPolicy"):
        for way, side in (("ingress", "from"), ("egress", "to")):
            peers = [peer for entry in policy["spec"].get(way) or [] for peer in entry.get(side) or []]
            for block in [peer["ipBlock"] for peer in peers if "ipBlock" in peer]:
                own = ip_network(block["cidr"])
                for text in block.get("except") or []:
                    inner = ip_network(text)
                    if inner.version != own.version or inner == own or inner[0] not in own or inner[-1] not in own:
                        yield f"{ref_of(policy)}: {way} excepts {text}, which is not within {own}"


@rule
def pods_reach_each_other_by_the_table(r: Rendered) -> Iterator[str]:
    """Components reach each other exactly as the table says, on any port that one of them listens on."""
    if enabled(r):
        for source in endpoints(r):
            for to in endpoints(r):
                for port in sorted({*PORTS.values(), 22}):
                    passes = allowed(r, source, to, port, cidrs_match_pods=False)
                    if passes != ((source.name, to.name, port) in table(r)) and source.name != to.name:
                        yield f"{source.name} {'reaches' if passes else 'does not reach'} {to.name}:{port}"


@rule
def metrics_go_by_the_table(r: Rendered) -> Iterator[str]:
    """Airflow sends statsd to the exporter, and nobody else does."""
    if enabled(r):
        for to in [end for end in endpoints(r) if end.name == "metrics"]:
            for source in endpoints(r):
                yield from _differs(r, source, to, STATSD, "UDP", source.name in SENDS_METRICS)
            for source in (stranger(r), NEIGHBOUR, INTERNET):
                yield from _differs(r, source, to, STATSD, "UDP", False)


@rule
def open_addresses_open_no_pod(r: Rendered) -> Iterator[str]:
    """Where ipBlocks match pods too, an open outside still leads to no pod but those that serve everybody."""
    if enabled(r):
        served = open_to_clients(r) if not r.release.value("networkPolicies.clients") else set()
        served |= SCRAPED if not r.release.value("networkPolicies.scrapers") else set()
        for source in endpoints(r):
            for to in endpoints(r):
                for port in sorted({*PORTS.values(), 22}):
                    if allowed(r, source, to, port, cidrs_match_pods=True) and source.name != to.name:
                        by_table = (source.name, to.name, port) in table(r)
                        if not by_table and (to.name, port) not in served:
                            yield f"{source.name} reaches {to.name}:{port} by address"


@rule
def strangers_reach_only_the_api(r: Rendered) -> Iterator[str]:
    """Pods that are not part of the release, near or far, reach the API and the metrics at most."""
    if enabled(r):
        for source in (stranger(r), NEIGHBOUR, INTERNET):
            for to in endpoints(r):
                for port in sorted({*PORTS.values(), 22}):
                    passes = allowed(r, source, to, port, cidrs_match_pods=True)
                    if passes and (to.name, port) not in open_to_clients(r) | SCRAPED:
                        yield f"{source.name} reaches {to.name}:{port}"


@rule
def the_outside_is_reached_by_the_table(r: Rendered) -> Iterator[str]:
    """Names resolve; the Kubernetes API and the internet are for those who need them; node metadata is for nobody."""
    told = r.release.value("networkPolicies") or {}
    if enabled(r) and not {"dns", "kubernetesApi", "outbound"} & set(told):
        for source in endpoints(r):
            yield from _differs(r, source, NAME_SERVER, 53, "UDP", source.name not in ("postgres", "metrics"))
            yield from _differs(r, source, METADATA, 80, "TCP", False)
            if _own_egress(r, source) is not None:
                continue
            yield from _differs(r, source, INTERNET, 80, "TCP", source.name in USES_THE_OUTSIDE)
            api = source.name in USES_THE_KUBERNETES_API + USES_THE_OUTSIDE
            yield from _differs(r, source, INTERNET, 6443, "TCP", api)


@rule
def workers_do_not_reach_the_database(r: Rendered) -> Iterator[str]:
    """With the database's addresses told, the control plane reaches it and a task does not."""
    port = r.release.value("networkPolicies.database.port") or r.release.value("database.port") or 5432
    for cidr in r.release.value("networkPolicies.database.cidrs") or []:
        database = Endpoint(f"database {cidr}", cidr.partition("/")[0])
        if enabled(r) and not r.release.value("postgres.embedded"):
            for source in endpoints(r):
                yield from _differs(r, source, database, port, "TCP", source.name in connects(r))


@rule
def a_templates_own_way_out_is_all_it_has(r: Rendered) -> Iterator[str]:
    """Policies add up: a pod template with `egress` must be left out of the policy that opens the others."""
    outside = [INTERNET, NEIGHBOUR, *(Endpoint(a, a) for a in ("10.9.9.9", "10.20.0.5", "169.254.169.254"))]
    outside += [Endpoint("redis", "10.244.9.4", "cache", {"app": "redis"})]
    for source in endpoints(r) if enabled(r) else []:
        rules = _own_egress(r, source)
        for to in outside if rules is not None else []:
            for port in (80, 443, 514, 5439, 6379):
                wanted = any(_opens(rule, source, to, port) for rule in (rules or {}).values())
                yield from _differs(r, source, to, port, "TCP", wanted and not _is_kept(r, to))


def _own_egress(r: Rendered, source: Endpoint) -> dict[str, Any] | None:
    options = catalogue.templates(r.release.values).get(source.labels.get("airfleet/pod-template", "")) or {}
    egress: dict[str, Any] | None = options.get("egress")
    return egress


def _opens(rule: dict[str, Any], source: Endpoint, to: Endpoint, port: int) -> bool:
    ports = rule.get("ports") or [port]
    if (rule.get("protocol") or "TCP") != "TCP" or port not in ports:
        return False
    if not to.is_pod:
        return any(ip_address(to.address) in ip_network(cidr) for cidr in rule.get("cidrs") or [])
    pods, spaces = (rule.get(field) or {} for field in ("podSelector", "namespaceSelector"))
    if not pods and not spaces:
        return False
    labels = {"kubernetes.io/metadata.name": to.namespace}
    in_namespace = spaces["matchLabels"].items() <= labels.items() if spaces else to.namespace == source.namespace
    return in_namespace and (pods.get("matchLabels") or {}).items() <= to.labels.items()


def _is_kept(r: Rendered, to: Endpoint) -> bool:
    """Whether it is among the addresses that no pod, or no task, may have."""
    kept = ["169.254.169.254/32", *(r.release.value("networkPolicies.database.cidrs") or [])]
    return not to.is_pod and any(ip_address(to.address) in ip_network(cidr) for cidr in kept)


def _differs(r: Rendered, source: Endpoint, to: Endpoint, port: int, protocol: str, wanted: bool) -> Iterator[str]:
    passes = allowed(r, source, to, port, protocol, cidrs_match_pods=False)
    if passes != wanted:
        yield f"{source.name} {'reaches' if passes else 'does not reach'} {to.name}:{port}/{protocol}"

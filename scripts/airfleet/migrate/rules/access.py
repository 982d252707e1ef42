"""Who reaches Airflow, and how: Ingress, Service, autoscaling, users, NetworkPolicies."""

from __future__ import annotations

from typing import Any

from airfleet.migrate.migration import Migration, Rule, ask, drop, move, when
from airfleet.migrate.model import Entry

_API = ("apiServer", "ingress")


def _ingress(rule: Rule) -> Rule:
    """A rule of ingress.apiServer or ingress.web that counts only while that Ingress is on."""

    def apply(m: Migration, entry: Entry) -> None:
        if m.said("ingress.enabled") or m.said(f"{entry.path[0]}.{entry.path[1]}.enabled"):
            rule(m, entry)
        else:
            m.drop(entry, f"ingress.{entry.path[1]}.enabled is off")

    return apply


def _hosts(m: Migration, entry: Entry) -> None:
    """Hosts are names, or mappings with a TLS Secret for each."""
    listed = entry.value if isinstance(entry.value, list) else [entry.value] if entry.value else []
    names = [host.get("name") if isinstance(host, dict) else host for host in listed]
    tls = [host.get("tls") or {} for host in listed if isinstance(host, dict)]
    secrets = {found.get("secretName") for found in tls if found.get("enabled")}
    targets: dict[tuple[str, ...], Any] = {(*_API, "hosts"): [name for name in names if name]}
    if len(secrets) == 1 and all(found.get("enabled") for found in tls):
        targets[(*_API, "tls", "secretName")] = secrets.pop() or ""
    elif secrets:
        m.ask(entry, "hosts with different TLS Secrets: one Ingress here has one; make a Secret with all names")
    m.put_all(entry, targets)


def _path(m: Migration, entry: Entry) -> None:
    m.put(entry, (*_API, "path"), "/" + str(entry.value).strip("/*"), "path type Prefix")


def _ingress_rules(root: str) -> dict[str, Rule]:
    tls = when(f"{root}.tls.enabled", move("apiServer.ingress.tls.secretName"))
    rules: dict[str, Rule] = {
        "enabled": move("apiServer.ingress.enabled"),
        "annotations": move("apiServer.ingress.annotations"),
        "ingressClassName": move("apiServer.ingress.className"),
        "path": _path,
        "pathType": drop("the path type is Prefix"),
        "host": _hosts,
        "hosts": _hosts,
        "tls.enabled": drop("a tls.secretName says it"),
        "tls.secretName": tls,
        "precedingPaths": ask("paths of others: an Ingress of your own for the same host says them"),
        "succeedingPaths": ask("paths of others: an Ingress of your own for the same host says them"),
    }
    return {f"{root}.{key}": _ingress(rule) for key, rule in rules.items()}


def _metrics(m: Migration, entry: Entry) -> None:
    """Resource metrics in percent; whatever else an HPA can read is for a human."""
    targets: dict[str, int | None] = dict.fromkeys(m.chart.default(("apiServer", "autoscaling", "targets")) or {})
    for metric in entry.value or ():
        resource = metric.get("resource") or {}
        percent = (resource.get("target") or {}).get("averageUtilization")
        if metric.get("type") != "Resource" or percent is None:
            m.ask(entry, "the chart scales on the use of resources in percent; which of them, at how many?")
            return
        targets[resource["name"]] = percent
    m.put(entry, "apiServer.autoscaling.targets", targets)


def _autoscaler(m: Migration, entry: Entry) -> None:
    """The switch, with the limits that the official chart takes if the input leaves them out."""
    root, hpa = ("apiServer", "autoscaling"), ".".join(entry.path[:-1])
    values = {
        "enabled": True,
        "minReplicas": m.said(f"{hpa}.minReplicaCount"),
        "maxReplicas": m.said(f"{hpa}.maxReplicaCount"),
    }
    m.put_all(entry, {(*root, key): value for key, value in values.items()})


def _hpa_rules() -> dict[str, Rule]:
    names = {"minReplicaCount": "minReplicas", "maxReplicaCount": "maxReplicas", "behavior": "behavior"}
    rules: dict[str, Rule] = {}
    for component in ("webserver", "apiServer"):
        on = f"{component}.hpa.enabled"
        rules[on] = when(on, _autoscaler)
        rules[f"{component}.hpa.metrics"] = when(on, _metrics)
        for theirs, ours in names.items():
            rules[f"{component}.hpa.{theirs}"] = when(on, move(f"apiServer.autoscaling.{ours}"))
    return rules


def _peers(m: Migration, entry: Entry) -> None:
    if entry.value:
        m.put(entry, "networkPolicies.clients", entry.value, "who may use the API and the UI; tasks always may")
    else:
        m.drop(entry, "it is empty")


def _server_rules(server: str) -> dict[str, Rule]:
    ui = "webserver_config.py: say it with `auth`, or put the file into a ConfigMap that auth.webserverConfig names"
    return {
        f"{server}.service.type": move("apiServer.service.type"),
        f"{server}.service.annotations": move("apiServer.service.annotations"),
        f"{server}.service": ask("of the Service, type and annotations can be set; who needs more?"),
        f"{server}.networkPolicy.ingress.from": _peers,
        f"{server}.networkPolicy.ingress.ports": drop("the ports are the chart's own"),
        f"{server}.extraNetworkPolicies": _peers,
        f"{server}.allowPodLogReading": drop("the API server reads the logs of running pods"),
        f"{server}.configMapAnnotations": drop("the chart's ConfigMaps have the chart's annotations"),
        f"{server}.apiServerConfig": ask(ui),
        f"{server}.apiServerConfigConfigMapName": move("auth.webserverConfig"),
        f"{server}.webserverConfig": ask(ui),
        f"{server}.webserverConfigConfigMapName": move("auth.webserverConfig"),
        f"{server}.hostAliases": move("apiServer.hostAliases"),
    }


def _user_rules() -> dict[str, Rule]:
    rules: dict[str, Rule] = {
        "createUserJob": drop("the bootstrap Job makes the first user"),
        "createUserJob.enabled": move("admin.create"),
    }
    for root in ("webserver.defaultUser", "apiServer.defaultUser", "createUserJob.defaultUser"):
        rules |= {
            f"{root}.enabled": move("admin.create"),
            f"{root}.username": move("admin.username"),
            f"{root}.email": move("admin.email"),
            f"{root}.role": drop("the first user is an Admin"),
            f"{root}.firstName": drop("an existing user stays as it is"),
            f"{root}.lastName": drop("an existing user stays as it is"),
            f"{root}.password": drop("an existing user keeps its password; a new one's is in a Secret"),
        }
    return rules


_FLOWER = drop("there is no Flower without Celery")


def _all() -> dict[str, Rule]:
    rules = _hpa_rules() | _user_rules()
    server = _server_rules("apiServer") | _server_rules("webserver")
    del server["apiServer.hostAliases"], server["webserver.hostAliases"]  # as for every component
    rules |= _ingress_rules("ingress.apiServer") | _ingress_rules("ingress.web") | server
    return rules | {
        "ingress.enabled": move("apiServer.ingress.enabled"),
        "ingress.flower": _FLOWER,
        "ingress.statsd": when(
            "ingress.statsd.enabled", ask("an Ingress for the exporter: scrape it in the cluster instead")
        ),
        "ingress.pgbouncer": when(
            "ingress.pgbouncer.enabled", ask("an Ingress for the exporter: scrape it in the cluster instead")
        ),
        "networkPolicies.enabled": move("networkPolicies.enabled"),
        "triggerer.keda": when(
            "triggerer.keda.enabled",
            ask("triggerer.autoscaling scales on the use of CPU; KEDA needs a ScaledObject of yours"),
        ),
    }


RULES = _all()

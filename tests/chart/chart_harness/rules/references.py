"""Every reference of one object to another resolves, and every selector selects what it is meant to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from chart_harness import catalogue
from chart_harness.objects import Pod, Rendered, ref_of
from chart_harness.rules.registry import rule

Named = Iterator[tuple[str, str, list[str]]]


def config_sources(pod: Pod, kind: str) -> Named:
    """(place, name, keys) of each ConfigMap (`configMap`) or Secret (`secret`) that a pod reads; no keys: all of it."""
    name_of = {"configMap": "name", "secret": "secretName"}[kind]
    for volume in pod.volumes:
        place = f"{pod.owner}: volume {volume['name']}"
        if source := volume.get(kind):
            yield place, source.get(name_of, ""), [item["key"] for item in source.get("items") or []]
        for projected in (volume.get("projected") or {}).get("sources") or []:
            if source := projected.get(kind):
                yield place, source.get("name", ""), [item["key"] for item in source.get("items") or []]
    for place, container in pod.named():
        for env in container.get("env") or []:
            if ref := (env.get("valueFrom") or {}).get(f"{kind}KeyRef"):
                yield f"{place}: env {env['name']}", ref["name"], [ref["key"]]
        for source in container.get("envFrom") or []:
            if ref := source.get(f"{kind}Ref"):
                yield f"{place}: envFrom", ref["name"], []


@rule
def config_maps_exist(r: Rendered) -> Iterator[str]:
    """Every ConfigMap that a pod reads is part of the release, with the keys that it reads, or is the user's own."""
    for pod in r.pods:
        for place, name, keys in config_sources(pod, "configMap"):
            found = r.find("ConfigMap", name, pod.namespace)
            if found is None and name != f"{r.release.fullname}-jwt" and f"ConfigMap/{name}" not in r.release.external:
                yield f"{place}: no ConfigMap {name}"
            for key in keys if found else []:
                if key not in (found or {}).get("data", {}):
                    yield f"{place}: ConfigMap {name} has no key {key}"


@rule
def secrets_exist(r: Rendered) -> Iterator[str]:
    """Every Secret that a pod reads is made by the bootstrap Job or is named by the user."""
    for pod in r.pods:
        names = [(place, name) for place, name, _ in config_sources(pod, "secret")]
        names += [(pod.owner, secret["name"]) for secret in pod.spec.get("imagePullSecrets") or []]
        names += [(pod.owner, name) for name in _told_to_bootstrap(pod)]
        for place, name in names:
            made = {*r.made_by_bootstrap, f"{r.release.fullname}-jwt-overlap"}
            if name not in made and f"Secret/{name}" not in r.release.external:
                yield f"{place}: nobody makes the Secret {name}"


def _told_to_bootstrap(pod: Pod) -> list[str]:
    env = {e["name"]: e.get("value") for c in pod.containers for e in c.get("env") or []}
    return [secret["name"] for secret in json.loads(env.get("AIRFLEET_CREATE_SECRETS") or "[]")]


@rule
def service_accounts_exist(r: Rendered) -> Iterator[str]:
    """Every pod names a ServiceAccount, never the namespace's default one."""
    for pod in r.pods:
        name = pod.spec.get("serviceAccountName")
        if (
            r.find("ServiceAccount", name or "", pod.namespace) is None
            and f"ServiceAccount/{name}" not in r.release.external
        ):
            yield f"{pod.owner}: no ServiceAccount {name}"


@rule
def claims_exist(r: Rendered) -> Iterator[str]:
    """Every claim that a pod mounts is part of the release or the user's own."""
    for pod in r.pods:
        for volume in pod.volumes:
            name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if (
                name
                and not r.find("PersistentVolumeClaim", name, pod.namespace)
                and f"PersistentVolumeClaim/{name}" not in r.release.external
            ):
                yield f"{pod.owner}: no PersistentVolumeClaim {name}"


@rule
def volumes_and_mounts_match(r: Rendered) -> Iterator[str]:
    """Every mount names a volume of its pod, and every volume is mounted by some container."""
    claimed = {
        ref_of(s): {claim["metadata"]["name"] for claim in s["spec"].get("volumeClaimTemplates") or []}
        for s in r.of("StatefulSet")
    }
    for pod in r.pods:
        there = {volume["name"] for volume in pod.volumes} | claimed.get(pod.owner, set())
        mounted = {mount["name"] for c in pod.containers for mount in c.get("volumeMounts") or []}
        for name in sorted(mounted - there):
            yield f"{pod.owner}: a mount names the volume {name}, which is not there"
        for name in sorted(there - mounted):
            yield f"{pod.owner}: the volume {name} is not mounted"


@rule
def role_bindings_resolve(r: Rendered) -> Iterator[str]:
    """A RoleBinding's Role exists, and so does each of its ServiceAccounts."""
    for binding in r.of("RoleBinding"):
        ref = binding["roleRef"]
        if ref["kind"] != "Role" or r.find("Role", ref["name"], binding["metadata"]["namespace"]) is None:
            yield f"{ref_of(binding)}: no {ref['kind']} {ref['name']}"
        for subject in binding.get("subjects") or []:
            there = (
                r.find("ServiceAccount", subject["name"]) or f"ServiceAccount/{subject['name']}" in r.release.external
            )
            if subject.get("namespace") != r.release.namespace or not there:
                yield f"{ref_of(binding)}: no ServiceAccount {subject.get('namespace')}/{subject['name']}"
    bound = {binding["roleRef"]["name"] for binding in r.of("RoleBinding")}
    for role in r.of("Role"):
        if role["metadata"]["name"] not in bound:
            yield f"{ref_of(role)} is bound to nobody"


@rule
def workloads_select_their_own_pods(r: Rendered) -> Iterator[str]:
    """A workload's selector is part of its own pods' labels, and of nobody else's."""
    for workload in r.of("Deployment", "StatefulSet", "DaemonSet"):
        selector = workload["spec"]["selector"].get("matchLabels") or {}
        owners = {pod.owner for pod in r.pods if _matches(selector, pod.labels)}
        if owners != {ref_of(workload)}:
            yield f"{ref_of(workload)} selects the pods of {sorted(owners) or 'nobody'}"


@rule
def services_reach_a_port(r: Rendered) -> Iterator[str]:
    """A Service selects pods of one component, and each of them has the port that it forwards to."""
    for service in r.of("Service"):
        selected = [pod for pod in r.pods if _matches(service["spec"].get("selector") or {}, pod.labels)]
        if len({pod.component for pod in selected}) != 1:
            yield f"{ref_of(service)} selects {sorted({pod.owner for pod in selected}) or 'no pod'}"
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            for pod in selected:
                if target not in _ports(pod):
                    yield f"{ref_of(service)}: {pod.owner} has no port {target}"


@rule
def selectors_select_something(r: Rendered) -> Iterator[str]:
    """PodDisruptionBudgets, NetworkPolicies (their peers too) and monitors select pods or Services of the release."""
    for obj, place, selector in _selectors(r):
        if obj["kind"] == "ServiceMonitor":
            found = any(_matches(selector, s["metadata"].get("labels") or {}) for s in r.of("Service"))
        else:
            found = any(_matches(selector, pod.labels) for pod in r.pods)
        if not found:
            yield f"{ref_of(obj)}: {place} selects nothing: {selector}"


@rule
def targets_exist(r: Rendered) -> Iterator[str]:
    """What autoscalers scale, routes lead to and StatefulSets are named by exists."""
    for obj in r.of("HorizontalPodAutoscaler"):
        target = obj["spec"]["scaleTargetRef"]
        workload = r.find(target["kind"], target["name"])
        if workload is None:
            yield f"{ref_of(obj)}: no {target['kind']} {target['name']}"
        elif "replicas" in workload["spec"]:
            yield f"{ref_of(obj)}: {target['name']} sets replicas, so every upgrade undoes the autoscaler"
    for obj in r.of("StatefulSet"):
        if r.find("Service", obj["spec"].get("serviceName", "")) is None:
            yield f"{ref_of(obj)}: no Service {obj['spec'].get('serviceName')}"
    for obj, name, port in _backends(r):
        service = r.find("Service", name)
        ports = [
            p
            for item in (service or {"spec": {"ports": []}})["spec"]["ports"]
            for p in (item["port"], item.get("name"))
        ]
        if port not in ports:
            yield f"{ref_of(obj)}: no Service {name} with the port {port}"


def own_policies(r: Rendered) -> set[str]:
    """The names of the NetworkPolicies of pod templates with a way out of their own."""
    found = catalogue.templates(r.release.values).items()
    return {f"{r.release.fullname}-worker-{name}" for name, options in found if "egress" in options}


def _selectors(r: Rendered) -> Iterator[tuple[dict[str, Any], str, Mapping[str, str]]]:
    for obj in r.of("PodDisruptionBudget", "ServiceMonitor", "PodMonitor"):
        yield obj, "its selector", obj["spec"]["selector"].get("matchLabels") or {}
    for obj in r.of("NetworkPolicy"):
        if obj["metadata"]["name"] in own_policies(r):  # its peers are the user's own
            continue
        yield obj, "podSelector", obj["spec"]["podSelector"].get("matchLabels") or {}
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for entry in obj["spec"].get(direction) or []:
                for peer in entry.get(side) or []:
                    if "podSelector" in peer and "namespaceSelector" not in peer:
                        yield obj, f"a peer of {direction}", peer["podSelector"].get("matchLabels") or {}


def _backends(r: Rendered) -> Iterator[tuple[dict[str, Any], str, Any]]:
    for obj in r.of("Ingress"):
        for entry in obj["spec"].get("rules") or []:
            for path in entry["http"]["paths"]:
                service = path["backend"]["service"]
                yield obj, service["name"], service["port"].get("name") or service["port"].get("number")
    for obj in r.of("HTTPRoute"):
        for entry in obj["spec"]["rules"]:
            for backend in entry["backendRefs"]:
                yield obj, backend["name"], backend["port"]


def _matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return bool(selector) and all(labels.get(name) == value for name, value in selector.items())


def _ports(pod: Pod) -> set[Any]:
    ports = [port for container in pod.containers for port in container.get("ports") or []]
    return {port["containerPort"] for port in ports} | {port.get("name") for port in ports}

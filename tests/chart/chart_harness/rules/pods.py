"""Every pod of the release, the executor's pod templates included."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from airfleet.fleet.pod_security import violations
from chart_harness import catalogue
from chart_harness.objects import Rendered
from chart_harness.render import CHART
from chart_harness.rules.edges import base_path
from chart_harness.rules.registry import rule

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
# What serves HTTP: the scheduler's health server, the API servers and the statsd exporter.
HTTP_PATHS = {
    "scheduler": {"/health"},
    "api-server": {"/api/v2/version"},
    "execution-api": {"/execution/health"},
    "metrics": {"/-/healthy"},
}
_BOOT = {path.name for folder in ("boot", "running") for path in (CHART / "files" / folder).glob("airfleet_*")}
TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"  # where every client library looks
USES_THE_API = ("api-server", "scheduler", "bootstrap", "pod-cleanup")
_UNITS = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@rule
def names_in_a_pod_are_unique(r: Rendered) -> Iterator[str]:
    """Server-side apply refuses a second entry of the same name; a client-side apply drops one."""
    for pod in r.pods:
        yield from _twice(pod.owner, "container", [c["name"] for c in pod.containers])
        yield from _twice(pod.owner, "volume", [v["name"] for v in pod.volumes])
        ports = [port for c in pod.containers for port in c.get("ports") or []]
        yield from _twice(pod.owner, "port", [str(port["containerPort"]) for port in ports])
        yield from _twice(pod.owner, "port", [port["name"] for port in ports if port.get("name")])
        for place, container in pod.named():
            yield from _twice(place, "env", [e["name"] for e in container.get("env") or []])
            yield from _twice(place, "mount", [m["mountPath"].rstrip("/") for m in container.get("volumeMounts") or []])


@rule
def pods_are_restricted(r: Rendered) -> Iterator[str]:
    """The Pod Security Standard `restricted`, which a namespace can enforce, and no sysctls at all."""
    for pod in r.pods:
        if (pod.spec.get("securityContext") or {}).get("sysctls"):
            yield f"{pod.owner}: sysctls"
        for container, text in violations(pod.spec, "restricted"):
            yield f"{pod.owner}{f' {container}' if container else ''}: {text}"


@rule
def openshift_says_who_pods_run_as(r: Rendered) -> Iterator[str]:
    """Its restricted constraint refuses a uid, gid or fsGroup that is not the namespace's."""
    for pod in r.pods if r.release.value("openshift") else ():
        places = [(pod.owner, pod.spec.get("securityContext") or {})]
        places += [(place, container.get("securityContext") or {}) for place, container in pod.named()]
        for place, context in places:
            for field in {"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"} & set(context):
                yield f"{place}: {field} is {context[field]}"


@rule
def root_file_systems_are_read_only(r: Rendered) -> Iterator[str]:
    """No container can change its own image's files, and Airflow's have a /tmp to write to."""
    for pod in r.pods:
        for place, container in pod.named():
            if (container.get("securityContext") or {}).get("readOnlyRootFilesystem") is not True:
                yield f"{place}: the root file system is writable"
            if container["name"] in ("base", "wait-for-migrations"):
                mounts = {m["mountPath"]: m for m in container.get("volumeMounts") or []}
                if mounts.get("/tmp", {"readOnly": True}).get("readOnly"):
                    yield f"{place}: no writable /tmp"


@rule
def empty_dirs_have_a_limit(r: Rendered) -> Iterator[str]:
    """A full emptyDir without a limit takes its whole node down."""
    for pod in r.pods:
        for volume in pod.volumes:
            if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit"):
                yield f"{pod.owner}: emptyDir {volume['name']} has no sizeLimit"


@rule
def containers_have_resources(r: Rendered) -> Iterator[str]:
    """Every container of ours requests CPU and memory and limits memory; limits are not below requests."""
    for pod in r.pods:
        for place, container in pod.named():
            resources = container.get("resources") or {}
            requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
            for name in [n for n in ("cpu", "memory") if n not in requests]:
                yield f"{place}: requests no {name}"
            if "memory" not in limits:
                yield f"{place}: no memory limit"
            for name in [n for n in limits if n in requests and _amount(limits[n]) < _amount(requests[n])]:
                yield f"{place}: {name} limit {limits[name]} is below the request {requests[name]}"


@rule
def tokens_are_mounted_only_where_used(r: Rendered) -> Iterator[str]:
    """Kubernetes mounts no token anywhere; what uses its API mounts one into its own container, and into no other."""
    for account in r.of("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount/{account['metadata']['name']} mounts its token into any pod"
    for pod in r.pods:
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.owner}: Kubernetes mounts a token into every container"
        wanted = pod.component in USES_THE_API or (pod.is_worker and _worker_opted_in(r, pod.template))
        tokens = {v["name"] for v in pod.volumes if "serviceAccountToken" in str(v.get("projected"))}
        for place, container in pod.named():
            mounts = {m["mountPath"] for m in container.get("volumeMounts") or [] if m["name"] in tokens}
            if mounts != ({TOKEN_DIRECTORY} if wanted and container["name"] == "base" else set()):
                yield f"{place}: tokens at {sorted(mounts)}"


def _worker_opted_in(r: Rendered, template: str) -> bool:
    return bool(catalogue.templates(r.release.values)[template].get("automountServiceAccountToken"))


@rule
def probes_ask_what_is_there(r: Rendered) -> Iterator[str]:
    """A probe's port is one of its container's, its path is one that the component serves."""
    served = {name: {f"{base_path(r)}{path}" for path in paths} for name, paths in HTTP_PATHS.items()}
    served["scheduler"] = HTTP_PATHS["scheduler"]
    if not r.release.value("executionApi.enabled"):
        served["api-server"] |= served["execution-api"]
    for pod in r.pods:
        for place, container in pod.named():
            ports = {p for port in container.get("ports") or [] for p in (port["containerPort"], port.get("name"))}
            for name in PROBES:
                probe = container.get(name) or {}
                asked = probe.get("httpGet") or probe.get("tcpSocket")
                if asked and asked["port"] not in ports:
                    yield f"{place}: {name} asks the port {asked['port']}, which is not there"
                path = (probe.get("httpGet") or {}).get("path")
                if path and container["name"] == "base" and path not in served.get(pod.component, set()):
                    yield f"{place}: {name} asks for {path}, which {pod.component} does not serve"


@rule
def long_running_containers_are_probed(r: Rendered) -> Iterator[str]:
    """Startup, readiness and liveness for all that runs on."""
    for pod in r.pods:
        if pod.owner.startswith(("Deployment/", "StatefulSet/")):
            base = next(c for c in pod.containers if c["name"] == "base")
            for name in PROBES:
                if not base.get(name):
                    yield f"{pod.owner}: no {name}"


@rule
def boot_files_exist(r: Rendered) -> Iterator[str]:
    """Every file of /opt/airfleet/boot that a container names is in the ConfigMap that it mounts there or, if the image
    has them, in the chart; nothing is mounted over the image's."""
    in_the_image = {*_BOOT, "digest"} if _boot_is_in_the_image(r) else None
    for pod in r.pods:
        for place, container in pod.named():
            mounts = {m["mountPath"]: m["name"] for m in container.get("volumeMounts") or []}
            if in_the_image and "/opt/airfleet/boot" in mounts:
                yield f"{place}: the image's boot files lie below a mount"
            volume = next((v for v in pod.volumes if v["name"] == mounts.get("/opt/airfleet/boot")), {})
            config_map = r.find("ConfigMap", (volume.get("configMap") or {}).get("name", "")) or {}
            for name in sorted(set(re.findall(r"/opt/airfleet/boot/([\w.]+)", str(container)))):
                if name not in (in_the_image or config_map.get("data") or {}):
                    yield f"{place}: there is no boot file {name}"


@rule
def boot_files_of_an_image_are_checked(r: Rendered) -> Iterator[str]:
    """If the image has them, no ConfigMap does, and no program of theirs starts before their digest was compared."""
    if not _boot_is_in_the_image(r):
        return
    for config_map in r.of("ConfigMap"):
        if config_map["metadata"]["name"].endswith("-boot"):
            yield f"ConfigMap {config_map['metadata']['name']} holds boot files that nobody reads"
    found = {command[3] for _, command in _boot_commands(r) if command[:2] == ["sh", "-c"]}
    for place, command in _boot_commands(r):
        if command[:2] != ["sh", "-c"] or not re.fullmatch(r"[0-9a-f]{16}", command[3]) or len(found) != 1:
            yield f"{place}: it starts without a look at the digest, or digests differ"


def _boot_is_in_the_image(r: Rendered) -> bool:
    return bool(r.release.value("boot.source") == "image")


def _boot_commands(r: Rendered) -> Iterator[tuple[str, list[str]]]:
    """The commands that start a program of the boot files."""
    for pod in r.pods:
        for place, container in pod.named():
            command = container.get("command") or []
            if any(word.startswith("/opt/airfleet/boot/") for word in command):
                yield place, command


@rule
def service_links_are_off(r: Rendered) -> Iterator[str]:
    """Service links would put AIRFLOW_* variables into the environment that Airflow reads as configuration."""
    for pod in r.pods:
        if pod.spec.get("enableServiceLinks") is not False:
            yield f"{pod.owner}: enableServiceLinks is not false"


def _twice(place: str, what: str, names: list[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{place}: {what} {name} is there {count} times"


def _amount(quantity: Any) -> float:
    match = re.fullmatch(r"([0-9.]+)(\w*)", str(quantity))
    return float(match[1]) * _UNITS.get(match[2], 1) if match else 0

"""What the KubernetesExecutor needs of a pod template, and how templates are found."""

from __future__ import annotations

import json
from collections.abc import Iterator

from chart_harness.objects import Rendered
from chart_harness.rules.registry import rule

LAUNCHER = ["/usr/bin/dumb-init", "--", "python", "/opt/airfleet/boot/airfleet_launch.py"]


@rule
def workers_are_what_the_executor_needs(r: Rendered) -> Iterator[str]:
    """Container 0 is `base` and leaves its arguments to the executor; the pod never restarts by itself."""
    for pod in r.pods:
        if pod.is_worker:
            containers = pod.spec.get("containers") or [{}]
            if containers[0].get("name") != "base" or len(containers) != 1:
                yield f"{pod.owner}: containers are {[c.get('name') for c in containers]}, not [base]"
            # Before it may stand the look at an image's boot files, which hands over by `exec`.
            if (containers[0].get("command") or [])[-len(LAUNCHER) :] != LAUNCHER or "args" in containers[0]:
                yield f"{pod.owner}: command is {containers[0].get('command')}, args are {containers[0].get('args')}"
            if pod.spec.get("restartPolicy") != "Never":
                yield f"{pod.owner}: restartPolicy is {pod.spec.get('restartPolicy')}"
            if pod.metadata.get("name"):
                yield f"{pod.owner}: a name in a template would be every worker's"


@rule
def the_default_template_is_there(r: Rendered) -> Iterator[str]:
    """Tasks that name no queue use default.yaml, in a ConfigMap that the scheduler mounts as a whole."""
    config_map = next((o for o in r.of("ConfigMap") if o["metadata"]["name"].endswith("-pod-templates")), None)
    if config_map is None or "default.yaml" not in (config_map.get("data") or {}):
        yield "there is no default.yaml"
        return
    base = next(c for c in r.pod("scheduler").containers if c["name"] == "base")
    mounts = [m for m in base["volumeMounts"] if m["mountPath"] == "/opt/airfleet/pod-templates"]
    if not mounts or any(m.get("subPath") for m in mounts):
        yield f"{r.pod('scheduler').owner} mounts {mounts}: an edit would not reach it"


@rule
def nothing_is_mounted_by_sub_path(r: Rendered) -> Iterator[str]:
    """A subPath mount is never refreshed when its ConfigMap or Secret changes."""
    for pod in r.pods:
        for place, container in pod.named():
            for mount in container.get("volumeMounts") or []:
                if mount["mountPath"].startswith("/opt/airfleet") and mount.get("subPath"):
                    yield f"{place}: {mount['mountPath']} is a subPath"


@rule
def queues_lead_to_templates(r: Rendered) -> Iterator[str]:
    """Every queue that the scheduler routes and the DAG processor admits has a pod template."""
    files = {name for o in r.of("ConfigMap") if o["metadata"]["name"].endswith("-pod-templates") for name in o["data"]}
    env = {e["name"]: e.get("value", "") for c in r.pod("scheduler").containers for e in c.get("env") or []}
    routed = json.loads(env.get("AIRFLOW__SDK__QUEUE_TO_COORDINATOR") or "{}")
    coordinators = json.loads(env.get("AIRFLOW__SDK__COORDINATORS") or "{}")
    for queue, coordinator in routed.items():
        if coordinator not in coordinators:
            yield f"the queue {queue} leads to the coordinator {coordinator}, which is not there"
    for name, coordinator in coordinators.items():
        path = str((coordinator.get("extra") or {}).get("pod_template_file") or "")
        if path.rpartition("/")[2] not in files:
            yield f"the coordinator {name} uses the file {path!r}, which is not there"
    admitted = {e["name"]: e.get("value", "") for c in r.pod("dag-processor").containers for e in c.get("env") or []}
    unroutable = set(json.loads(admitted.get("AIRFLEET_QUEUES") or "[]")) - set(routed) - {"default"}
    for queue in sorted(unroutable):
        yield f"the DAG processor admits the queue {queue}, which the scheduler does not route"

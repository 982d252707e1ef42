"""One controlled rollout of the workloads that read a secret.

The pod template gets an annotation that belongs to a field manager of its own. Helm's next upgrade leaves it alone, as
it is not in what Helm applies: so nothing restarts a second time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from airfleet.errors import AirfleetError, ExitCode
from airfleet.secrets.installed import MANAGER, Installed, Workload

ANNOTATION = "airfleet/rotation"


def roll_out(installed: Installed, workloads: Iterable[Workload], token: str, timeout: float) -> str:
    """Restart these workloads once for a token, and wait until only pods of the new template are left, all ready.

    A workload that already carries the token is only waited for: so this can be done again. timeout is in seconds.
    Raises AirfleetError with the state of the pods if they do not come up.
    """
    chosen = list(workloads)
    for workload in chosen:
        annotations = workload.spec.template.metadata.annotations or {}
        if annotations.get(ANNOTATION) != token:
            _annotate(installed, workload, token)
    deadline = time.monotonic() + timeout
    for workload in chosen:
        while waiting := _unfinished(installed, workload, token):
            if time.monotonic() > deadline:
                raise AirfleetError(
                    f"{workload.kind} {workload.name} is not through its rollout after {timeout:.0f} s",
                    where=f"namespace {installed.namespace}",
                    why=waiting,
                    fix="see why its pods do not start, then run the same command again: it goes on from here",
                    code=ExitCode.PARTIAL,
                )
            time.sleep(0.5)
    return ", ".join(workload.name for workload in chosen)


def _annotate(installed: Installed, workload: Workload, token: str) -> None:
    method = {"Deployment": "deployment", "StatefulSet": "stateful_set"}[workload.kind]
    patch = getattr(installed.cluster.apps, f"patch_namespaced_{method}")
    body = {"spec": {"template": {"metadata": {"annotations": {ANNOTATION: token}}}}}
    purpose = f"restart the {workload.kind} {workload.name}"
    installed.cluster.call(purpose, patch, workload.name, installed.namespace, body, field_manager=MANAGER)


def _unfinished(installed: Installed, workload: Workload, token: str) -> str:
    """What is still to come, in words; nothing when the rollout is through."""
    method = {"Deployment": "deployment", "StatefulSet": "stateful_set"}[workload.kind]
    read = getattr(installed.cluster.apps, f"read_namespaced_{method}")
    found = installed.cluster.call(f"read {workload.name}", read, workload.name, installed.namespace)
    if (found.status.observed_generation or 0) < found.metadata.generation:
        return "the controller has not seen it yet"
    pods = installed.pods(workload.component)
    old = [pod for pod in pods if (pod.metadata.annotations or {}).get(ANNOTATION) != token]
    wanted, updated = found.spec.replicas or 0, found.status.updated_replicas or 0
    ready = found.status.ready_replicas or 0
    if old or updated < wanted or ready < wanted:
        left = f"; old: {', '.join(pod.metadata.name for pod in old)}" if old else ""
        return f"{updated} of {wanted} updated, {ready} ready{left}{_complaints(pods)}"
    return ""


def _complaints(pods: Iterable[Any]) -> str:
    told = []
    for pod in pods:
        for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
            waiting = status.state.waiting
            if waiting and waiting.reason not in {"PodInitializing", "ContainerCreating"}:
                told.append(f"\n{pod.metadata.name} {status.name}: {waiting.reason} {waiting.message or ''}")
    return "".join(told)

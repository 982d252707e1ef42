"""What has to hold on a cluster after it was changed: its pods are through their rollout, and the release works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airfleet.errors import AirfleetError
from airfleet.fleet import adapters
from airfleet.fleet.live import Live
from airfleet.fleet.schema import Gates

_SECONDS = 1.0  # between two looks


@dataclass(frozen=True)
class Health:
    """What a gate found: nothing in `waiting` and `failed` is good. Each entry is a sentence."""

    waiting: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether all is as it should be."""
        return not self.waiting and not self.failed


class GateError(AirfleetError):
    """A gate did not open; `why` says what it waited for."""


Stop = Callable[[], bool]


def pass_gates(live: Live, objects: Sequence[Mapping[str, Any]], gates: Gates, adapter: str, stop: Stop) -> list[str]:
    """Wait until every gate is open; what each of them saw.

    objects are the release's own. Raises GateError when one does not open in its time, or can't any more;
    InterruptedError if stop() says so.
    """
    seen = [wait_for(live, "rollout", gates.rollout, lambda: rollout(live, objects), stop)]
    knowing = adapters.of(adapter)
    if gates.heartbeat:
        seen.append(wait_for(live, "heartbeat", gates.rollout, lambda: knowing.health(live, objects), stop))
    if gates.canary:
        seen.append(knowing.canary(live, objects, gates, stop))
    return [line for line in seen if line]


def wait_for(live: Live, gate: str, seconds: float, look: Callable[[], Health], stop: Stop) -> str:
    """Look until it is good, at most so many seconds; what is to be told of it.

    Raises GateError when it does not become good in its time, or can't any more; InterruptedError if stop() says so.
    """
    start = time.monotonic()
    while True:
        health = look()
        if health.good:
            return f"{gate}: good after {time.monotonic() - start:.0f} s"
        if health.failed or time.monotonic() - start > seconds:
            late = "" if health.failed else f" in {seconds:.0f} s"
            raise GateError(
                f"{live.cluster.name} did not pass the gate {gate}{late}",
                where=f"{live.kube.context}, namespace {live.cluster.namespace}",
                why="\n".join(health.failed or health.waiting),
                fix=f"see what is wrong there; `airfleet rollback {live.cluster.name}` goes back",
            )
        if stop():
            raise InterruptedError
        time.sleep(_SECONDS)


def rollout(live: Live, objects: Sequence[Mapping[str, Any]]) -> Health:
    """Whether every Deployment and StatefulSet is through its rollout and every Job has ended well."""
    looks = {"Deployment": _deployment, "StatefulSet": _stateful_set, "Job": _job}
    waiting: list[str] = []
    failed: list[str] = []
    for obj in objects:
        if look := looks.get(obj["kind"]):
            name = obj["metadata"]["name"]
            for final, problem in look(live, name, obj["metadata"].get("namespace") or live.cluster.namespace):
                (failed if final else waiting).append(f"{obj['kind']}/{name}: {problem}")
    return Health(tuple(waiting), tuple(failed))


Problems = Iterator[tuple[bool, str]]


def _deployment(live: Live, name: str, namespace: str) -> Problems:
    found = live.kube.call(f"read {name}", live.kube.apps.read_namespaced_deployment, name, namespace)
    status, wanted = found.status, found.spec.replicas or 0
    if (status.observed_generation or 0) < found.metadata.generation:
        yield False, "the controller has not seen it yet"
        return
    updated, available, total = status.updated_replicas or 0, status.available_replicas or 0, status.replicas or 0
    if updated < wanted or available < wanted or total > updated:
        selector = ",".join(f"{key}={value}" for key, value in found.spec.selector.match_labels.items())
        why = complaints(live, namespace, selector)
        yield False, f"{updated} of {wanted} pods are new, {available} available, {total - updated} old{why}"


def _stateful_set(live: Live, name: str, namespace: str) -> Problems:
    found = live.kube.call(f"read {name}", live.kube.apps.read_namespaced_stateful_set, name, namespace)
    status, wanted = found.status, found.spec.replicas or 0
    if (status.observed_generation or 0) < found.metadata.generation:
        yield False, "the controller has not seen it yet"
    elif (status.ready_replicas or 0) < wanted or (status.updated_replicas or 0) < wanted:
        selector = ",".join(f"{key}={value}" for key, value in found.spec.selector.match_labels.items())
        yield False, f"{status.ready_replicas or 0} of {wanted} pods are ready{complaints(live, namespace, selector)}"


def _job(live: Live, name: str, namespace: str) -> Problems:
    found = live.kube.call(f"read {name}", live.batch.read_namespaced_job, name, namespace)
    conditions = {c.type: c for c in found.status.conditions or [] if c.status == "True"}
    if "Failed" in conditions:
        yield True, f"failed: {conditions['Failed'].message}"
    elif "Complete" not in conditions:
        why = complaints(live, namespace, f"batch.kubernetes.io/job-name={name}")
        yield False, f"has not ended{why}"


def complaints(live: Live, namespace: str, selector: str) -> str:
    """Why pods do not run, as the kubelet and the scheduler tell it."""
    told: list[str] = []
    for pod in live.kube.pods(namespace, selector):
        for condition in pod.status.conditions or []:
            if condition.type == "PodScheduled" and condition.status == "False":
                told.append(f"\n  {pod.metadata.name}: {condition.reason}: {condition.message}")
        for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
            waiting = status.state.waiting
            if waiting and waiting.reason not in {"PodInitializing", "ContainerCreating"}:
                told.append(
                    f"\n  {pod.metadata.name}, {status.name}: {waiting.reason} {waiting.message or ''}".rstrip()
                )
    return "".join(told)

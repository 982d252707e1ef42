"""Follows a DAG run from two sides: Airflow's task instances, and the pods that Kubernetes runs for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airfleet.airflow_api import FINAL, AirflowApi, TaskInstance
from airfleet.errors import AirfleetError
from airfleet.kube import Cluster

WORKERS = "app.kubernetes.io/component=worker"


@dataclass(frozen=True)
class PodFacts:
    """What Kubernetes knew of a worker's pod while it existed."""

    name: str
    template: str
    node: str
    memory_limit: str


@dataclass(frozen=True)
class TaskRow:
    """One task and its pod, as a row of the demo's table. Durations are in seconds, None while unknown."""

    task: str
    queue: str
    state: str
    pod: str
    template: str
    node: str
    memory_limit: str
    queued: float | None
    ran: float | None


class PodWatch:
    """Remembers every worker's pod of a namespace, since a finished one is deleted at once."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._pods: dict[str, PodFacts] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="pod-watch", daemon=True)

    def __enter__(self) -> PodWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def get(self, pod: str) -> PodFacts | None:
        """The pod of this name, if it has been seen."""
        return self._pods.get(pod)

    def _follow(self) -> None:
        from kubernetes import watch
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        while not self._stop.is_set():
            try:
                stream = watch.Watch().stream(
                    self._cluster.core.list_namespaced_pod,
                    self._namespace,
                    label_selector=WORKERS,
                    timeout_seconds=60,
                )
                for event in stream:
                    self._remember(event["object"])
                    if self._stop.is_set():
                        return
            except (ApiException, HTTPError, OSError):
                self._stop.wait(0.5)  # an expired or broken watch starts anew

    def _remember(self, pod: Any) -> None:
        container = pod.spec.containers[0]
        self._pods[pod.metadata.name] = PodFacts(
            name=pod.metadata.name,
            template=(pod.metadata.labels or {}).get("airfleet/pod-template", ""),
            node=pod.spec.node_name or "",
            memory_limit=(container.resources.limits or {}).get("memory", ""),
        )


def run_dag(
    api: AirflowApi,
    pods: PodWatch,
    dag_id: str,
    show: Callable[[list[TaskRow]], None],
    *,
    timeout: float = 300,
) -> tuple[str, list[TaskRow]]:
    """Trigger a DAG, show its tasks as they change, and return the run's state and its rows.

    timeout is in seconds. Raises AirfleetError if the DAG is not parsed or the run not finished by then.
    """
    deadline = time.monotonic() + timeout
    wait_for_dag(api, dag_id, deadline)
    api.unpause(dag_id)
    run_id = api.trigger(dag_id)
    while True:
        state = api.run_state(dag_id, run_id)
        instances = api.task_instances(dag_id, run_id)
        rows = [row(ti, pods) for ti in sorted(instances, key=_order)]
        show(rows)
        if state in {"success", "failed"} and all(ti.state in FINAL for ti in instances):
            return state, rows
        if time.monotonic() > deadline:
            states = ", ".join(f"{r.task} is {r.state}" for r in rows if r.state not in FINAL)
            raise AirfleetError(f"{dag_id} did not finish in {timeout:.0f} s", why=states)
        time.sleep(0.4)


def wait_for_dag(api: AirflowApi, dag_id: str, deadline: float) -> None:
    """Return when the DAG has been parsed; raises AirfleetError with the import errors if it is not by the deadline."""
    while not api.dag_exists(dag_id):
        if time.monotonic() > deadline:
            why = "\n".join(api.import_errors()) or "the DAG processor has not parsed it"
            raise AirfleetError(f"there is no DAG {dag_id}", why=why)
        time.sleep(0.3)


def row(ti: TaskInstance, pods: PodWatch) -> TaskRow:
    """The row of a task instance; its host name is its pod's name."""
    pod = pods.get(ti.hostname)
    return TaskRow(
        task=ti.label,
        queue=ti.queue,
        state=ti.state,
        pod=ti.hostname,
        template=pod.template if pod else "",
        node=pod.node if pod else "",
        memory_limit=pod.memory_limit if pod else "",
        queued=_between(ti.queued, ti.started),
        ran=_between(ti.started, ti.ended),
    )


def _order(ti: TaskInstance) -> tuple[float, str, int]:
    return (ti.queued.timestamp() if ti.queued else float("inf"), ti.task_id, ti.map_index)


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None

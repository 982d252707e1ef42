"""Task policy: a queue that no pod template serves is an import error, and a queue's tasks run in its namespace.
Loaded through the entry point `airflow.policy`, so `airflow_local_settings` stays the user's. Every Airflow process
imports this module, so it imports nothing that is not there already. AIRFLEET_*: docs/reference/boot-files.md."""

import contextlib
import difflib
import json
import os
import sys

import pluggy

hookimpl = pluggy.HookimplMarker("airflow.policy")
if sys.argv[1:2] == ["api-server"]:
    with contextlib.suppress(ModuleNotFoundError):  # it is there with metrics.enabled
        import airfleet_requests  # noqa: F401


def runs_as_pod(executor: str | None, configured: str) -> bool:
    """Whether a task with this `executor=` runs in a pod; [core] executor is read as executor_loader.py does."""
    entries = [entry.strip() for entry in configured.split(";")[0].rpartition("=")[2].split(",")]
    aliases = {alias: path for alias, _, path in (entry.rpartition(":") for entry in entries) if alias}
    path = aliases.get(executor, executor) if executor else entries[0].rpartition(":")[2]
    return path.rpartition(".")[2] in ("KubernetesExecutor", "FleetExecutor")


def place(task, namespace: str) -> None:
    """The pod override is what the KubernetesExecutor creates pods by, and what it finds a running task's log by."""
    from kubernetes.client import models

    config = {"pod_override": models.V1Pod()} | (task.executor_config or {})
    metadata = config["pod_override"].metadata = config["pod_override"].metadata or models.V1ObjectMeta()
    metadata.namespace = metadata.namespace or namespace
    # A mapped task has no attributes of its own, only the arguments that it will be made with.
    getattr(task, "partial_kwargs", vars(task))["executor_config"] = config


@hookimpl
def task_policy(task) -> None:
    """Raise AirflowClusterPolicyViolation for a queue that is not served."""
    if (names := os.environ.get("AIRFLEET_QUEUES")) is None:
        return
    from airflow.configuration import conf

    queues = [conf.get("operators", "default_queue"), *json.loads(names)]
    if not runs_as_pod(task.executor, conf.get("core", "executor")):
        return
    if namespace := json.loads(os.environ.get("AIRFLEET_NAMESPACES", "{}")).get(task.queue):
        place(task, namespace)
    if task.queue in queues:
        return
    from airflow.exceptions import AirflowClusterPolicyViolation

    close = difflib.get_close_matches(task.queue, queues, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    raise AirflowClusterPolicyViolation(
        f"task {task.task_id!r} of DAG {task.dag_id!r} has queue={task.queue!r}, which no pod template serves.{meant} "
        f"Fix: use one of {', '.join(sorted(set(queues)))}, or add {task.queue!r} to podTemplates.<name>.queues."
    )

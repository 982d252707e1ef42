"""Task policy: a task with a queue that no pod template serves is an import error of its DAG.

Without it Airflow runs such a task silently with the default pod template. Loaded through the entry point
`airflow.policy` (airfleet_boot-*.dist-info beside this file), so `airflow_local_settings` stays the user's.

Environment: AIRFLEET_QUEUES, a JSON list of queue names; unset means no check. [operators] default_queue always passes.
Every Airflow process imports this module, so it imports nothing that is not there already.
"""

from __future__ import annotations

import difflib
import json
import os

import pluggy

hookimpl = pluggy.HookimplMarker("airflow.policy")


def runs_as_pod(executor: str | None, configured: str) -> bool:
    """Whether a task with this `executor=` runs in a worker pod.

    configured is [core] executor: names, class paths or `alias:class path`, the first one being the default, all of
    them possibly behind `team=` (airflow/executors/executor_loader.py of 3.3.2).
    """
    entries = [entry.strip() for entry in configured.split(";")[0].rpartition("=")[2].split(",")]
    aliases = {alias: path for alias, _, path in (entry.rpartition(":") for entry in entries) if alias}
    path = aliases.get(executor, executor) if executor else entries[0].rpartition(":")[2]
    return path.rpartition(".")[2] in ("KubernetesExecutor", "FleetExecutor")


@hookimpl
def task_policy(task) -> None:
    """Raise AirflowClusterPolicyViolation for a queue that is not served."""
    names = os.environ.get("AIRFLEET_QUEUES")
    if names is None:
        return
    from airflow.configuration import conf

    queues = [conf.get("operators", "default_queue"), *json.loads(names)]
    if task.queue in queues or not runs_as_pod(task.executor, conf.get("core", "executor")):
        return
    from airflow.exceptions import AirflowClusterPolicyViolation

    close = difflib.get_close_matches(task.queue, queues, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    raise AirflowClusterPolicyViolation(
        f"task {task.task_id!r} of DAG {task.dag_id!r} has queue={task.queue!r}, which no pod template serves.{meant} "
        f"Fix: use one of {', '.join(sorted(set(queues)))}, or add {task.queue!r} to podTemplates.<name>.queues."
    )

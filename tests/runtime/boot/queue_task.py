"""Prints the workload of one queued task, as an executor would send it: queue_task.py DAG_ID TASK_ID RUN_ID.

Run with the configuration of a scheduler, after `airflow dags reserialize`.
"""

from __future__ import annotations

import sys

from airflow.api.common.trigger_dag import trigger_dag
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.workloads import ExecuteTask
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType

dag_id, task_id, run_id = sys.argv[1:]
run = trigger_dag(dag_id, triggered_by=DagRunTriggeredByType.TEST, run_id=run_id)
with create_session() as session:
    run = session.merge(run)
    run.set_state(DagRunState.RUNNING)
    ti = session.query(TaskInstance).filter_by(dag_id=dag_id, task_id=task_id, run_id=run_id).one()
    ti.state = TaskInstanceState.QUEUED
    ti.try_number = 1
    session.flush()
    workload = ExecuteTask.make(ti, generator=BaseExecutor(parallelism=1).jwt_generator)
print(workload.model_dump_json())

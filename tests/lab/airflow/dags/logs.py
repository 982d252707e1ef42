"""DAGs whose logs the live tests look for."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, dag, get_current_context, task


def conf() -> dict:
    return get_current_context()["dag_run"].conf or {}


class Wait(BaseOperator):
    """Waits in the triggerer."""

    def execute(self, context):
        print(f"the word is {conf()['word']}")
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=2)), method_name="resume")

    def resume(self, context, event=None):
        print("resumed")


@dag(schedule=None)
def wait_in_the_triggerer():
    Wait(task_id="wait")


@dag(schedule=None)
def eat_memory():
    """Writes a line, then takes memory until the kernel kills the pod's processes."""

    @task
    def eat():
        print(f"the word is {conf()['word']}", flush=True)
        eaten = []
        while True:
            eaten.append(bytearray(b"x") * (16 << 20))

    eat()


wait_in_the_triggerer()
eat_memory()

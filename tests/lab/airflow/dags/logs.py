"""DAGs whose logs the live tests look for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, dag, get_current_context, task


def conf() -> dict:
    return get_current_context()["dag_run"].conf or {}


class Wait(BaseOperator):
    """Waits in the triggerer."""

    def execute(self, context):
        print(f"the word is {conf()['word']}")
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=conf().get("seconds", 2))), method_name="resume")

    def resume(self, context, event=None):
        print("resumed")


@dag(schedule=None)
def wait_in_the_triggerer():
    Wait(task_id="wait")


@dag(schedule=None)
def eat_memory():
    """Writes a line, then takes memory until the kernel kills: in the task's process, or in one that it starts."""

    @task
    def eat():
        print(f"the word is {conf()['word']}", flush=True)
        if conf()["by"] == "a child":
            subprocess.run([sys.executable, "-S", "-c", 'b"x" * (1 << 30)'], check=True)
        print(len(b"x" * int(conf()["bytes"])))

    eat()


@dag(schedule=None)
def lose_everything():
    """Writes a line, then kills every process of its container but the first, as the kernel does on most nodes."""

    @task
    def kill():
        print(f"the word is {conf()['word']}", flush=True)
        time.sleep(1)
        os.kill(-1, signal.SIGKILL)

    kill()


wait_in_the_triggerer()
eat_memory()
lose_everything()

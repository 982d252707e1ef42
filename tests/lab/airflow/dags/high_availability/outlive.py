"""A task on the node that will be lost and one on another: each works until the variable `go_on` is set."""

from __future__ import annotations

import socket
import time
from datetime import timedelta

from airflow.sdk import Variable, dag, task


def work() -> dict:
    """Ask the Execution API every second, as a task that reads variables does."""
    while Variable.get("go_on", default="") != "yes":
        print(f"at {time.time():.0f}")
        time.sleep(1)
    return {"pod": socket.gethostname()}


@dag(schedule=None)
def outlive():
    @task(queue="lost", retries=1, retry_delay=timedelta(seconds=5))
    def lost() -> dict:
        return work()

    @task(queue="kept")
    def kept() -> dict:
        return work()

    lost()
    kept()


outlive()

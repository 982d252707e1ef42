"""What the latency benchmark runs: one small task, a chain of three, and twenty at once."""

from __future__ import annotations

import socket
import time

from airflow.sdk import dag, task


@dag(schedule=None)
def one():
    @task
    def stamp() -> dict:
        return {"started": time.time(), "pod": socket.gethostname()}

    stamp()


@dag(schedule=None)
def chain():
    @task
    def link(before: int) -> int:
        return before + 1

    link(link(link(0)))


@dag(schedule=None)
def twenty():
    @task
    def stamp(number: int) -> dict:
        return {"number": number, "started": time.time(), "pod": socket.gethostname()}

    stamp.expand(number=list(range(20)))


one()
chain()
twenty()

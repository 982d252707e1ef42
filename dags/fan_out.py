"""One task mapped over twelve inputs: twelve pods at once, and one that gathers what they return."""

from __future__ import annotations

import socket

from airflow.sdk import dag, task

WIDTH = 12


@dag(schedule=None, tags=["airfleet", "example"], doc_md=__doc__)
def fan_out():
    @task
    def square(number: int) -> dict:
        return {"number": number, "square": number * number, "pod": socket.gethostname()}

    @task
    def gather(results: list[dict]) -> dict:
        results = list(results)
        pods = {result["pod"] for result in results}
        print(f"{len(results)} results from {len(pods)} pods")
        return {"total": sum(result["square"] for result in results), "pods": len(pods)}

    gather(square.expand(number=list(range(WIDTH))))


fan_out()

"""Three tasks in a row, each in a pod of its own; the second asks for more memory by naming a queue.

What a task returns (XCom) shows where it ran. Nothing here imports Kubernetes: `queue` is all that a DAG author writes
to get another pod template.
"""

from __future__ import annotations

import socket
from pathlib import Path

from airflow.sdk import dag, task


def memory(version1: str, version2: str) -> int | None:
    """A figure of this pod's memory in MiB, read from its control group (version 1 or 2); None if there is no limit."""
    for path in (Path("/sys/fs/cgroup/memory") / version1, Path("/sys/fs/cgroup") / version2):
        if path.exists():
            text = path.read_text().strip()
            return None if text == "max" else int(text) >> 20
    return None


def whereabouts() -> dict[str, str | int | None]:
    """The pod that this code runs in."""
    return {
        "pod": socket.gethostname(),
        "memory_limit_mib": memory("memory.limit_in_bytes", "memory.max"),
        "memory_peak_mib": memory("memory.max_usage_in_bytes", "memory.peak"),
    }


@dag(schedule=None, tags=["airfleet", "example"], doc_md=__doc__)
def hello_pods():
    @task
    def extract() -> dict:
        return {"numbers": list(range(10)), "extracted_in": whereabouts()}

    @task(queue="highmem")
    def transform(extracted: dict) -> dict:
        return {"squares": [n * n for n in extracted["numbers"]], "transformed_in": whereabouts()}

    @task
    def load(transformed: dict) -> dict:
        total = sum(transformed["squares"])
        print(f"The squares add up to {total}")
        return {"total": total, "loaded_in": whereabouts()}

    load(transform(extract()))


hello_pods()

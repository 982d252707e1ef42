"""The DAG of the private repository: says which commit its tasks run."""

import time

from airflow.sdk import Variable, dag, get_current_context, task

COMMIT = "first"


@dag(schedule=None)
def versioned():
    @task
    def begin() -> str:
        name = (get_current_context()["dag_run"].conf or {}).get("wait_for")
        while name and Variable.get(name, default="") != "go":
            time.sleep(0.5)
        return COMMIT

    @task
    def end(begun: str) -> str:
        return f"{begun} {COMMIT}"

    end(begin())


versioned()

"""A task on a queue that no pod template takes."""

from airflow.sdk import dag, task


@dag(schedule=None)
def lost():
    @task(queue="highmen")
    def nobody_runs_this() -> None: ...

    nobody_runs_this()


lost()

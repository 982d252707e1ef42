"""The coordinator that pod templates by queue are declared with, for ordinary Python tasks.
The KubernetesExecutor (provider 10.25, `_coordinator_extra`) reads its `extra` on the scheduler without importing the
class. A worker that has the same configuration does import it, and runs the task as if nothing were configured."""

from airflow.sdk.execution_time.coordinator import _PythonCoordinator


class PodTemplateCoordinator(_PythonCoordinator):
    """Airflow's coordinator for Python tasks, under a name of ours: upstream's is private and may move."""

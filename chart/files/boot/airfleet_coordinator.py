"""The coordinator that pod templates by queue are declared with, for ordinary Python tasks.

    [sdk] coordinators = {"gpu": {"classpath": "airfleet_coordinator.PodTemplateCoordinator",
                                  "extra": {"pod_template_file": "/opt/airfleet/pod-templates/gpu.yaml"}}}
    [sdk] queue_to_coordinator = {"gpu": "gpu"}

The KubernetesExecutor reads `extra` on the scheduler and imports no class; a worker that imports it runs as ever.
"""

from __future__ import annotations

from airflow.sdk.execution_time.coordinator import _PythonCoordinator


class PodTemplateCoordinator(_PythonCoordinator):
    """Airflow's coordinator for Python tasks, under a name of ours: upstream's is private and may move."""

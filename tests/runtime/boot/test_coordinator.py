"""Queues choose pod templates: pods built by the real KubernetesExecutor, one of them run to its end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import BOOT


@pytest.fixture
def templates(tmp_path) -> dict[str, str]:
    """Files as the chart's ConfigMap holds them, and the scheduler's configuration as the chart writes it."""
    coordinators, routes = {}, {"gpu": "gpu", "a100": "gpu", "small": "small"}
    for name in ("default", "gpu", "small"):
        command = [sys.executable, str(BOOT / "airfleet_launch.py")]
        base = {"name": "base", "image": f"image-of-{name}", "command": command}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [base]}}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(pod))
        extra = {"pod_template_file": str(tmp_path / f"{name}.yaml")}
        coordinators[name] = {"classpath": "airfleet_coordinator.PodTemplateCoordinator", "extra": extra}
    return {
        "AIRFLOW__CORE__EXECUTOR": "KubernetesExecutor",
        "AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE": str(tmp_path / "default.yaml"),
        "AIRFLOW__SDK__COORDINATORS": json.dumps(coordinators),
        "AIRFLOW__SDK__QUEUE_TO_COORDINATOR": json.dumps(routes),
    }


def built(airflow, templates: dict[str, str], *queues: str) -> dict[str, dict]:
    """queue -> container `base` of the pod that the executor created."""
    outcome = airflow.python(Path(__file__).with_name("build_pods.py"), *queues, **templates)
    assert outcome.code == 0, outcome.output
    lines = [line.removeprefix("POD ") for line in outcome.output.splitlines() if line.startswith("POD ")]
    pods = [json.loads(line) for line in lines]
    return {pod["metadata"]["annotations"]["run_id"].partition("-")[0]: pod["spec"]["containers"][0] for pod in pods}


def test_each_queue_gets_its_template(airflow, templates):
    containers = built(airflow, templates, "gpu", "a100", "small", "default")
    images = {queue: container["image"] for queue, container in containers.items()}
    expected = {"gpu": "image-of-gpu", "a100": "image-of-gpu", "small": "image-of-small", "default": "image-of-default"}
    assert images == expected
    for container in containers.values():
        assert container["command"][1:] == [str(BOOT / "airfleet_launch.py")]  # the executor leaves it alone
        assert container["args"][:4] == ["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string"]


@pytest.mark.parametrize("worker_knows_too", [False, True])
def test_the_pod_of_a_queue_runs_an_ordinary_python_task(airflow, templates, place, tmp_path, worker_knows_too):
    """Also where the worker has the same configuration, so that it imports and uses our class."""
    container = built(airflow, templates, "gpu")["gpu"]
    env = airflow.worker | place | {item["name"]: item["value"] for item in container["env"]}
    if worker_knows_too:
        env |= {name: value for name, value in templates.items() if "__SDK__" in name}
    command = [*container["command"], *container["args"]]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    run_id = json.loads(container["args"][4])["ti"]["run_id"]
    assert airflow.state(run_id) == "success", done.stdout
    assert (tmp_path / "canary").exists()

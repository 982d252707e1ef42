"""A DAG runs as pods: one for each task, from the template of its queue, and its logs outlive them."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from pytest_helm_charts.clusters import Cluster
from pytest_helm_charts.k8s.deployment import wait_for_deployments_to_run

from airfleet.demo.observe import PodFacts
from lab_harness.release import Release, until


def test_every_pod_is_admitted_to_a_restricted_namespace(airflow: Release) -> None:
    namespace = airflow.cluster.core.read_namespace(airflow.namespace)
    assert namespace.metadata.labels["pod-security.kubernetes.io/enforce"] == "restricted"
    components = {pod.metadata.labels["app.kubernetes.io/component"] for pod in airflow.pods()}
    assert components == {"api-server", "scheduler", "dag-processor", "triggerer", "postgres"}
    events = airflow.cluster.core.list_namespaced_event(airflow.namespace).items
    refused = [e.message for e in events if "violates PodSecurity" in (e.message or "")]
    assert not refused


def test_the_control_plane_runs(airflow: Release, kube_cluster: Cluster) -> None:
    """Seen with pytest-helm-charts' own client, through the lab's kubeconfig."""
    names = [f"airflow-{component}" for component in ("api-server", "scheduler", "dag-processor", "triggerer")]
    found = wait_for_deployments_to_run(kube_cluster.kube_client, names, airflow.namespace, 30)
    assert {d.name: d.obj["status"]["readyReplicas"] for d in found} == dict.fromkeys(names, 1)


def test_each_task_is_a_pod_of_its_queues_template(airflow: Release) -> None:
    with airflow.watch() as watch:
        tasks = airflow.run("hello_pods")
        pods: dict[str, PodFacts] = {
            label: until(f"the pod of {label}", lambda host=ti.hostname: watch.get(host)) for label, ti in tasks.items()
        }
    assert len({pod.name for pod in pods.values()}) == 3
    assert {label: pod.template for label, pod in pods.items()} == {
        "extract": "default",
        "transform": "highmem",
        "load": "default",
    }
    assert (pods["extract"].memory_limit, pods["transform"].memory_limit) == ("512Mi", "2Gi")
    inside = {
        "extract": airflow.api.xcom(tasks["extract"])["extracted_in"],
        "transform": airflow.api.xcom(tasks["transform"])["transformed_in"],
    }
    assert inside["extract"]["memory_limit_mib"] == 512
    assert inside["transform"]["memory_limit_mib"] == 2048
    assert inside["extract"]["pod"] == pods["extract"].name
    assert airflow.api.xcom(tasks["load"])["total"] == 285


def test_a_trivial_task_needs_at_most_256_mib(airflow: Release) -> None:
    tasks = airflow.run("hello_pods")
    peak = airflow.api.xcom(tasks["extract"])["extracted_in"]["memory_peak_mib"]
    print(f"peak memory of a trivial task's pod: {peak} MiB")
    assert peak <= 256


def test_a_mapped_task_runs_in_twelve_pods(airflow: Release) -> None:
    tasks = airflow.run("fan_out")
    assert airflow.api.xcom(tasks["gather"]) == {"total": 506, "pods": 12}


def test_logs_are_readable_after_the_pod_is_gone(airflow: Release) -> None:
    word = f"heliotrope-{time.time_ns()}"
    ti = airflow.run("shout", {"word": word})["say"]
    gone = lambda: ti.hostname not in {p.metadata.name for p in airflow.cluster.pods(airflow.namespace, "")}
    until("the worker's pod to be deleted", gone)
    assert f"the word is {word}" in airflow.api.log(ti)


def test_an_unknown_queue_is_refused_when_the_dag_is_parsed(airflow: Release) -> None:
    source = (Path(__file__).parent / "dags" / "refused" / "lost.py").read_text()
    config_map = airflow.cluster.core.read_namespaced_config_map("dags", airflow.namespace)
    before = dict(config_map.data)
    airflow.cluster.put_config_map(airflow.namespace, "dags", {**before, "lost.py": source})
    try:
        refused = lambda: [e for e in airflow.api.import_errors() if e.startswith("lost.py")]
        errors = until("the import error", refused, 180)
        assert re.search(r"highmen.*highmem", errors[0], re.DOTALL), errors[0]
    finally:
        airflow.cluster.put_config_map(airflow.namespace, "dags", before)


@pytest.mark.parametrize("component", ["api-server", "scheduler", "dag-processor", "triggerer"])
def test_no_probe_imports_airflow(airflow: Release, component: str) -> None:
    """A probe that imports Airflow costs seconds of CPU each time; ours are HTTP requests or a small program."""
    for pod in airflow.pods(component):
        container = pod.spec.containers[0]
        for probe in filter(None, (container.startup_probe, container.readiness_probe, container.liveness_probe)):
            if probe.http_get is None:
                assert probe._exec.command[:2] == ["python", "/opt/airfleet/boot/airfleet_heartbeat.py"]

"""Upgrades leave alone what they do not change, and a reinstall finds its keys and data."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab_harness.release import Release, until

# The packed chart as it was before the last change that a release is upgraded over; replaced with each version.
PREVIOUS = Path(__file__).parent / "previous" / "airfleet-0.1.0.tgz"


def replica_sets(airflow: Release) -> set[str]:
    from kubernetes import client

    apps = client.AppsV1Api(airflow.cluster.api)
    found = apps.list_namespaced_replica_set(airflow.namespace, label_selector=airflow.components).items
    return {rs.metadata.name for rs in found}


def test_the_same_values_restart_nothing_and_a_running_task_survives(airflow: Release) -> None:
    run_id = airflow.start("sleep", {"seconds": 45})
    running = lambda: [ti for ti in airflow.api.task_instances("sleep", run_id) if ti.state == "running"]
    task = until("the task to run", running, 60)[0]
    before, sets = airflow.control_plane(), replica_sets(airflow)
    airflow.install()
    assert airflow.control_plane() == before
    assert replica_sets(airflow) == sets
    ended = airflow.finish("sleep", run_id)["nap"]
    assert (ended.state, ended.try_number, ended.hostname) == ("success", 1, task.hostname)


def test_an_edited_pod_template_restarts_nothing_and_is_used_within_two_minutes(airflow: Release) -> None:
    before = airflow.control_plane()
    airflow.install({"podTemplates": {"highmem": {"resources": {"limits": {"memory": "1536Mi"}}}}})
    edited = time.monotonic()

    def limit() -> int:
        tasks = airflow.run("hello_pods")
        return int(airflow.api.xcom(tasks["transform"])["transformed_in"]["memory_limit_mib"])

    try:
        until("a task to get the edited template", lambda: limit() == 1536, 150)
        seconds = time.monotonic() - edited
        print(f"a task ran with the edited template {seconds:.0f} s after the upgrade")
        assert airflow.control_plane() == before
    finally:
        airflow.install({})


def test_a_task_outlives_the_way_to_the_previous_chart_and_back(
    airflow: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = airflow.start("sleep", {"seconds": 150})
    task = lambda: airflow.api.task_instances("sleep", run_id)[0]
    until("the task to run", lambda: task().state == "running", 60)
    host = task().hostname
    before = set(airflow.control_plane())
    with monkeypatch.context() as older:
        older.setattr(airflow, "chart", PREVIOUS)
        airflow.install()
    old = lambda: set(airflow.control_plane()) & before
    until("all else to be made anew", lambda: old() == {"airflow-postgres-0"}, 90)  # some pods take their time to end
    airflow.run("hello_pods")
    airflow.install()
    ended = airflow.finish("sleep", run_id)["nap"]
    assert (ended.state, ended.try_number, ended.hostname) == ("success", 1, host)
    airflow.run("hello_pods")


def test_reinstalled_on_the_surviving_database_old_connections_still_decrypt(airflow: Release) -> None:
    connection = {"connection_id": "vault", "conn_type": "generic", "host": "example", "password": "sesame-4711"}
    airflow.api.request("POST", "/api/v2/connections", connection)
    keys = airflow.cluster.secret(airflow.namespace, "airflow-keys")
    airflow.uninstall()
    airflow.install()
    assert airflow.cluster.secret(airflow.namespace, "airflow-keys") == keys
    listed = airflow.api.request("GET", "/api/v2/connections")["connections"]
    assert [c["connection_id"] for c in listed] == ["vault"]
    ti = airflow.run("read_connection", {"connection": "vault"})["read"]
    # Airflow masks a connection's password wherever it shows it; a wrong key would have failed the task.
    assert ti.state == "success"

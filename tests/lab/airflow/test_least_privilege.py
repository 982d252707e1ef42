"""What a task can see and reach from inside its pod."""

from __future__ import annotations

from urllib.parse import urlsplit

from lab_harness.release import Release


def test_a_task_finds_none_of_the_control_planes_secrets(airflow: Release) -> None:
    database = airflow.cluster.secret(airflow.namespace, "airflow-database")
    keys = airflow.cluster.secret(airflow.namespace, "airflow-keys")
    secret = [text for key, text in keys.items() if not key.endswith("-since")]
    canaries = [database["password"], urlsplit(database["connection"]).netloc, *secret]
    assert len(canaries) == 5
    assert all(len(text) >= 20 for text in canaries)
    tasks = airflow.run("look_for_secrets", {"reversed": [text[::-1] for text in canaries], "targets": []})
    seen = airflow.api.xcom(tasks["search"])
    print(f"searched {seen['files']} files and {seen['environments']} environments as uid {seen['uid']}")
    assert seen["found"] == []
    assert seen["files"] > 10_000
    assert seen["environments"] >= 1  # pid 1; the supervisor hides its own and the task's


def test_the_search_finds_what_is_there(airflow: Release) -> None:
    """The same search finds a value that the pod does hold: a test that can't find anything proves nothing."""
    known = "airflow-api-server.airflow.svc:8080/execution/"
    tasks = airflow.run("look_for_secrets", {"reversed": [known[::-1]], "targets": []})
    assert any("airflow.cfg" in path for path in airflow.api.xcom(tasks["search"])["found"])


def test_a_task_reaches_the_api_server_but_neither_database_nor_kubernetes(airflow: Release) -> None:
    postgres = airflow.pods("postgres")[0].status.pod_ip
    targets = [("airflow-api-server", 8080), ("airflow-postgres", 5432), (postgres, 5432)]
    tasks = airflow.run("look_for_secrets", {"reversed": ["no-such-text-anywhere"[::-1]], "targets": targets})
    seen = airflow.api.xcom(tasks["reach"])
    assert seen["connects"] == {
        "airflow-api-server:8080": True,
        "airflow-postgres:5432": False,
        f"{postgres}:5432": False,
    }
    assert not seen["service_account"]
    assert not seen["root_is_writable"]


def test_the_policy_is_what_keeps_tasks_from_the_database(airflow: Release) -> None:
    """Without the database's policy the same connection succeeds, so the refusal above is the policy's doing."""
    postgres = airflow.pods("postgres")[0].status.pod_ip
    airflow.kubectl("delete", "networkpolicy", "airflow-postgres")
    try:
        tasks = airflow.run("look_for_secrets", {"reversed": ["no-such-text"[::-1]], "targets": [(postgres, 5432)]})
        assert airflow.api.xcom(tasks["reach"])["connects"] == {f"{postgres}:5432": True}
    finally:
        airflow.install()
    assert airflow.kubectl("get", "networkpolicy", "airflow-postgres").code == 0

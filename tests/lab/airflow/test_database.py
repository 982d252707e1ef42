"""A release on a database that the user brings: see lab_harness/database.py for what that one demands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airfleet.kube import Cluster
from airfleet.lab import Lab
from lab_harness import database
from lab_harness.doctor import doctor
from lab_harness.full import metrics
from lab_harness.full.metrics import scrape
from lab_harness.release import DAGS, Release, until

CLIENTS = (
    "SELECT host(client_addr), ssl, client_dn IS NOT NULL, count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
    " WHERE client_addr IS NOT NULL GROUP BY 1, 2, 3"
)


@pytest.fixture(scope="module")
def pooled(lab: Lab, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    release = Release(lab, cluster, "pooled", "pooled", tmp_path_factory.mktemp("pooled"))
    release.prepare([*DAGS, *Path(__file__).parent.glob("dags/*.py")])
    release.install({**database.prepare(release), **metrics.prepare(release)})
    yield release
    release.remove()
    cluster.core.delete_namespace(database.namespace(release))


def test_a_dag_runs_through_pgbouncer_and_tls(pooled: Release) -> None:
    """The server admits nothing but TLS with a client's certificate; the password holds every special character."""
    pooled.run("hello_pods")
    pooler = until("PgBouncer", lambda: pooled.pods("pgbouncer"))
    addresses = {pod.status.pod_ip for pod in pooler}
    clients = database.query(pooled, CLIENTS)
    print(f"connections at the database: {clients}")
    assert clients
    assert {(address in addresses, ssl, certificate) for address, ssl, certificate, _ in clients} == {(True, "t", "t")}
    control_plane = ("api-server", "scheduler", "dag-processor", "triggerer")
    assert all(s.restart_count == 0 for c in control_plane for p in pooled.pods(c) for s in p.status.container_statuses)


def test_how_long_certificates_last_is_measured_though_another_pod_uses_them(pooled: Release) -> None:
    name = "airflow_certificate_left_seconds"
    found = lambda: {line.split()[0]: float(line.split()[1]) for line in scrape(pooled) if line.startswith(name)}
    left = until("both certificates", lambda: len(found()) == 2 and found(), 120)
    assert set(left) == {f'{name}{{file="{file}"}}' for file in ("ca.crt", "tls.crt")}
    assert all(0 < seconds < 366 * 86400 for seconds in left.values())
    (pod,) = pooled.pods("dag-processor")
    listed = pooled.kubectl("exec", pod.metadata.name, "--container", "base", "--", "ls", "/opt/airfleet/database-tls")
    assert listed.stdout.split() == ["ca.crt", "tls.crt"]


def test_a_task_reaches_neither_pgbouncer_nor_what_it_knows(pooled: Release) -> None:
    targets = [(f"{pooled.name}-pgbouncer", 6432), (f"{pooled.name}-api-server", 8080)]
    canary = database.PASSWORD[::-1]
    tasks = pooled.run("look_for_secrets", {"reversed": [canary], "targets": targets})
    assert pooled.api.xcom(tasks["search"])["found"] == []
    assert pooled.api.xcom(tasks["reach"])["connects"] == {
        f"{pooled.name}-pgbouncer:6432": False,
        f"{pooled.name}-api-server:8080": True,
    }


def test_doctor_reaches_the_database_as_the_bootstrap_and_through_pgbouncer(pooled: Release, tmp_path: Path) -> None:
    told = doctor(pooled, tmp_path)
    assert told.problems == []
    assert told.only("database").endswith(", migrated")
    assert told.only("pooler") == told.only("database")
    assert database.PASSWORD not in told.done.stdout + told.done.stderr
    strange = doctor(pooled, tmp_path, database={"host": f"nowhere.{database.namespace(pooled)}.svc"})
    assert f'could not translate host name "nowhere.{database.namespace(pooled)}.svc"' in strange.only("database")

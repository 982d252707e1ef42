"""The release `full` on a database of its own: see lab_harness/full/database.py for what that demands."""

from __future__ import annotations

from lab_harness.full import database
from lab_harness.release import Release, until

CLIENTS = (
    "SELECT host(client_addr), ssl, client_dn IS NOT NULL, count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
    " WHERE client_addr IS NOT NULL GROUP BY 1, 2, 3"
)


def test_a_dag_runs_through_pgbouncer_and_tls(full: Release) -> None:
    """The server admits nothing but TLS with a client's certificate; the password holds every special character."""
    full.run("hello_pods")
    pooler = until("PgBouncer", lambda: full.pods("pgbouncer"))
    addresses = {pod.status.pod_ip for pod in pooler}
    clients = database.query(full, CLIENTS)
    print(f"connections at the database: {clients}")
    assert clients
    assert {(address in addresses, ssl, certificate) for address, ssl, certificate, _ in clients} == {(True, "t", "t")}
    control_plane = ("api-server", "scheduler", "dag-processor", "triggerer")
    assert all(s.restart_count == 0 for c in control_plane for p in full.pods(c) for s in p.status.container_statuses)


def test_a_task_reaches_neither_pgbouncer_nor_what_it_knows(full: Release) -> None:
    targets = [(f"{full.name}-pgbouncer", 6432), (f"{full.name}-api-server", 8080)]
    canary = database.PASSWORD[::-1]
    tasks = full.run("look_for_secrets", {"reversed": [canary], "targets": targets})
    assert full.api.xcom(tasks["search"])["found"] == []
    assert full.api.xcom(tasks["reach"])["connects"] == {
        f"{full.name}-pgbouncer:6432": False,
        f"{full.name}-api-server:8080": True,
    }

"""The clean-ups, each run once from its CronJob: what is old goes, what is new or in use stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from airfleet import image
from lab_harness.full.places import elsewhere
from lab_harness.release import Release, until


def run_job(release: Release, cron_job: str, *, dry_run: bool) -> str:
    """Start the CronJob's Job now and wait for its success; its log."""
    name = f"{cron_job}-{datetime.now(UTC):%H%M%S%f}"
    made = release.kubectl("create", "job", name, f"--from=cronjob/{cron_job}", "--dry-run=client", "--output=yaml")
    assert made.code == 0, made.stderr
    job = yaml.safe_load(made.stdout)
    for entry in job["spec"]["template"]["spec"]["containers"][0]["env"]:
        if entry["name"] == "AIRFLEET_CLEANUP":
            entry["value"] = json.dumps({**json.loads(entry["value"]), "dryRun": dry_run})
    assert release.kubectl("create", "--filename", "-", stdin=yaml.safe_dump(job)).code == 0
    status = lambda: release.kubectl("get", "job", name, "--output=jsonpath={.status.conditions[*].type}").stdout
    ended = until(f"{name} to end", lambda: [c for c in status().split() if c in ("Complete", "Failed")], 120)
    log = release.kubectl("logs", f"job/{name}", "--container", "base").stdout
    release.kubectl("delete", "job", name, "--wait=false")
    assert "Complete" in ended, log
    return log


def worker_pod(release: Release, name: str, command: str = "sleep infinity") -> dict[str, Any]:
    """A pod with the labels of a worker; the scheduler that it asks for does not exist, so it stays as it is made."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 50000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "base",
        "image": image.reference("airflow"),
        "command": command.split(),
        "securityContext": security,
    }
    labels = {"app.kubernetes.io/instance": release.name, "app.kubernetes.io/component": "worker"}
    spec = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


@pytest.fixture
def pods(full: Release) -> Iterator[set[str]]:
    """Pods that ended two hours and a minute ago (so says their status, and no kubelet objects), and one that runs."""
    ends = [("old", 120, "Failed"), ("fresh", 1, "Succeeded"), ("old-elsewhere", 120, "Failed")]
    where = dict.fromkeys(("old", "fresh"), full.namespace) | {"old-elsewhere": elsewhere(full)}
    for name, ended, phase in ends:
        pod = worker_pod(full, name)
        pod["metadata"]["namespace"] = where[name]
        pod["spec"]["schedulerName"] = "nobody"
        full.apply(pod, namespace=where[name])
        at = f"{datetime.now(UTC) - timedelta(minutes=ended):%Y-%m-%dT%H:%M:%SZ}"
        terminated = {"exitCode": 0, "startedAt": at, "finishedAt": at}
        status = {"name": "base", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
        statuses = [{**status, "state": {"terminated": terminated}}]
        patch = yaml.safe_dump({"status": {"phase": phase, "containerStatuses": statuses}})
        change = ("patch", "pod", name, "--subresource=status", "--type=merge", "--patch", patch)
        full.lab.kubectl("--namespace", where[name], *change)
    assert full.kubectl("create", "--filename", "-", stdin=yaml.safe_dump(worker_pod(full, "running"))).code == 0
    assert full.kubectl("wait", "pod/running", "--for=condition=Ready", "--timeout=60s").code == 0
    yield {"old", "fresh", "running", "old-elsewhere"}
    full.kubectl("delete", "pod", "old", "fresh", "running", "--ignore-not-found", "--wait=false")


def test_only_pods_that_ended_long_ago_are_deleted(full: Release, pods: set[str]) -> None:
    """In both namespaces of tasks."""
    everywhere = (full.namespace, elsewhere(full))
    there = lambda: {p.metadata.name for n in everywhere for p in full.cluster.pods(n, full.components)} & pods
    log = run_job(full, "full-pod-cleanup", dry_run=True)
    assert [line.split()[:3] for line in log.splitlines()] == [["would", "delete", n] for n in ("old", "old-elsewhere")]
    assert there() == pods
    log = run_job(full, "full-pod-cleanup", dry_run=False)
    assert [line.split()[:2] for line in log.splitlines()] == [["deleting", n] for n in ("old", "old-elsewhere")]
    until("the old pods to be gone", lambda: there() == {"fresh", "running"})


def sql(release: Release, statement: str) -> str:
    """Run SQL in the embedded database."""
    psql = ("psql", "--username=airflow", "--tuples-only", "--no-align", "--quiet", "--command", statement)
    done = release.kubectl("exec", f"{release.name}-postgres-0", "--container", "base", "--", *psql)
    assert done.code == 0, done.stderr
    return done.stdout.strip()


# Copies of a run's rows with some columns changed, whatever the other columns are.
COPY = """
INSERT INTO dag_run SELECT (jsonb_populate_record(r,
    '{"id": 987654321, "run_id": "old", "logical_date": null, "start_date": "2020-01-01T00:00:00Z"}')).*
    FROM dag_run r WHERE run_id = 'RUN';
INSERT INTO task_instance SELECT (jsonb_populate_record(r,
    '{"id": "00000000-0000-0000-0000-000000000001", "run_id": "old"}')).*
    FROM task_instance r WHERE run_id = 'RUN';
INSERT INTO log (dttm, event) SELECT '2020-01-01', 'old' FROM generate_series(1, 5);
"""
LEFT = """
SELECT (SELECT string_agg(run_id, ' ' ORDER BY start_date) FROM dag_run WHERE run_id IN ('old', 'RUN')),
    (SELECT count(*) FROM task_instance WHERE run_id = 'old'),
    (SELECT count(*) FROM log WHERE event = 'old'),
    (SELECT count(*) > 0 FROM log WHERE event <> 'old')
"""


def test_only_rows_of_old_runs_are_deleted(full: Release) -> None:
    run_id = full.run("shout", {"word": "new"})["say"].run_id
    sql(full, COPY.replace("RUN", run_id))
    left = lambda: sql(full, LEFT.replace("RUN", run_id))
    assert left() == f"old {run_id}|1|5|t"
    log = run_job(full, "full-db-cleanup", dry_run=True)
    assert "Found 5 rows meeting deletion criteria" in log
    assert left() == f"old {run_id}|1|5|t"
    log = run_job(full, "full-db-cleanup", dry_run=False)
    assert "(batch 3, max 2 rows)" in log
    assert left() == f"{run_id}|0|0|t"
    assert sql(full, "SELECT count(*) FROM pg_tables WHERE tablename LIKE '%airflow_deleted%'") == "0"
    assert full.api.run_state("shout", run_id) == "success"

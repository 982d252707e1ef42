"""DAGs from a private Git repository, and from an image: on real servers, with the versions that Airflow promises."""

from __future__ import annotations

from lab_harness.full.bundles import commit
from lab_harness.release import Release, until


def test_a_run_keeps_its_commit_and_the_next_one_has_the_new(full: Release) -> None:
    full.api.send("DELETE", "/api/v2/variables/let-it-end")
    early = full.start("versioned", {"wait_for": "let-it-end"})
    begun = lambda: [ti for ti in full.api.task_instances("versioned", early) if ti.state == "running"]
    until("the first task to run", begun, 240)
    sha = commit(full, "second", before="first")
    parsed = lambda: full.api.request("GET", "/api/v2/dags/versioned")["bundle_version"]
    until("the DAG processor to have seen the new commit", lambda: parsed() == sha, 240)
    full.api.request("POST", "/api/v2/variables", {"key": "let-it-end", "value": "go"})
    tasks = full.finish("versioned", early)
    assert full.api.xcom(tasks["end"]) == "first first"
    late = full.run("versioned")
    assert full.api.xcom(late["end"]) == "second second"
    assert full.api.request("GET", f"/api/v2/dags/versioned/dagRuns/{late['end'].run_id}")["bundle_version"] == sha


def test_a_pod_checks_out_only_what_it_needs_and_keeps_no_token(full: Release) -> None:
    (pod,) = full.pods("dag-processor")

    def seen(command: str) -> str:
        done = full.kubectl("exec", pod.metadata.name, "--container", "base", "--", "sh", "-c", command)
        assert done.code == 0, done.stderr
        return done.stdout.strip()

    assert seen("find /tmp -path '*dag_bundles/private/tracking_repo/dags/versioned.py'")
    assert seen("find /tmp -path '*dag_bundles/private/tracking_repo*' -name file") == ""
    assert seen("grep -rl canary /tmp /proc/1/environ; true") == ""
    assert "canary" in seen("cat /opt/airfleet/git/private/password")


def test_dags_come_from_an_image(full: Release) -> None:
    assert full.api.xcom(full.run("packed")["end"]) == "packed packed"

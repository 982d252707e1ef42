"""Logs that outlive their pods: in a real S3 server, written and read with a mounted file's credentials."""

from __future__ import annotations

import time

from lab_harness.release import Release, until


def stored(release: Release, folder: str) -> dict[str, str]:
    """Path -> text of the objects in a folder of the bucket."""
    look = ("exec", "s3", "--container", "look", "--")
    found = release.kubectl(*look, "find", f"/data/logs/airflow/{folder}", "-type", "f")
    return {path: release.kubectl(*look, "cat", path).stdout for path in found.stdout.split()}


def test_a_tasks_log_is_in_the_bucket_and_readable_when_its_pod_is_gone(full: Release) -> None:
    word = f"celadon-{time.time_ns()}"
    ti = full.run("shout", {"word": word})["say"]
    until("the worker's pod to be deleted", lambda: ti.hostname not in {p.metadata.name for p in full.pods("worker")})
    objects = stored(full, "dag_id=shout")
    assert [path for path, text in objects.items() if f"the word is {word}" in text], objects
    assert f"the word is {word}" in full.api.log(ti)


def test_a_triggers_log_is_stored_beside_its_tasks(full: Release) -> None:
    word = f"ochre-{time.time_ns()}"
    ti = full.run("wait_in_the_triggerer", {"word": word})["wait"]
    line = "yielding event with payload"
    objects = lambda: stored(full, "dag_id=wait_in_the_triggerer").items()
    until("the trigger's log in the bucket", lambda: [p for p, text in objects() if ".trigger." in p and line in text])
    log = full.api.log(ti)
    assert f"the word is {word}" in log
    assert "resumed" in log
    assert line in log

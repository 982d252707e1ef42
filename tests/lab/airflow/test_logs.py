"""Logs that outlive their pods: in a real S3 server, written and read with a mounted file's credentials."""

from __future__ import annotations

import time
from pathlib import Path

from lab_harness.doctor import doctor
from lab_harness.full import logs
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


def test_a_task_that_is_out_of_memory_leaves_its_log_and_the_reason(full: Release) -> None:
    """Here a node kills one process at a time: the largest, which is never the supervisor. That uploads the log when it
    has told the API that the task failed."""
    word = f"umber-{time.time_ns()}"
    reasons = {"itself": "Likely out of memory", "a child": "SIGKILL"}
    runs = {by: full.start("eat_memory", {"word": f"{word} {by}", "by": by, "bytes": 1 << 30}) for by in reasons}
    for by, run_id in runs.items():
        ti = full.finish("eat_memory", run_id)["eat"]
        assert ti.state == "failed"
        written = f"the word is {word} {by}"
        texts = lambda written=written: [t for t in stored(full, "dag_id=eat_memory").values() if written in t]
        (text,) = until("the log in the bucket", texts)
        assert reasons[by] in text
        assert written in full.api.log(ti)


def test_of_a_container_that_is_killed_as_a_whole_the_page_says_what_is_lost(full: Release) -> None:
    word = f"sepia-{time.time_ns()}"
    ti = full.finish("lose_everything", full.start("lose_everything", {"word": word}))["kill"]
    assert ti.state == "failed"
    assert not [text for text in stored(full, "dag_id=lose_everything").values() if word in text]


def test_doctor_writes_reads_and_deletes_an_object_as_a_worker(full: Release, tmp_path: Path) -> None:
    # Beside other parts a Secret holds the word airflow, and what Secrets hold is not told.
    seen = lambda told: told.only("logs").replace("(secret)", "airflow")
    assert seen(doctor(full, tmp_path)) == "s3://logs/airflow: written, read and deleted"
    assert stored(full, "airfleet-doctor") == {}
    wrong = doctor(full, tmp_path, logs={"remote": {"folder": "s3://nonesuch/airflow"}})
    assert seen(wrong).startswith("s3://nonesuch/airflow/airfleet-doctor/")
    assert "NoSuchBucket" in seen(wrong)
    assert logs.SECRET not in wrong.done.stdout + wrong.done.stderr

"""The way out of the cluster: by a proxy only, and to servers whose certificates a private authority has signed."""

from __future__ import annotations

import re

from lab_harness.outside import HOST, asked_of_the_proxy
from lab_harness.release import Release, until


def test_a_task_gets_out_with_certificates_and_proxy_only(full: Release) -> None:
    """401 is the server's own answer; without one of the two, each client fails for the lack of just that."""
    tasks = full.run("go_outside", {"url": f"https://{HOST}/dags.git/info/refs"})
    expected = {"as it is": "401", "no certificates": "certificate", "no proxy": "name"}
    assert full.api.xcom(tasks["ask"]) == dict.fromkeys(("urllib", "requests", "httpx", "git"), expected)


def test_a_running_triggers_log_is_not_asked_of_the_proxy(full: Release) -> None:
    """The API server knows a triggerer by its address, which is in no domain of the cluster's."""
    run_id = full.start("wait_in_the_triggerer", {"word": "sepia", "seconds": 20})
    waiting = lambda: [ti for ti in full.api.task_instances("wait_in_the_triggerer", run_id) if ti.state == "deferred"]
    (ti,) = until("the task to be deferred", waiting, 90)
    until("the running trigger's log", lambda: "sleeping" in full.log(ti), 30)
    assert full.finish("wait_in_the_triggerer", run_id)["wait"].state == "success"


def test_the_proxy_is_asked_for_what_lies_outside_only(full: Release) -> None:
    """After all that this release has done: bundles, tasks, logs in S3, the Kubernetes API, metrics."""
    full.run("versioned")
    # Airflow asks the pod that a waiting task has left for its log, by a name without a domain, which no `no_proxy` can
    # leave out. No proxy knows it either.
    own = re.compile(r"GET http://[a-z0-9-]+:8793/log/")
    asked = [line for line in asked_of_the_proxy(full) if not own.match(line)]
    assert len(asked) > 10
    assert {re.sub(r" HTTP/1\..$", "", line) for line in asked} == {f"CONNECT {HOST}:443"}

"""boot.source: image. All that the other tests of the release `full` show is shown with it."""

from __future__ import annotations

import json
import os

import pytest

from lab_harness.release import Release, until

pytestmark = pytest.mark.skipif(
    os.environ.get("AIRFLEET_TEST_IMAGE") == "airflow-stock", reason="as the official image, it has no boot files"
)


def test_a_dag_runs_without_a_config_map_of_programs(full: Release) -> None:
    names = full.kubectl("get", "configmaps", "--output", "name").stdout.split()
    assert "configmap/full-config" in names
    assert "configmap/full-boot" not in names
    full.run("hello_pods")


def test_the_boot_files_of_another_version_end_the_job_at_once(full: Release) -> None:
    """What an upgrade meets whose image was not built anew."""
    (job,) = json.loads(full.kubectl("get", "jobs", "--selector", f"{full.components}", "--output", "json").stdout)[
        "items"
    ]
    spec = job["spec"]
    for controllers_own in ("selector", "suspend"):
        spec.pop(controllers_own, None)
    labels = {name: value for name, value in spec["template"]["metadata"]["labels"].items() if "/" in name}
    spec["template"]["metadata"]["labels"] = {n: v for n, v in labels.items() if n.startswith("app.kubernetes.io/")}
    spec["template"]["spec"]["containers"][0]["command"][3] = "0" * 16
    other = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "other-version"}, "spec": spec}
    created = full.kubectl("create", "--filename", "-", stdin=json.dumps(other))
    assert created.code == 0, created.stderr
    status = lambda: json.loads(full.kubectl("get", "job", "other-version", "--output", "json").stdout)["status"]
    until("the Job to fail", lambda: [c for c in status().get("conditions", []) if c["type"] == "Failed"], 60)
    assert status()["failed"] == 1, "it was tried again"
    log = full.kubectl("logs", "job/other-version").stdout
    assert "error: this image does not hold the boot files of this chart" in log
    assert f"the chart has {'0' * 16}" in log
    full.kubectl("delete", "job", "other-version")

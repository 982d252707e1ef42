"""Other ways to run the chart: applied without Helm, and under a uid that the image has never heard of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from airfleet.helm import template
from airfleet.paths import project_root
from lab_harness.release import DAGS, Release

OPENSHIFT_UID = 1000700000  # the kind of uid that OpenShift gives a namespace


def rendered(release: Release, name: str) -> str:
    """The manifests of a release of this name with the shared release's own values."""
    files = [project_root() / "values" / "presets" / "demo.yaml", release.folder / "base.yaml"]
    return template(project_root() / "chart", release=name, namespace=release.namespace, values=files)


def test_the_manifests_apply_server_side_and_again_without_a_change(airflow: Release) -> None:
    manifests = rendered(airflow, "plain")
    apply = ("apply", "--server-side", "--filename", "-")
    checked = airflow.kubectl(*apply, "--dry-run=server", "--validate=strict", stdin=manifests)
    assert checked.code == 0, checked.stderr
    try:
        first = airflow.kubectl(*apply, stdin=manifests)
        assert first.code == 0, first.stderr
        unchanged = airflow.kubectl("diff", "--server-side", "--filename", "-", stdin=manifests)
        assert unchanged.code == 0, unchanged.stdout
    finally:
        airflow.kubectl("delete", "--ignore-not-found", "--wait=false", "--filename", "-", stdin=manifests)
        airflow.kubectl("delete", "secret,pvc", "--selector", "app.kubernetes.io/instance=plain", "--wait=false")


def test_every_pod_template_is_admitted_as_the_executor_would_send_it(airflow: Release) -> None:
    config_map = airflow.cluster.core.read_namespaced_config_map("airflow-pod-templates", airflow.namespace)
    assert set(config_map.data) == {"default.yaml", "highmem.yaml"}
    for name, text in config_map.data.items():
        pod = yaml.safe_load(text)
        pod["metadata"]["name"] = "template-" + name.removesuffix(".yaml")
        create = ("create", "--dry-run=server", "--validate=strict", "--filename", "-")
        checked = airflow.kubectl(*create, stdin=yaml.safe_dump(pod))
        assert checked.code == 0, checked.stderr
        assert "would violate PodSecurity" not in checked.stderr


@pytest.fixture
def arbitrary_uid(airflow: Release, tmp_path: Path) -> Iterator[Release]:
    """A release of its own, all of whose Airflow pods run as OpenShift would run them."""
    release = Release(airflow.lab, airflow.cluster, "shift", "shift", tmp_path)
    release.prepare([*DAGS, *Path(__file__).parent.glob("dags/*.py")])
    release.install({"pod": {"podSecurityContext": {"runAsUser": OPENSHIFT_UID}}})
    yield release
    release.remove()


def test_an_arbitrary_uid_in_group_0_runs_everything(arbitrary_uid: Release) -> None:
    tasks = arbitrary_uid.run("look_for_secrets", {"reversed": ["nothing-like-it"[::-1]], "targets": []})
    seen = arbitrary_uid.api.xcom(tasks["search"])
    assert seen["uid"] == OPENSHIFT_UID != os.getuid()
    arbitrary_uid.run("hello_pods")

"""Other ways to run the chart: applied without Helm, and as OpenShift admits pods."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from airfleet.helm import template
from airfleet.paths import project_root
from lab_harness import openshift as constraint
from lab_harness.release import DAGS, Release, until

UID = 50000  # of Airflow's image


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
        # Not at once: it compares two answers of the API server, and a status may change between them.
        diff = lambda: airflow.kubectl("diff", "--server-side", "--filename", "-", stdin=manifests)
        until("the second time to change nothing", lambda: diff().code == 0, 90)
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


@pytest.fixture(scope="module")
def openshift(airflow: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A release with the preset openshift, in a namespace whose pods OpenShift's constraint would admit."""
    folder = tmp_path_factory.mktemp("shift")
    release = Release(airflow.lab, airflow.cluster, "shift", "shift", folder, preset="demo,openshift")
    release.prepare([*DAGS, *Path(__file__).parent.glob("dags/*.py")])
    annotations = [f"{key}={value}" for key, value in constraint.ANNOTATIONS.items()]
    labels = [f"{key}={value}" for key, value in constraint.LABELS.items()]
    assert release.kubectl("annotate", "namespace", "shift", *annotations).code == 0
    assert release.kubectl("label", "namespace", "shift", *labels).code == 0
    with constraint.admission(airflow.lab):
        holds = lambda: "created" in dry_run(release, None) and "runAsUser must be" in dry_run(release, UID)
        until("the constraint to hold", holds, 30)
        release.install()
        yield release
        release.remove()


def dry_run(release: Release, user: int | None) -> str:
    """What the API server says to a pod that wants to run as this user."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        **({"runAsUser": user} if user else {}),
    }
    spec = {"containers": [{"name": "base", "image": "x", "securityContext": security}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try"}, "spec": spec}
    done = release.kubectl("create", "--dry-run=server", "--filename", "-", stdin=yaml.safe_dump(pod))
    return done.stdout + done.stderr


@pytest.mark.long  # tests/README.md says why
def test_the_constraint_admits_who_says_nothing_or_the_right_thing(openshift: Release) -> None:
    assert dry_run(openshift, None) == dry_run(openshift, constraint.UID + 9999) == "pod/try created (server dry run)\n"
    for other in (UID, constraint.UID + 10000):
        assert "runAsUser must be in the range" in dry_run(openshift, other)
    listed = json.loads(openshift.kubectl("get", "pods", "--output", "json").stdout)["items"]
    admitted = {pod["metadata"]["annotations"].get("openshift.io/scc") for pod in listed}
    assert admitted == {constraint.NAME}


@pytest.mark.long  # tests/README.md says why
def test_whom_openshift_makes_of_us_runs_everything(openshift: Release) -> None:
    """A uid that no image has heard of, in group 0, with the namespace's group for volumes and a read-only root."""
    tasks = openshift.run("look_for_secrets", {"reversed": ["nothing-like-it"[::-1]], "targets": []})
    assert openshift.api.xcom(tasks["search"])["uid"] == constraint.UID != os.getuid()
    assert not openshift.api.xcom(tasks["reach"])["root_is_writable"]
    ti = openshift.run("shout", {"word": "viridian"})["say"]
    openshift.run("hello_pods")
    assert "the word is viridian" in openshift.api.log(ti)  # on the shared volume, of a pod that is gone
    kept = [pod for pod in openshift.pods() if pod.metadata.labels["app.kubernetes.io/component"] != "worker"]
    assert len(kept) >= 5
    for pod in kept:
        mine = ("exec", pod.metadata.name, "--container", pod.spec.containers[0].name, "--", "sh", "-c")
        done = openshift.kubectl(*mine, "id -u; id -g; id -G; touch /mine 2>&1; true")
        shown = (pod.metadata.name, done.stdout, done.stderr)
        expected = rf"{constraint.UID}\n0\n0 {constraint.UID}\n.*Read-only file system\n"
        assert re.fullmatch(expected, done.stdout), shown
        # Or the kubelet would change the owner of all logs for every pod of a task.
        assert pod.spec.security_context.fs_group_change_policy == "OnRootMismatch"

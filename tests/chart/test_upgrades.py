"""What an upgrade restarts, and what it may never change: told from two renders, proven live by the lab's tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from chart_harness.objects import Rendered, ref_of
from chart_harness.render import CHART, render
from chart_harness.scenarios import SCENARIOS, rendered

BASE: dict[str, Any] = {"postgres": {"embedded": True}}
CONTROL_PLANE = {"api-server", "scheduler", "dag-processor", "triggerer"}


def restarted(before: Rendered, after: Rendered) -> set[str]:
    """The components whose running pods an upgrade replaces, and `bootstrap` if it runs again."""
    old = {pod.owner: (pod.metadata, pod.spec) for pod in before.pods if not pod.is_worker}
    new = {pod.owner: (pod.metadata, pod.spec) for pod in after.pods if not pod.is_worker}
    changed = {owner for owner in new if new[owner] != old.get(owner)}
    return {pod.component for pod in after.pods if pod.owner in changed}


def changed(before: Rendered, after: Rendered) -> set[str]:
    """`Kind/name` of every object that differs."""
    old, new = ({ref_of(obj): obj for obj in r.objects} for r in (before, after))
    return {ref for ref in old.keys() | new.keys() if old.get(ref) != new.get(ref)}


CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, set()),
    "memory of a pod template": ({"podTemplates": {"highmem": {"resources": {"limits": {"memory": "8Gi"}}}}}, set()),
    "environment of all workers": ({"workers": {"env": {"A": "b"}}}, set()),
    "network policies": ({"networkPolicies": {"dns": {"ports": [53]}}}, set()),
    "a new queue": ({"podTemplates": {"gpu": {}}}, {"scheduler", "dag-processor"}),
    "configuration": ({"config": {"core": {"parallelism": 64}}}, CONTROL_PLANE | {"bootstrap"}),
    "resources of one component": ({"triggerer": {"resources": {"limits": {"memory": "2Gi"}}}}, {"triggerer"}),
    "the image": ({"image": {"tag": "3.3.1"}}, CONTROL_PLANE | {"bootstrap"}),
    "replicas": ({"apiServer": {"replicas": 3}}, set()),
    "a scheduler at rest": ({"scheduler": {"replicas": 0}}, set()),
    "the database's image": ({"postgres": {"image": {"tag": "17.7"}}}, {"postgres"}),
}


@pytest.mark.parametrize(("change", "restarts"), CHANGES.values(), ids=CHANGES.keys())
def test_a_change_restarts_only_what_reads_it(change: dict[str, Any], restarts: set[str]) -> None:
    after = {**BASE, **change, "postgres": {**BASE["postgres"], **change.get("postgres", {})}}
    assert restarted(render(BASE), render(after)) == restarts


def test_an_edited_pod_template_changes_one_object() -> None:
    after = render({**BASE, "podTemplates": {"highmem": {"resources": {"limits": {"memory": "8Gi"}}}}})
    assert changed(render(BASE), after) == {"ConfigMap/airflow-pod-templates"}


def test_a_new_version_of_the_chart_restarts_nothing(tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    metadata = chart / "Chart.yaml"
    metadata.write_text(metadata.read_text().replace("version: 0.", "version: 9.", 1))
    newer = render(BASE, chart=chart)
    assert newer.get("ConfigMap/airflow-config")["metadata"]["labels"]["helm.sh/chart"].startswith("airfleet-9.")
    assert restarted(render(BASE), newer) == set()


def test_a_changed_boot_file_restarts_what_runs_it(tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    file = chart / "files/running/airfleet_heartbeat.py"
    file.write_text(file.read_text() + "\n# changed\n")
    assert restarted(render(BASE), render(BASE, chart=chart)) == CONTROL_PLANE | {"bootstrap"}


def test_a_job_of_the_same_name_is_the_same_job() -> None:
    """A Job can't be changed: `field is immutable` would fail the upgrade."""
    jobs = [job for scenario in SCENARIOS for job in rendered(scenario).of("Job")]
    names = {job["metadata"]["name"] for job in jobs}
    assert len(names) > 5
    for name in names:
        specs = [job["spec"] for job in jobs if job["metadata"]["name"] == name]
        assert all(spec == specs[0] for spec in specs)


def test_nothing_that_can_not_be_changed_depends_on_values() -> None:
    """Selectors and a StatefulSet's identity; a Service's clusterIP; a claim's class, once it is bound."""
    frozen: dict[str, list[Any]] = {}
    for scenario, values in SCENARIOS.items():
        if "fullnameOverride" not in values:
            for obj in rendered(scenario).of("Deployment", "StatefulSet", "Service"):
                spec = obj["spec"]
                immutable = [
                    spec["selector"],
                    spec.get("serviceName"),
                    spec.get("clusterIP"),
                    spec.get("podManagementPolicy"),
                ]
                frozen.setdefault(ref_of(obj), []).append(immutable)
    assert len(frozen) > 5
    assert {ref for ref, seen in frozen.items() if any(one != seen[0] for one in seen)} == set()


OPTIONAL = (
    "airflow-boot",
    "airflow-auth",
    "postgres",
    "pgbouncer",
    "execution-api",
    "metrics",
    "dashboard",
)  # not in every scenario


def test_what_others_refer_to_keeps_its_name() -> None:
    """Running workers, users' own manifests and the next release refer to these by name: features add, none renames."""
    kinds = ("ServiceAccount", "ConfigMap", "Service", "Role")
    names = [
        {ref_of(obj) for obj in rendered(scenario).of(*kinds) if not any(part in ref_of(obj) for part in OPTIONAL)}
        for scenario, values in SCENARIOS.items()
        if "fullnameOverride" not in values and scenario != "accounts of the user's own"
    ]
    assert next(iter(SCENARIOS)) == "defaults"
    assert [other for other in names if not names[0] <= other] == []

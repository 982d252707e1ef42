"""A real Airflow on each of three clusters: a change with which one scheduler can't start, and the way out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfleet import image
from airfleet.kube import Cluster
from airfleet.paths import project_root
from lab_harness.fleet import NAMES, FleetOnDisk
from lab_harness.release import DAGS, Release

pytestmark = pytest.mark.long  # tests/README.md says why
A, B, C = NAMES
CLASS = {"metadata": {"name": "important"}, "value": 1000}


@pytest.fixture
def airflows(fleet: FleetOnDisk, tmp_path: Path) -> Iterator[FleetOnDisk]:
    """The fleet with airfleet's own chart, and what an Airflow needs on each cluster; nothing is installed."""
    spec = yaml.safe_load((fleet.folder / "fleet.yaml").read_text())
    own = {"chart": str(project_root() / "chart"), "adapter": "airflow", "release": "airflow"}
    gates = {"rollout": "5m", "canary": "hello_pods", "account": "airflow-admin", "timeout": "5m"}
    fleet.write("fleet.yaml", {**spec, **own, "gates": gates})
    archives = [image.ensure(kind).archive for kind in ("airflow", "postgres")]
    for name in NAMES:
        lab = fleet.labs[name]
        lab.load(archives)
        release = Release(lab, fleet.cluster(name), "airflow", fleet.namespace, tmp_path)
        release.prepare(DAGS)
    demo = yaml.safe_load((project_root() / "values/presets/demo.yaml").read_text())
    own_values = release.base_values()
    postgres = {**demo["postgres"], **own_values["postgres"]}
    fleet.write("base.yaml", {**demo, **own_values, "postgres": postgres, "logs": {}})
    for name in (A, C):
        _scheduling(fleet.cluster(name)).create_priority_class(CLASS)
    yield fleet
    for name in NAMES:
        api = _scheduling(fleet.cluster(name))
        for found in api.list_priority_class().items:
            if found.metadata.name == CLASS["metadata"]["name"]:
                api.delete_priority_class(found.metadata.name)


def _scheduling(cluster: Cluster) -> Any:
    from kubernetes import client

    return client.SchedulingV1Api(cluster.api)


def states(fleet: FleetOnDisk) -> dict[str, str]:
    return {row["cluster"]: row["state"] for row in json.loads(fleet.run("status", "--json").out)}


def test_a_scheduler_that_can_not_start_stops_the_waves_and_a_rollback_restores(airflows: FleetOnDisk) -> None:
    assert airflows.run("plan", "-o", "one.json").code == 2
    done = airflows.run("apply", "one.json", timeout=1200)
    assert done.code == 0, done.err
    assert states(airflows) == dict.fromkeys(NAMES, "in step")
    # The change names a priority class that one of the clusters does not have: no pod of the scheduler is let in there.
    base = yaml.safe_load((airflows.folder / "base.yaml").read_text())
    base["scheduler"]["priorityClassName"] = "important"
    airflows.write("base.yaml", base)
    fleet = yaml.safe_load((airflows.folder / "fleet.yaml").read_text())
    airflows.write("fleet.yaml", {**fleet, "gates": {**fleet["gates"], "rollout": "2m"}})
    doctor = airflows.run("doctor")
    assert "wants the priority class important, which is not there" in doctor.out
    assert airflows.run("plan", "-o", "two.json").code == 2
    done = airflows.run("apply", "two.json", timeout=1200)
    assert done.code == 4
    assert f"{B} did not pass the gate rollout in 120 s" in done.err
    assert "Deployment/airflow-scheduler: " in done.err
    assert states(airflows) == {A: "in step", B: "unhealthy", C: "behind"}
    back = airflows.run("rollback", B, timeout=600)
    assert back.code == 0, back.err
    assert states(airflows) == {A: "in step", B: "behind", C: "behind"}
    assert airflows.run("verify", timeout=600).code == 0
    _scheduling(airflows.cluster(B)).create_priority_class(CLASS)
    done = airflows.run("apply", "two.json", timeout=1200)
    assert done.code == 0, done.err
    assert states(airflows) == dict.fromkeys(NAMES, "in step")

"""The fleet's commands on a real Airflow: a canary DAG, and who is on which version."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from airfleet.errors import ExitCode
from airfleet.paths import project_root
from airfleet.process import Completed, run
from lab_harness.release import Release

FLEET = """
chart: {chart}
axes: [env]
release: airflow
namespace: airflow
gates: {{rollout: 2m, canary: {dag}, account: {account}, timeout: 3m}}
"""
CLUSTER = """
axes: {{env: lab}}
kubernetes: "1.36"
context: {context}
kubeconfig: {kubeconfig}
identity: {identity}
"""


@pytest.fixture
def airfleet(airflow: Release, tmp_path: Path) -> Callable[..., Completed]:
    """Run a command on a fleet of one cluster, the lab, with this DAG as its canary."""
    for folder in ("clusters", "env"):
        (tmp_path / folder).mkdir()
    (tmp_path / "env" / "lab.yaml").touch()
    cluster = airflow.cluster
    place = {"context": cluster.context, "kubeconfig": cluster.kubeconfig, "identity": cluster.identity()}
    (tmp_path / "clusters" / "lab.yaml").write_text(CLUSTER.format(**place))

    def called(*argv: str, dag: str = "hello_pods", account: str = "airflow-admin") -> Completed:
        settings = {"chart": project_root() / "chart", "dag": dag, "account": account}
        (tmp_path / "fleet.yaml").write_text(FLEET.format(**settings))
        program = str(Path(sys.executable).with_name("airfleet"))
        return run([program, *argv, "--fleet", str(tmp_path)], check=False, timeout=300)

    return called


def test_a_canary_runs_to_its_end(airfleet: Callable[..., Completed], airflow: Release) -> None:
    runs = lambda: airflow.api.request("GET", "/api/v2/dags/hello_pods/dagRuns")["dag_runs"]
    airflow.run("hello_pods")
    before = len(runs())
    done = airfleet("verify", "--json")
    assert done.code == 0, done.stdout + done.stderr
    (verdict,) = json.loads(done.stdout)
    assert verdict["works"]
    assert [line.split(":")[0] for line in verdict["seen"]] == ["rollout", "heartbeat", "canary hello_pods"]
    assert len(runs()) == before + 1
    assert {run["state"] for run in runs()} == {"success"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"dag": "nonesuch"}, "the canary nonesuch could not be run"),
        ({"account": "nonesuch"}, "could not be run"),
        ({"account": "airflow-keys"}, "the Secret airflow-keys has no key 'username'"),
    ],
)
def test_a_canary_that_can_not_run_says_why(
    airfleet: Callable[..., Completed], settings: dict[str, str], expected: str
) -> None:
    done = airfleet("verify", **settings)
    assert done.code == ExitCode.ERROR
    assert "lab: does not work" in done.stdout
    assert expected in done.stdout


def test_versions(airfleet: Callable[..., Completed], airflow: Release) -> None:
    done = airfleet("status", "--json")
    (row,) = json.loads(done.stdout)
    tag = airflow.base_values()["image"]["tag"]
    assert row["versions"] == {"airflow": tag, "chart": "airfleet-0.1.0", "kubernetes": row["versions"]["kubernetes"]}
    assert row["state"] == "behind"  # the lab's values are not in these files
    assert done.code == ExitCode.CHANGES

"""Every DAG of the project is parsed by the real Airflow, and every queue that it names has a pod template."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dags_harness import PROJECT, airflow, rendered

FOLDERS = ("dags", "tests/lab/airflow/dags", "tests/bench/dags")
FILES = sorted(path for folder in FOLDERS for path in (PROJECT / folder).glob("*.py"))
PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder={path!r})
print(json.dumps({{
    "errors": list(bag.import_errors.values()),
    "dags": {{dag_id: {{t.task_id: t.queue for t in dag.tasks}} for dag_id, dag in bag.dags.items()}},
}}))
"""


def chart_queues() -> list[str]:
    """The queues that the chart tells the DAG processor of."""
    deployment = rendered()["Deployment", "airflow-dag-processor"]
    env = {e["name"]: e.get("value") for e in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    return list(json.loads(env["AIRFLEET_QUEUES"]))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_dag_file_parses_and_its_queues_have_pod_templates(path: Path, tmp_path: Path) -> None:
    queues = chart_queues()
    seen = airflow(PARSE.format(path=str(path)), tmp_path, AIRFLEET_QUEUES=json.dumps(queues))
    assert seen["errors"] == []
    assert seen["dags"]
    for dag_id, tasks in seen["dags"].items():
        assert set(tasks.values()) <= set(queues), dag_id


def test_hello_pods_uses_two_pod_templates(tmp_path: Path) -> None:
    seen = airflow(PARSE.format(path=str(PROJECT / "dags" / "hello_pods.py")), tmp_path)
    assert seen["dags"]["hello_pods"] == {"extract": "default", "transform": "highmem", "load": "default"}

"""The task policy in the real dag-processor, found through a distribution projected from a ConfigMap."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import airflow_environment, mounted

DAG = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
with DAG("{dag_id}", schedule=None):
    EmptyOperator(task_id="t", {arguments})
"""


@pytest.fixture
def mounted_boot(tmp_path) -> Path:
    return mounted(tmp_path / "boot")


@pytest.fixture
def import_errors(migrated, mounted_boot, tmp_path):
    """Parses DAGs, given as dag id -> arguments of their task, and gives dag id -> import error."""
    dags = tmp_path / "dags"
    dags.mkdir()

    def parse(tasks: dict[str, str], **more: str) -> dict[str, str]:
        for dag_id, arguments in tasks.items():
            (dags / f"{dag_id}.py").write_text(DAG.format(dag_id=dag_id, arguments=arguments))
        env = airflow_environment(tmp_path, migrated.url, AIRFLOW__CORE__DAGS_FOLDER=str(dags))
        env |= {"PYTHONPATH": str(mounted_boot), "AIRFLOW__CORE__EXECUTOR": "KubernetesExecutor,LocalExecutor"} | more
        command = [sys.executable, "-m", "airflow", "dag-processor", "--num-runs", "1"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr
        parsed = {name for (name,) in migrated.execute("SELECT dag_id FROM dag")}
        errors = dict(migrated.execute("SELECT filename, stacktrace FROM import_error"))
        assert parsed | {Path(name).stem for name in errors} >= set(tasks)
        return {Path(name).stem: text for name, text in errors.items()}

    return parse


def test_unknown_queues_are_import_errors(import_errors):
    errors = import_errors(
        {
            "no_queue": "",
            "served": "queue='gpu'",
            "misspelt": "queue='gup'",
            "local": "queue='whatever', executor='LocalExecutor'",
            "named": "queue='nowhere', executor='KubernetesExecutor'",
        },
        AIRFLEET_QUEUES=json.dumps(["gpu", "small"]),
    )
    assert sorted(errors) == ["misspelt", "named"]
    assert "task 't' of DAG 'misspelt' has queue='gup', which no pod template serves" in errors["misspelt"]
    assert "Did you mean 'gpu'?" in errors["misspelt"]
    assert "Fix: use one of default, gpu, small" in errors["misspelt"]
    assert "Did you mean" not in errors["named"]


def test_users_keep_their_own_local_settings(import_errors, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "airflow_local_settings.py").write_text(
        "from airflow.exceptions import AirflowClusterPolicyViolation\n"
        "def task_policy(task):\n"
        "    if task.owner == 'nobody':\n"
        "        raise AirflowClusterPolicyViolation('the policy of the user')\n"
    )
    tasks = {"theirs": "owner='nobody'", "ours": "queue='gup'", "fine": "queue='gpu'"}
    errors = import_errors(tasks, AIRFLEET_QUEUES='["gpu"]')
    assert sorted(errors) == ["ours", "theirs"]
    assert "the policy of the user" in errors["theirs"]


def test_without_a_list_nothing_is_checked(import_errors):
    assert import_errors({"anything": "queue='anything'"}) == {}


def test_tasks_run_in_the_namespace_of_their_queue_and_their_logs_are_found_there(mounted_boot, tmp_path):
    """By the executor's own code, on a DAG as the database holds it: mapped tasks and own overrides included."""
    env = airflow_environment(tmp_path, AIRFLOW__CORE__EXECUTOR="KubernetesExecutor")
    env |= {"PYTHONPATH": str(mounted_boot), "AIRFLOW__KUBERNETES_EXECUTOR__NAMESPACE": "home"}
    env |= {"AIRFLEET_QUEUES": '["gpu"]', "AIRFLEET_NAMESPACES": '{"gpu": "team-gpu"}'}
    script = str(Path(__file__).with_name("placed_dag.py"))
    done = subprocess.run([sys.executable, script, script], env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "home": ["home", "home", "data"],
        "gpu": ["team-gpu", "team-gpu", "data"],
        "mapped": ["team-gpu", "team-gpu", "data"],
        "own": ["mine", "mine", "data"],
        "labelled": ["team-gpu", "team-gpu", "x"],
    }


@pytest.mark.parametrize(
    ("executor", "configured", "expected"),
    [
        (None, "KubernetesExecutor", True),
        (None, "LocalExecutor,KubernetesExecutor", False),
        ("KubernetesExecutor", "LocalExecutor,KubernetesExecutor", True),
        ("LocalExecutor", "KubernetesExecutor,LocalExecutor", False),
        (None, "airfleet_runtime.executor.FleetExecutor", True),
        (None, "fleet:airfleet_runtime.executor.FleetExecutor", True),
        ("fleet", "LocalExecutor,fleet:airfleet_runtime.executor.FleetExecutor", True),
        ("mine", "KubernetesExecutor,mine:my.LocalExecutor", False),
        ("airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor", "LocalExecutor", True),
        (None, "team_a=KubernetesExecutor", True),
    ],
)
def test_which_executors_start_pods(executor, configured, expected):
    from airfleet_policy import runs_as_pod

    assert runs_as_pod(executor, configured) is expected


def test_parsing_does_not_become_slower(mounted_boot, tmp_path):
    """The policy is imported by every Airflow process, so it may import nothing that Airflow has not."""
    code = "import airflow.settings, sys; a = set(sys.modules); import airfleet_policy; print(set(sys.modules) - a)"
    env = airflow_environment(tmp_path) | {"PYTHONPATH": str(mounted_boot)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() in ("set()", "{'airfleet_policy'}"), done.stderr

"""Real workloads through the launcher, against a real API server on the loopback interface."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import BOOT, Outcome, as_root

LAUNCH = BOOT / "airfleet_launch.py"
MODULE = "airflow.sdk.execution_time.execute_workload"


def arguments(workload: str, form: str, folder: Path) -> tuple[list[str], str | None]:
    """The command line behind `command:`, and stdin."""
    if form == "stdin":
        return [], workload + "\n"
    if form == "json-path":
        (folder / "workload.json").write_text(workload)
        return ["python", "-m", MODULE, "--json-path", str(folder / "workload.json")], None
    return ["python", "-m", MODULE, "--json-string", workload], None


def launch(
    args: list[str], env: dict[str, str], stdin: str | None = None, prefix: tuple[str, ...] = ()
) -> tuple[Outcome, float]:
    begun = time.monotonic()
    command = [*prefix, sys.executable, str(LAUNCH), *args]
    options = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    done = subprocess.run(
        command, env=env, text=True, timeout=120, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    return Outcome(done.returncode, done.stdout), time.monotonic() - begun


@pytest.mark.parametrize("form", ["json-string", "json-path", "stdin"])
def test_a_task_succeeds(airflow, queue, place, tmp_path, form):
    workload, run_id = queue("report")
    args, stdin = arguments(workload, form, tmp_path)
    outcome, _ = launch(args, airflow.worker | place, stdin)
    assert outcome.code == 0, outcome.output
    assert airflow.state(run_id) == "success", outcome.output
    facts = json.loads((tmp_path / "canary").read_text())
    assert facts["umask"] == 0o002
    assert facts["home_writable"]
    assert json.loads(workload)["token"] not in outcome.output
    assert list((tmp_path / "logs").rglob("*.log"))


@as_root
@pytest.mark.parametrize("form", ["json-string", "stdin"])
def test_any_uid_in_group_0_without_a_home(airflow, queue, place, tmp_path, form):
    """OpenShift's pods: no entry in /etc/passwd, and the runtime sets HOME=/."""
    workload, run_id = queue("report")
    args, stdin = arguments(workload, form, tmp_path)
    # The tests' Python may lie below a home that only root may read; reading is all that the capability allows.
    prefix = ("setpriv", "--reuid", "1000700000", "--regid", "0", "--clear-groups", "--inh-caps=-all,+dac_read_search")
    prefix += ("--ambient-caps=+dac_read_search", "--bounding-set=-all,+dac_read_search", "--")
    env = airflow.worker | place | {"HOME": "/"}
    outcome, _ = launch(args, env, stdin, prefix)
    assert outcome.code == 0, outcome.output
    assert airflow.state(run_id) == "success", outcome.output
    facts = json.loads((tmp_path / "canary").read_text())
    assert facts["uid"] == 1000700000
    assert facts["user"]
    assert facts["home"] != "/"
    assert facts["home_writable"]


def test_a_failing_task_exits_as_upstream(airflow, queue, place, tmp_path):
    codes = []
    for launcher in ([sys.executable, "-m", MODULE], [sys.executable, str(LAUNCH), "python", "-m", MODULE]):
        workload, run_id = queue("fail")
        env = airflow.worker | place | {"HOME": str(tmp_path)}
        command = [*launcher, "--json-string", workload]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        assert airflow.state(run_id) == "failed", done.stdout
        assert "on purpose" in done.stdout
        codes.append(done.returncode)
    assert codes[0] == codes[1]


def finished_after_task(output: str) -> float:
    """Seconds that the supervisor took, by its own log line."""
    return next(json.loads(line)["duration"] for line in output.splitlines() if '"Workload finished"' in line)


def test_the_exit_linger_is_gone(airflow, queue, place, tmp_path):
    """The task closes its sockets a second before it ends. Upstream then sleeps 5 s in select(); we do not."""
    workload, _ = queue("close_and_linger")
    command = [sys.executable, "-m", MODULE, "--json-string", workload]
    env = airflow.worker | place | {"HOME": str(tmp_path)}
    upstream = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    slow = finished_after_task(upstream.stdout)
    assert slow > 4.5, "this Airflow has no exit linger any more: drop shorten_exit()"

    workload, _ = queue("close_and_linger")
    outcome, _ = launch(["python", "-m", MODULE, "--json-string", workload], airflow.worker | place)
    assert finished_after_task(outcome.output) < slow - 2.5, outcome.output


def test_sigterm_reaches_the_task(airflow, queue, place, tmp_path):
    workload, run_id = queue("sleep")
    canary = tmp_path / "canary"
    command = [sys.executable, str(LAUNCH), "python", "-m", MODULE, "--json-string", workload]
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(command, env=airflow.worker | place, stdout=out, stderr=out)
    deadline = time.monotonic() + 60
    while not canary.exists() or canary.read_text() != "started":
        assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "out").read_text()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, (tmp_path / "out").read_text()
    assert canary.read_text() == "terminated"
    assert airflow.state(run_id) == "failed"


@pytest.mark.parametrize("stdin", ["", "\n", "   \n"])
def test_no_workload_on_stdin(airflow, place, stdin):
    outcome, _ = launch([], airflow.worker | place, stdin)
    assert outcome.code == 75
    assert "no workload came over stdin" in outcome.output


def test_a_line_that_is_no_workload_is_not_shown(airflow, place):
    outcome, _ = launch([], airflow.worker | place, '{"type": "ExecuteTask", "token": "canary-token", "ti": 1}\n')
    assert outcome.code == 1
    assert "not a workload" in outcome.output
    assert "canary-token" not in outcome.output
    assert "Traceback" not in outcome.output


def test_any_other_command_is_executed(airflow, place):
    code = "import os; mask = os.umask(0); print(oct(mask), os.environ['USER'])"
    outcome, _ = launch([sys.executable, "-c", code], airflow.worker | place)
    assert (outcome.code, outcome.output.split()[0]) == (0, "0o2")


def test_the_fix_leaves_a_changed_airflow_alone():
    from airflow.sdk.execution_time.supervisor import WatchedSubprocess

    import airfleet_launch

    original = WatchedSubprocess._service_subprocess
    try:
        WatchedSubprocess._service_subprocess = lambda self, max_wait_time: None
        changed = WatchedSubprocess._service_subprocess
        assert airfleet_launch.shorten_exit() is False
        assert WatchedSubprocess._service_subprocess is changed
    finally:
        WatchedSubprocess._service_subprocess = original
    try:
        assert airfleet_launch.shorten_exit() is True
        assert WatchedSubprocess._service_subprocess is not original
    finally:
        WatchedSubprocess._service_subprocess = original

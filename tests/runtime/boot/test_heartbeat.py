"""The exec probe against rows as Airflow's own Job model writes them."""

from __future__ import annotations

import resource
import socket
import time

import pytest

from conftest import airflow_environment, free_port, python

REGISTER = """
import sys
from datetime import timedelta
from airflow._shared.timezones import timezone
from airflow.jobs.job import Job
from airflow.utils.session import create_session
job_type, age, state = sys.argv[1:]
with create_session() as session:
    job = Job(job_type=job_type)
    job.state = state
    job.latest_heartbeat = timezone.utcnow() - timedelta(seconds=float(age))
    session.add(job)
"""


@pytest.fixture
def env(migrated, tmp_path) -> dict[str, str]:
    return airflow_environment(tmp_path, migrated.url)


@pytest.fixture
def register(env, tmp_path):
    def make(job_type: str, age: float, state: str = "running", **more: str) -> None:
        script = tmp_path / "register.py"
        script.write_text(REGISTER)
        outcome = python(script, job_type, str(age), state, env=env | more)
        assert outcome.code == 0, outcome.output

    return make


IP = {"AIRFLOW__CORE__HOSTNAME_CALLABLE": "airflow.utils.net.get_host_ip_address"}
NAME = {"AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname"}


@pytest.mark.parametrize("hostname", [{}, IP, NAME], ids=["default", "ip", "name"])
def test_alive_however_the_component_registers_its_host(env, register, hostname):
    env |= hostname
    register("TriggererJob", 5, **hostname)
    outcome = python("airfleet_heartbeat.py", "TriggererJob", env=env)
    assert outcome.code == 0, outcome.output
    assert python("airfleet_heartbeat.py", "DagProcessorJob", env=env).code == 1


def test_a_dag_processor(env, register):
    register("DagProcessorJob", 5)
    assert python("airfleet_heartbeat.py", "DagProcessorJob", env=env).code == 0


def test_stopped_old_and_foreign_rows_do_not_count(env, register, migrated):
    for flag in ((), ("--liveness",)):
        outcome = python("airfleet_heartbeat.py", "TriggererJob", *flag, env=env)
        assert (outcome.code, "no running TriggererJob" in outcome.output) == (1, True)
    register("TriggererJob", 5, "success")
    register("TriggererJob", 45)
    outcome = python("airfleet_heartbeat.py", "TriggererJob", "--liveness", env=env)
    assert outcome.code == 1
    assert "allowed are 30 s" in outcome.output
    patient = env | {"AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "60"}
    assert python("airfleet_heartbeat.py", "TriggererJob", "--liveness", env=patient).code == 0
    migrated.execute("UPDATE job SET hostname = 'another-pod'")
    assert python("airfleet_heartbeat.py", "TriggererJob", env=patient).code == 1


def silent_server() -> socket.socket:
    """Accepts connections and never says a word."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server


def test_a_database_that_is_away_is_alive_and_not_ready(env, tmp_path, migrated):
    with silent_server() as silent:
        away = [
            f"postgresql://postgres@127.0.0.1:{free_port()}/x",
            f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/x",
            "postgresql://postgres@no-such-host.invalid/x",
        ]
        for url in away:
            for flag, code in (((), 1), (("--liveness",), 0)):
                begun = time.monotonic()
                env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = url
                outcome = python("airfleet_heartbeat.py", "TriggererJob", *flag, env=env)
                assert (outcome.code, len(outcome.output.splitlines())) == (code, 1), outcome.output
                assert time.monotonic() - begun < 6


def test_before_the_first_migration(database, tmp_path):
    env = airflow_environment(tmp_path, database.url)
    assert python("airfleet_heartbeat.py", "TriggererJob", env=env).code == 1


def test_wrong_use(env):
    for arguments in ((), ("SchedulerJob",)):
        outcome = python("airfleet_heartbeat.py", *arguments, env=env)
        assert (outcome.code, "usage:" in outcome.output) == (64, True)


def test_it_is_cheap(env, register):
    register("TriggererJob", 1)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(5):
        assert python("airfleet_heartbeat.py", "TriggererJob", env=env).code == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 5 < 0.5

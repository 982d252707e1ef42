"""The exec probe against rows as Airflow's own Job model writes them."""

from __future__ import annotations

import resource
import socket
import time

import pytest

from conftest import RUNNING, airflow_environment, free_port
from conftest import python as run_python

HEARTBEAT = "airfleet_heartbeat.py"

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


def python(script, *arguments, env):
    return run_python(RUNNING / script if script == HEARTBEAT else script, *arguments, env=env)


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
    outcome = python(HEARTBEAT, "TriggererJob", env=env)
    assert outcome.code == 0, outcome.output
    assert python(HEARTBEAT, "DagProcessorJob", env=env).code == 1


def test_a_dag_processor(env, register):
    register("DagProcessorJob", 5)
    assert python(HEARTBEAT, "DagProcessorJob", env=env).code == 0


def test_the_dag_processors_readiness_sends_gauges(env, register):
    register("DagProcessorJob", 5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as exporter:
        exporter.bind(("127.0.0.1", 0))
        exporter.settimeout(10)
        host, port = exporter.getsockname()
        env |= {"AIRFLOW__METRICS__STATSD_ON": "True"}
        env |= {"AIRFLOW__METRICS__STATSD_HOST": host, "AIRFLOW__METRICS__STATSD_PORT": str(port)}
        assert python(HEARTBEAT, "DagProcessorJob", env=env).code == 0
        name, _, value = exporter.recv(2000).decode().partition(":")
        assert (name, value.endswith("|g"), float(value.removesuffix("|g")) > 1e6) == (
            "airflow.database_size_bytes",
            True,
            True,
        )
        exporter.settimeout(0.1)
        for arguments in (("DagProcessorJob", "--liveness"), ("TriggererJob",)):
            python(HEARTBEAT, *arguments, env=env)
            with pytest.raises(TimeoutError):
                exporter.recv(2000)


def test_gauges_that_cannot_be_sent_are_not_the_probes_business(env, register):
    register("DagProcessorJob", 5)
    env |= {"AIRFLOW__METRICS__STATSD_ON": "True", "AIRFLOW__METRICS__STATSD_HOST": "no-such-host.invalid"}
    outcome = python(HEARTBEAT, "DagProcessorJob", env=env)
    assert (outcome.code, "last heartbeat" in outcome.output) == (0, True), outcome.output


def test_stopped_old_and_foreign_rows_do_not_count(env, register, migrated):
    for flag in ((), ("--liveness",)):
        outcome = python(HEARTBEAT, "TriggererJob", *flag, env=env)
        assert (outcome.code, "no running TriggererJob" in outcome.output) == (1, True)
    register("TriggererJob", 5, "success")
    register("TriggererJob", 45)
    outcome = python(HEARTBEAT, "TriggererJob", "--liveness", env=env)
    assert outcome.code == 1
    assert "allowed are 30 s" in outcome.output
    patient = env | {"AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "60"}
    assert python(HEARTBEAT, "TriggererJob", "--liveness", env=patient).code == 0
    migrated.execute("UPDATE job SET hostname = 'another-pod'")
    assert python(HEARTBEAT, "TriggererJob", env=patient).code == 1


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
                outcome = python(HEARTBEAT, "TriggererJob", *flag, env=env)
                assert (outcome.code, len(outcome.output.splitlines())) == (code, 1), outcome.output
                assert time.monotonic() - begun < 6


def test_before_the_first_migration(database, tmp_path):
    env = airflow_environment(tmp_path, database.url)
    assert python(HEARTBEAT, "TriggererJob", env=env).code == 1


def test_wrong_use(env):
    for arguments in ((), ("SchedulerJob",)):
        outcome = python(HEARTBEAT, *arguments, env=env)
        assert (outcome.code, "usage:" in outcome.output) == (64, True)


def test_it_is_cheap(env, register):
    register("TriggererJob", 1)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(5):
        assert python(HEARTBEAT, "TriggererJob", env=env).code == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 5 < 0.5

"""The statsd exporter with the chart's mapping: what Airflow sends becomes labelled metrics, and nothing else does."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing

import pytest

from airfleet.lab import companions
from airfleet.paths import project_root

MAPPING = project_root() / "chart/files/metrics/mapping.yaml"
SENT = """
airflow.scheduler_heartbeat:1|c
airflow.ti.finish,dag_id=etl,state=failed:1|c
airflow.dagrun.duration.success,dag_id=etl,run_type=manual:90000|ms
airflow.dagrun.etl.first_task_scheduling_delay,dag_id=etl:5|ms
airflow.task.scheduled_duration,dag_id=etl,queue=gpu:1500|ms
airflow.task.scheduled_duration,dag_id=other,queue=gpu:500|ms
airflow.executor.open_slots,status=open:31|g
airflow.kubernetes_executor.pod_creation_status,status=403:1|c
airflow.kubernetes_executor.pod_creation:40|ms
airflow.ti.running,dag_id=etl,task_id=load,queue=gpu:1|g
airflow.my_own_metric,user=ada:1|c
airflow.scheduler_heartbeat_of_mine:1|c
"""


def free_port(kind: socket.SocketKind) -> int:
    with closing(socket.socket(socket.AF_INET, kind)) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def scraped() -> Iterator[list[str]]:
    """The exporter's lines after it has got what is above."""
    udp, http = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    argv = [f"--statsd.mapping-config={MAPPING}", f"--statsd.listen-udp=127.0.0.1:{udp}", "--statsd.listen-tcp="]
    argv = [str(companions.program("statsd-exporter")), *argv, f"--web.listen-address=127.0.0.1:{http}"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(http, "statsd_exporter_build_info")
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
                for line in SENT.split():
                    client.sendto(line.encode(), ("127.0.0.1", udp))
            lines = len(SENT.split())
            wait_for(http, f"statsd_exporter_lines_total {lines}", events=lines)
            # One more look: within one, the exporter reads its counters in any order.
            yield wait_for(http, "airflow_")
        finally:
            process.terminate()


def wait_for(port: int, text: str, events: int = 0) -> list[str]:
    """Scrape until the text is there and so many events have been handled; the exporter does that a little later."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            lines = []
        handled = sum(
            float(line.split()[1]) for line in lines if line.startswith("statsd_exporter_events_actions_total")
        )
        if any(line.startswith(text) for line in lines) and handled >= events:
            return lines
        assert time.monotonic() < deadline, f"no {text!r} within 20 s"
        time.sleep(0.1)


@pytest.mark.parametrize(
    "line",
    [
        'airflow_scheduler_heartbeat_total{dag_id=""} 1',
        'airflow_ti_finish_total{dag_id="etl",state="failed"} 1',
        'airflow_dagrun_duration_seconds_sum{dag_id="etl",run_type="",state="success"} 90',
        'airflow_executor_open_slots{status="open"} 31',
        'airflow_kubernetes_executor_pod_creation_status_total{dag_id="",status="403"} 1',
        "airflow_kubernetes_executor_pod_creation_seconds_sum 0.04",
        # two DAGs, one series
        'airflow_task_scheduled_duration_seconds_count{dag_id="",queue="gpu",run_type=""} 2',
        'airflow_task_scheduled_duration_seconds_sum{dag_id="",queue="gpu",run_type=""} 2',
    ],
)
def test_a_metric_of_airflow_gets_labels(scraped: list[str], line: str) -> None:
    assert line in scraped


def test_what_is_not_listed_is_dropped(scraped: list[str]) -> None:
    names = {line.split("{")[0].split(" ")[0] for line in scraped if line.startswith("airflow")}
    assert not {name for name in names if "ti_running" in name or "mine" in name or "my_own" in name or "etl" in name}
    assert 'statsd_exporter_events_actions_total{action="drop"} 4' in scraped

"""A real API server on the loopback interface, with one DAG that our bundle brought into its database."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conftest import FERNET, Database, Outcome, airflow_environment, free_port, python


@dataclass(frozen=True)
class Airflow:
    """control: environment of the control plane's processes. worker: the same for tasks, without any secret."""

    database: Database
    control: dict[str, str]
    worker: dict[str, str]

    def python(self, script: str | Path, *arguments: str, **more: str) -> Outcome:
        return python(script, *arguments, env=self.control | more)

    def state(self, run_id: str) -> str:
        """The state of the only task of a run that was queued."""
        query = "SELECT state FROM task_instance WHERE run_id = %s AND state IS NOT NULL"
        return self.database.execute(query, run_id)[0][0]


@contextmanager
def control_plane(database: Database, home: Path) -> Iterator[Airflow]:
    """Started once its DAG is in the database, ready when the Execution API answers."""
    source = home / "mounted"
    source.mkdir()
    shutil.copy(Path(__file__).with_name("canary_dag.py"), source)
    port = free_port()
    bundle = {"name": "mounted", "classpath": "airfleet_bundle.MountedDagBundle", "kwargs": {"source": str(source)}}
    common = {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
    }
    control = airflow_environment(home, database.url, **common) | {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRFLOW__CORE__FERNET_KEY": FERNET,
        "AIRFLOW__API__SECRET_KEY": "canary-api-secret-key",
        "AIRFLOW__API_AUTH__JWT_SECRET": "canary-jwt-secret-of-the-control-plane-64-bytes-long-" * 2,
    }
    worker = airflow_environment(Path("/nonexistent"), **common)
    airflow = [sys.executable, "-m", "airflow"]
    subprocess.run([*airflow, "dags", "reserialize"], env=control, check=True, timeout=120, capture_output=True)
    log = home / "api-server.log"
    with log.open("w") as out:
        command = [*airflow, "api-server", "--port", str(port), "--host", "127.0.0.1"]
        server = subprocess.Popen(command, env=control, stdout=out, stderr=out, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not answers(f"http://127.0.0.1:{port}/execution/health"):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield Airflow(database, control, worker)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310
            return True
    except OSError:
        return False

"""The boot files against the real Airflow; run with the image's Python: `airfleet image venv` prints its path."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
# The variable names another copy of the files, such as the one in an image.
BOOT = Path(os.environ.get("AIRFLEET_BOOT_FILES", PROJECT / "chart" / "files" / "boot"))
RUNNING = PROJECT / "chart" / "files" / "running"
MOUNTED = [str(folder) for folder in (BOOT, RUNNING)]  # the chart mounts them as one
sys.path[:0] = [*MOUNTED, str(PROJECT / "scripts"), str(Path(__file__).parent)]
sys.dont_write_bytecode = True  # the chart's folder holds nothing but what it ships

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
_numbers = count()


def airflow_environment(home: Path, url: str = "", **more: str) -> dict[str, str]:
    """What a component of the chart gets, without anything of this process's environment."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": ":".join(MOUNTED),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AIRFLOW__CORE__AUTH_MANAGER": FAB,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    if url:
        environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = url
    return environment | more


def mounted(root: Path) -> Path:
    """The boot ConfigMap as the kubelet mounts it with the chart's `items`: links through ..data."""
    data = root / "..2026_1"
    (data / "airfleet_boot-1.dist-info").mkdir(parents=True)
    for file in (path for folder in MOUNTED for path in Path(folder).iterdir()):
        if file.is_file():
            shutil.copy(file, data / file.name.replace("airfleet_boot.", "airfleet_boot-1.dist-info/"))
    (root / "..data").symlink_to(data.name)
    for entry in data.iterdir():
        (root / entry.name).symlink_to(f"..data/{entry.name}")
    return root


@dataclass(frozen=True)
class Outcome:
    code: int
    output: str  # stdout and stderr


def python(script: str | Path, *arguments: str, env: dict[str, str], timeout: float = 180) -> Outcome:
    """Run a boot file (by its name) or any script with the image's Python; it leaves no process behind."""
    with tempfile.TemporaryFile("w+") as output:
        command = [sys.executable, str(BOOT / script), *arguments]
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
        try:
            code = process.wait(timeout)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return Outcome(code, output.read())


@dataclass
class Database:
    """One database of the test server."""

    name: str
    host: str
    port: int
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"postgresql+psycopg2://postgres@{self.host}:{self.port}/{self.name}"

    def connect(self):
        import psycopg2

        connection = psycopg2.connect(host=self.host, port=self.port, dbname=self.name, user="postgres")
        connection.autocommit = True
        return connection

    def execute(self, statement: str, *values: object) -> list[tuple]:
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def server():
    from airfleet.image import postgres_server

    with postgres_server() as running:
        yield Database("postgres", running.host, running.port)


@pytest.fixture(scope="session")
def new_database(server: Database) -> Callable[..., Database]:
    """Makes databases: empty ones, or copies of another."""

    def make(template: Database | None = None) -> Database:
        name = f"test_{next(_numbers)}"
        server.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template.name}"' if template else ""))
        return Database(name, server.host, server.port)

    return make


@pytest.fixture
def database(new_database) -> Database:
    return new_database()


@pytest.fixture(scope="session")
def migrated_template(new_database, tmp_path_factory) -> Database:
    """A database that the bootstrap has migrated once, with roles and the Fernet key FERNET."""
    made = new_database()
    env = airflow_environment(tmp_path_factory.mktemp("home"), made.url, AIRFLOW__CORE__FERNET_KEY=FERNET)
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 0, outcome.output
    return made


@pytest.fixture
def migrated(new_database, migrated_template) -> Database:
    return new_database(migrated_template)


FERNET = "Y2FuYXJ5LWZlcm5ldC1rZXktbm8tMS0zMi1ieXRlcyE="
OTHER_FERNET = "Y2FuYXJ5LWZlcm5ldC1rZXktbm8tMi0zMi1ieXRlcyE="


@pytest.fixture
def api(tmp_path) -> Iterator:
    from kubernetes_api import kubernetes_api

    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    with kubernetes_api(folder) as running:
        yield running


@pytest.fixture
def wanted(api) -> Callable[..., dict[str, str]]:
    """Environment of the bootstrap Job with three Secrets; `create` of each can be overridden, None leaves one out."""

    def make(database: Database, /, **create: bool | None) -> dict[str, str]:
        entries = [
            {"kind": "database", "name": "af-database", "host": database.host, "port": database.port}
            | {"database": database.name, "username": "postgres"},
            {"kind": "keys", "name": "af-keys"},
            {"kind": "admin", "name": "af-admin", "username": "ada"},
        ]
        chosen = [
            entry | {"create": create.get(entry["kind"], True)}
            for entry in entries
            if create.get(entry["kind"], True) is not None
        ]
        return {
            **api.environment(),
            "AIRFLEET_RELEASE": "af",
            "AIRFLEET_CREATE_SECRETS": json.dumps(chosen),
            "HOSTNAME": "af-bootstrap-1a2b3c4d-x7k2p",
        }

    return make


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")


@pytest.fixture(scope="session")
def airflow(new_database, migrated_template, tmp_path_factory) -> Iterator:
    """A running control plane; see control_plane.py."""
    from control_plane import control_plane

    with control_plane(new_database(migrated_template), tmp_path_factory.mktemp("control")) as running:
        yield running


@pytest.fixture
def queue(airflow) -> Callable[[str], tuple[str, str]]:
    """Queues one task and gives (workload, run id)."""

    def make(task_id: str) -> tuple[str, str]:
        run_id = f"run-{time.monotonic_ns()}"
        outcome = airflow.python(Path(__file__).with_name("queue_task.py"), "canary", task_id, run_id)
        assert outcome.code == 0, outcome.output
        return outcome.output.strip().splitlines()[-1], run_id

    return make


@pytest.fixture
def place(tmp_path) -> dict[str, str]:
    """A worker's writable places, open to any uid."""
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o777)
    return {"TMPDIR": str(tmp_path), "CANARY_FILE": str(tmp_path / "canary")} | {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(tmp_path / "bundles"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(tmp_path / "logs"),
        "AIRFLOW_HOME": str(tmp_path),
    }

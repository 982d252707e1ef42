"""DAGs that look around from inside a task's pod, for the live tests."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path

from airflow.sdk import Connection, Variable, dag, get_current_context, task

SKIPPED = {"/proc", "/sys"}
MIB = 1 << 20


def conf() -> dict:
    return get_current_context()["dag_run"].conf or {}


def readable_files():
    """Every file that this user can read, outside /proc and /sys."""
    for folder, folders, names in os.walk("/"):
        folders[:] = [f for f in folders if str(Path(folder, f)) not in SKIPPED]
        for name in names:
            path = Path(folder, name)
            if path.is_file() and os.access(path, os.R_OK):
                yield path


def environments():
    """Every environment that /proc shows to this user."""
    yield from (path for path in Path("/proc").glob("[0-9]*/environ") if os.access(path, os.R_OK))


def holds(path: Path, pattern: re.Pattern[bytes]) -> bool:
    try:
        with path.open("rb") as file:
            tail = b""
            while block := file.read(4 * MIB):
                if pattern.search(tail + block):
                    return True
                tail = block[-256:]
    except OSError:
        return False
    return False


def connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


@dag(schedule=None)
def look_for_secrets():
    @task
    def search() -> dict:
        # The values come reversed, so that this run's own input is not what is found.
        canaries = [text[::-1].encode() for text in conf()["reversed"]]
        pattern = re.compile(b"|".join(map(re.escape, canaries)))
        files, processes = list(readable_files()), list(environments())
        found = [str(path) for path in [*files, *processes] if holds(path, pattern)]
        return {"files": len(files), "environments": len(processes), "found": found, "uid": os.getuid()}

    @task
    def reach() -> dict:
        targets = conf()["targets"]
        return {
            "connects": {f"{host}:{port}": connects(host, port) for host, port in targets},
            "service_account": Path("/var/run/secrets/kubernetes.io/serviceaccount").exists(),
            "root_is_writable": _writes("/home/airflow"),
        }

    search()
    reach()


def _writes(folder: str) -> bool:
    try:
        Path(folder, "probe").touch()
    except OSError:
        return False
    return True


@dag(schedule=None)
def sleep():
    @task
    def nap() -> str:
        seconds = conf().get("seconds", 60)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(1)
        return f"slept {seconds} s in {socket.gethostname()}"

    nap()


@dag(schedule=None)
def shout():
    """Writes a line that a test looks for in the log."""

    @task
    def say() -> str:
        print(f"the word is {conf()['word']}")
        return socket.gethostname()

    say()


@dag(schedule=None)
def read_connection():
    @task
    def read() -> str:
        return Connection.get(conf()["connection"]).password

    read()


@dag(schedule=None)
def hold():
    """Runs until the variable `release` says go, and reads an encrypted connection all the while."""

    @task
    def wait() -> int:
        reads = 0
        while Variable.get("release", default="") != "go":
            assert Connection.get(conf()["connection"]).password == conf()["reversed"][::-1]
            reads += 1
            time.sleep(1)
        return reads

    wait()


hold()
look_for_secrets()
sleep()
shout()
read_connection()

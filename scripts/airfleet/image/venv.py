"""A virtual environment with exactly the packages of the Airflow image, for tests outside a container."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from airfleet import console
from airfleet.image.pip import uv, uv_environment
from airfleet.machine import locked
from airfleet.paths import cache_dir, project_root
from airfleet.process import run

PYTHON = "3.11"  # the image's, and the one its lock was resolved for
LOCKS = ("requirements.lock", "requirements-test.lock")


def venv() -> Path:
    """The Python of a virtual environment with the image's locked packages and pytest; made when asked for first.

    It is kept in the cache under the digest of both locks. Needs Python 3.11, which uv downloads where it may.
    """
    locks = [project_root() / "scripts" / "image" / name for name in LOCKS]
    digest = hashlib.sha256(b"\0".join(lock.read_bytes() for lock in locks)).hexdigest()[:16]
    place = cache_dir() / "venvs" / digest
    python = place / "bin" / "python"
    finished = place / "airfleet-finished"
    with locked(place.with_suffix(".lock")):
        if finished.exists() and python.exists():
            return python
        shutil.rmtree(place, ignore_errors=True)
        try:
            _make(place, locks)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        finished.touch()
    return python


def _make(place: Path, locks: list[Path]) -> None:
    environment = uv_environment()
    interpreter = sys.executable if sys.version_info[:2] == (3, 11) else PYTHON
    with console.step("a Python with the Airflow image's packages, for tests"):
        run([uv(), "venv", "--quiet", "--python", interpreter, place], env=environment)
        # One call per lock: the second is resolved on top of the first, so it cannot move the image's versions.
        for lock in locks:
            install = [str(uv()), "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:"]
            run([*install, "--python", str(place / "bin" / "python"), "--requirements", str(lock)], env=environment)

"""A virtual environment with exactly the packages of the Airflow image, for tests outside a container."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Sequence
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

    Needs Python 3.11, which uv downloads where it may.
    """
    locks = [project_root() / "scripts" / "image" / name for name in LOCKS]
    return locked_venv(locks, "a Python with the Airflow image's packages, for tests")


def locked_venv(locks: Sequence[Path], what: str) -> Path:
    """The Python of a virtual environment with what these locks list, kept in the cache under their digest.

    `what` says what it is for, while it is made. The second lock is resolved on top of the first, so it can't move the
    first one's versions.
    """
    digest = hashlib.sha256(b"\0".join(lock.read_bytes() for lock in locks)).hexdigest()[:16]
    place = cache_dir() / "venvs" / digest
    python = place / "bin" / "python"
    finished = place / "airfleet-finished"
    with locked(place.with_suffix(".lock")):
        if finished.exists() and python.exists():
            return python
        shutil.rmtree(place, ignore_errors=True)
        try:
            with console.step(what):
                _make(place, locks)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        finished.touch()
    return python


def _make(place: Path, locks: Sequence[Path]) -> None:
    environment = uv_environment()
    interpreter = sys.executable if sys.version_info[:2] == (3, 11) else PYTHON
    run([uv(), "venv", "--quiet", "--python", interpreter, place], env=environment)
    for lock in locks:  # with bytecode: otherwise every process would compile Airflow anew
        install = [str(uv()), "pip", "install", "--quiet", "--compile-bytecode", "--require-hashes"]
        install += ["--only-binary", ":all:"]
        run([*install, "--python", str(place / "bin" / "python"), "--requirements", str(lock)], env=environment)

"""What airfleet needs of the machine it runs on: commands and files that Debian packages bring."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from airfleet import console
from airfleet.errors import AirfleetError
from airfleet.process import run


def is_root() -> bool:
    """Whether this process may do what only root may."""
    return os.geteuid() == 0


def missing(wanted: Mapping[str, str]) -> dict[str, str]:
    """Those entries of {command or absolute path: Debian package} that this machine lacks."""
    return {name: package for name, package in wanted.items() if not _present(name)}


def ensure_commands(wanted: Mapping[str, str]) -> None:
    """Make every command (or file, named by its absolute path) of {name: Debian package} available.

    On Debian or Ubuntu, root gets the packages of missing ones installed by apt-get, and is told so.
    Raises AirfleetError naming all that is missing where that is not possible or did not help.
    """
    lacking = missing(wanted)
    if not lacking:
        return
    packages = sorted(set(lacking.values()))
    by_hand = f"apt-get install {' '.join(packages)}"
    if not is_root() or shutil.which("apt-get") is None:
        raise AirfleetError(f"this machine lacks {', '.join(lacking)}", fix=f"as root: {by_hand}")
    with console.step(f"{by_hand} (for {', '.join(lacking)})"):
        _apt_install(packages)
    if still := missing(lacking):
        raise AirfleetError(f"{', '.join(still)} is still missing after {by_hand}", fix="install it and try again")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, made if need be; waits while another process holds it, and says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.say(f"  waiting for another airfleet that holds {path}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _present(name: str) -> bool:
    return Path(name).exists() if name.startswith("/") else shutil.which(name) is not None


def _apt_install(packages: list[str]) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    if run(install, env=quiet, check=False).code == 0:
        return
    # Package lists may be absent (slim images) or stale. A broken source of some other product must not stop us:
    # whether the update was good enough is for the second installation to tell.
    run(["apt-get", "update", "--quiet"], env=quiet, check=False)
    done = run(install, env=quiet, check=False)
    if done.code != 0:
        raise AirfleetError(
            f"apt-get could not install {', '.join(packages)}",
            why=(done.stderr or done.stdout)[-2000:],
            fix="install these packages by hand, or mend the machine's apt sources",
        )

"""PostgreSQL on this machine for tests outside a container: its programs, and a server that lives as long as a test."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from airfleet import console
from airfleet.errors import AirfleetError
from airfleet.machine import ensure_commands, is_root, locked
from airfleet.paths import cache_dir
from airfleet.process import Completed, run

_NOBODY = "65534"  # PostgreSQL refuses to run as root


@dataclass(frozen=True)
class PostgresPrograms:
    """Where initdb, pg_ctl, postgres and psql are, and the variables that they need to find their libraries."""

    bin: Path
    env: dict[str, str]


@dataclass(frozen=True)
class PostgresServer:
    """A server on the loopback interface. Every connection is trusted: for tests only."""

    host: str
    port: int
    user: str = "postgres"
    database: str = "postgres"

    def url(self, database: str | None = None, driver: str = "postgresql") -> str:
        """The connection as SQLAlchemy and libpq write it."""
        return f"{driver}://{self.user}@{self.host}:{self.port}/{database or self.database}"


def postgres_programs() -> PostgresPrograms:
    """PostgreSQL's programs: the machine's own if it has some, else Debian's packages unpacked into the cache.

    Nothing is installed and no service is started. Raises AirfleetError where neither is possible.
    """
    if installed := _newest(Path("/")):
        return PostgresPrograms(installed, {})
    with locked(_unpacked().with_suffix(".lock")):
        if not (_unpacked() / "airfleet-finished").exists():
            _unpack(_unpacked())
    return _in(_unpacked())


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A fresh PostgreSQL server on 127.0.0.1 at a free port, gone at the end with all its data."""
    home = Path(tempfile.mkdtemp(prefix="airfleet-postgres-"))
    try:
        programs, as_user = _usable_in(home)

        def program(name: str, *arguments: str) -> Completed:
            argv = [*as_user, str(programs.bin / name), *arguments]
            return run(argv, env=programs.env or None, cwd=home, timeout=120)

        data = str(home / "data")
        server = PostgresServer("127.0.0.1", _free_port())
        program("initdb", "-D", data, "-U", server.user, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        # Data that is thrown away need not survive a power cut.
        settings = f"-p {server.port} -k {home} -c listen_addresses={server.host} -c fsync=off -c full_page_writes=off"
        program("pg_ctl", "-D", data, "-l", str(home / "log"), "-o", settings, "-w", "start")
        try:
            yield server
        finally:
            program("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _usable_in(home: Path) -> tuple[PostgresPrograms, list[str]]:
    """Programs for a server in the directory home, and what to put before a command so that it does not run as root."""
    programs = postgres_programs()
    if not is_root():
        return programs, []
    os.chown(home, int(_NOBODY), int(_NOBODY))
    if programs.env:
        # The cache is in root's home, as a rule, which nobody else may enter.
        shutil.copytree(_unpacked(), home / "programs", symlinks=True)
        programs = _in(home / "programs")
    return programs, ["setpriv", "--reuid", _NOBODY, "--regid", _NOBODY, "--clear-groups", "--"]


def _unpacked() -> Path:
    return cache_dir() / "postgres-programs"


def _in(root: Path) -> PostgresPrograms:
    """The programs of packages that were unpacked at root."""
    found = _newest(root)
    if found is None:
        raise AirfleetError("PostgreSQL's package holds no programs", where=str(root), fix=f"delete {root}, try again")
    libraries = sorted({str(path.parent) for path in root.glob("usr/lib/*/*.so.*")})
    return PostgresPrograms(found, {"LD_LIBRARY_PATH": ":".join(libraries)})


def _newest(root: Path) -> Path | None:
    versions = {
        int(match[1]): path.parent
        for path in root.glob("usr/lib/postgresql/*/bin/initdb")
        if (match := re.search(r"/postgresql/(\d+)/bin", str(path))) and (path.parent / "postgres").is_file()
    }
    return versions[max(versions)] if versions else None


def _unpack(root: Path) -> None:
    """Fetch the postgresql package with those of its dependencies that the machine lacks, and unpack them into root."""
    ensure_commands({"apt-get": "apt", "dpkg": "dpkg"})
    shutil.rmtree(root, ignore_errors=True)
    archives = root / "archives"
    (archives / "partial").mkdir(parents=True)
    with console.step("PostgreSQL's programs, for tests"):
        fetch = ["apt-get", "install", "--download-only", "--yes", "--quiet", "--no-install-recommends"]
        into = ["-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"]
        run([*fetch, *into, "postgresql"])
        for package in sorted(archives.glob("*.deb")):
            run(["dpkg", "-x", str(package), str(root)])
        shutil.rmtree(archives)
    (root / "airfleet-finished").touch()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

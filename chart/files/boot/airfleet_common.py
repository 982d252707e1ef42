"""What the boot programs share: errors, Airflow's configuration, and the state of its database.
Nothing here imports Airflow, which costs a second of CPU: installed files and one query answer most of it."""

import configparser
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import airfleet_database

_STARTED = time.monotonic()
# The first process of a container ignores every signal that it has no handler for.
signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))


class BootError(Exception):
    """An expected failure, told as what, where, why and fix; code is the exit code of the program."""

    code = 78  # sysexits.h EX_CONFIG: trying again cannot help, somebody has to change something

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what)
        lines = (("where", where), ("why", why), ("fix", fix))
        self.text = "\n".join([f"error: {what}", *(f"  {label + ':':<7}{line}" for label, line in lines if line)])


class GaveUpError(BootError):
    """What is needed was not there in time; trying again may help."""

    code = 75  # sysexits.h EX_TEMPFAIL


class LaterError(GaveUpError):
    """What is needed is not there now; waiting may help."""


def say(message: str) -> None:
    """One plain line on stdout, with the seconds since the program started."""
    print(f"{time.monotonic() - _STARTED:8.1f} s  {message}", flush=True)


def again() -> str:
    """How to run this Job once more; its name is the pod's without the suffix."""
    job = os.environ.get("HOSTNAME", "").rpartition("-")[0] or "this Job"
    return f"delete Job {job} and run the same `helm upgrade` again"


class Patience:
    """Says why a program waits, when the reason changes and twice a minute; gives up after AIRFLEET_WAIT_SECONDS."""

    def __init__(self, default: float) -> None:
        self._limit = float(os.environ.get("AIRFLEET_WAIT_SECONDS") or default)  # seconds, 0 means none
        self._begun, self._told, self._told_at = time.monotonic(), "", 0.0

    def wait(self, reason: str) -> None:
        """Sleep for a second, or raise BootError when the limit has passed."""
        now = time.monotonic()
        if self._limit and now - self._begun > self._limit:
            raise GaveUpError(f"gave up {reason}", why=f"{self._limit:.0f} s have passed (AIRFLEET_WAIT_SECONDS)")
        if reason != self._told or now - self._told_at > 30:
            say(reason)
            self._told, self._told_at = reason, now
        time.sleep(1)


def option(section: str, key: str, default: str = "") -> str:
    """An option of Airflow, looked up as airflow/_shared/configuration/parser.py of 3.3.2 does, without backends."""
    name = f"AIRFLOW__{section}__{key}".upper()
    if name in os.environ:
        return os.environ[name]
    if command := os.environ.get(f"{name}_CMD"):
        return _output(command)
    # No interpolation: a password may hold a percent sign, which Airflow's own file doubles.
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read(os.environ.get("AIRFLOW_CONFIG") or f"{os.environ.get('AIRFLOW_HOME', '/opt/airflow')}/airflow.cfg")
    if parser.has_option(section, key):
        return parser.get(section, key).replace("%%", "%")
    if parser.has_option(section, f"{key}_cmd"):
        return _output(parser.get(section, f"{key}_cmd"))
    return default


def _output(command: str) -> str:
    words = shlex.split(command)
    try:
        if len(words) == 2 and words[0] == "cat":  # by far the usual one, not worth a process
            return Path(words[1]).read_text().strip()
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise LaterError(f"{command}: {(getattr(error, 'stderr', '') or str(error)).strip()}") from None


def uses_fab() -> bool:
    """Whether users and roles live in Flask-AppBuilder's tables."""
    return option("core", "auth_manager").endswith("FabAuthManager")


def parts_of(base: str | dict | None) -> dict:
    """airfleet_database's parts of a URL, a Secret's data or Airflow's own connection; its errors as ours."""
    base = option("database", "sql_alchemy_conn") if base is None else base
    fix = "use postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with @ / : ? # % of user and password percent-encoded"
    try:
        return airfleet_database.split(base) if isinstance(base, str) else airfleet_database.read(base)
    except ValueError as error:
        raise BootError(str(error), fix=f"{fix}; or set database.host, and the password may be anything") from None
    except OSError as error:
        raise LaterError(str(error)) from None


def connect(url: str | None = None, timeout: int = 5):
    """An autocommit connection, by default Airflow's own; LaterError for whatever a server says, never a password."""
    import psycopg2

    found = parts_of(url)
    parts = {"dbname" if part == "name" else part: found[part] for part in airfleet_database.PARTS if found[part]}
    try:
        connection = psycopg2.connect(**{"connect_timeout": timeout, "keepalives_idle": 30} | parts | found["options"])
    except (psycopg2.Error, UnicodeError) as error:
        reason = " ".join(str(error).split()).replace("connection to server at ", "")
        if not isinstance(error, psycopg2.OperationalError) or "connection option" in reason:
            raise BootError(f"the database connection cannot be used: {reason}") from None
        raise LaterError(f"cannot connect to the database: {reason}") from None
    connection.autocommit = True
    return connection


@dataclass(frozen=True)
class Tables:
    """A set of tables with its own line of Alembic revisions."""

    name: str
    version_table: str
    versions: str  # folder of the migration files, under a directory of sys.path
    distribution: str

    def revisions(self) -> tuple[set[str], set[str]]:
        """(heads, all revisions) of the installed package, read from its files without importing them."""
        known: set[str] = set()
        parents: set[str] = set()
        for entry in sys.path:
            for file in Path(entry, self.versions).glob("*.py"):
                text = file.read_text(encoding="utf-8")
                for found, name in ((known, "revision"), (parents, "down_revision")):
                    if value := re.search(rf"^{name}\b[^=\n]*=\s*(\([^)]*\)|.+)$", text, re.MULTILINE):
                        found.update(re.findall(r"[\"']([^\"']+)[\"']", value[1]))
        if not known:
            fix = f"use an image that holds {self.distribution}"
            raise BootError(f"no migrations of {self.name} are installed", where=self.versions, fix=fix)
        return known - parents, known

    def pending(self, cursor) -> str:
        """What is to be migrated, in words, or nothing. Raises BootError for a revision that the package lacks."""
        heads, known = self.revisions()
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [self.version_table])
        current: set[str] = set()
        if cursor.fetchone()[0]:
            cursor.execute(f'SELECT version_num FROM "{self.version_table}"')  # noqa: S608
            current = {row[0] for row in cursor.fetchall()}
        at, wanted = (", ".join(sorted(revisions)) for revisions in (current, heads))
        if current <= known:
            return "" if current == heads else f"{self.name} tables: {at or 'none'} -> {wanted}"
        cursor.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [AIRFLOW.version_table])
        by = dict(word.split("==") for word in (cursor.fetchone()[0] or "").split() if "==" in word)
        before, own = by.get(self.distribution, ""), metadata.version(self.distribution)
        newer = [int(n) for n in re.findall(r"\d+", before)] > [int(n) for n in re.findall(r"\d+", own)]
        what = f"the database is at revision {at} of {self.name}'s tables, unknown to {self.distribution} {own}"
        why = f"{self.distribution} {before} has migrated it" if newer else "it is a newer one, or not of this software"
        tool = "airflow db downgrade" if self is AIRFLOW else "airflow fab-db downgrade"
        fix = f"use the image that migrated it, or run `{tool} --to-revision {wanted}` from that image first"
        raise BootError("the database is newer: " * newer + what, where=self.version_table, why=why, fix=fix)


AIRFLOW = Tables("Airflow", "alembic_version", "airflow/migrations/versions", "apache-airflow-core")
FAB = Tables("FAB", "alembic_version_fab", "airflow/providers/fab/migrations/versions", "apache-airflow-providers-fab")


def note_versions(connection) -> None:
    """Leave for a later, older image which versions have migrated; Alembic's revisions do not tell which is newer."""
    noted = " ".join(f"{tables.distribution}=={metadata.version(tables.distribution)}" for tables in (AIRFLOW, FAB))
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON TABLE {AIRFLOW.version_table} IS %s", [noted])


def unfinished(connection) -> str:
    """What this configuration needs to be migrated, or nothing. Raises BootError if the database is newer."""
    with connection.cursor() as cursor:
        found = [tables.pending(cursor) for tables in ((AIRFLOW, FAB) if uses_fab() else (AIRFLOW,))]
    return "; ".join(filter(None, found))

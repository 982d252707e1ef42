"""What the boot programs share: errors, Airflow's configuration, and the state of its database.

Nothing here imports Airflow: `import airflow` costs about a second of CPU, and most of what these programs are asked
can be answered by the files of the installed packages and one query.
"""

from __future__ import annotations

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

FATAL = 78  # sysexits.h EX_CONFIG: trying again cannot help, somebody has to change something
RETRY = 75  # sysexits.h EX_TEMPFAIL: trying again may help
_STARTED = time.monotonic()
# The first process of a container ignores every signal that it has no handler for.
signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))


class BootError(Exception):
    """An expected failure, told as what, where, why and fix; code is the exit code of the program."""

    code = FATAL

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what)
        lines = (("where", where), ("why", why), ("fix", fix))
        self.text = "\n".join([f"error: {what}", *(f"  {label + ':':<7}{line}" for label, line in lines if line)])


class LaterError(BootError):
    """What is needed is not there now; waiting may help."""

    code = RETRY


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
        """Sleep for a second, or raise BootError (RETRY) when the limit has passed."""
        now = time.monotonic()
        if self._limit and now - self._begun > self._limit:
            error = BootError(f"gave up {reason}", why=f"{self._limit:.0f} s have passed (AIRFLEET_WAIT_SECONDS)")
            error.code = RETRY
            raise error
        if reason != self._told or now - self._told_at > 30:
            say(reason)
            self._told, self._told_at = reason, now
        time.sleep(1)


def option(section: str, key: str, default: str = "") -> str:
    """An option of Airflow, looked up as Airflow does: environment, environment `_CMD`, airflow.cfg, its `key_cmd`."""
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
    if len(words) == 2 and words[0] == "cat":  # by far the usual one, not worth a process
        return Path(words[1]).read_text().strip()
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def uses_fab() -> bool:
    """Whether users and roles live in Flask-AppBuilder's tables."""
    return option("core", "auth_manager").endswith("FabAuthManager")


def connection_url() -> str:
    """The database connection that Airflow is configured with."""
    if url := option("database", "sql_alchemy_conn"):
        return url
    raise BootError("no database connection is configured", fix="set AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD")


def connect(url: str, timeout: int = 5, **settings: object):
    """An autocommit psycopg2 connection: it must never hold a transaction open while somebody migrates.

    Raises LaterError for whatever the server or the network says. No error's text holds a piece of the password.
    """
    import psycopg2

    scheme, _, rest = url.partition("://")
    if not rest or scheme.split("+")[0] not in ("postgresql", "postgres"):
        fix = "use postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        raise BootError("the database connection is not a URL of PostgreSQL", fix=fix)
    fix = "percent-encode special characters of user and password: @ is %40, / is %2F, : is %3A, # is %23, % is %25"
    broken = BootError("the database connection cannot be parsed", fix=fix)
    authority, *tail = re.split("[/?]", rest, maxsplit=1)
    if authority.count("@") > 1 or "@" in "".join(tail):
        raise broken  # libpq would take a piece of the password for the host, and name it in its error
    try:
        connection = psycopg2.connect(f"postgresql://{rest}", connect_timeout=timeout, keepalives_idle=30, **settings)
    except (psycopg2.Error, UnicodeError) as error:
        reason = " ".join(str(error).split()).replace("connection to server at ", "")
        if not isinstance(error, psycopg2.OperationalError) or "connection option" in reason:
            raise broken from None  # the text quotes what libpq stumbled over
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
        package = f"{self.distribution} {metadata.version(self.distribution)}"
        what = f"the database is at revision {at} of {self.name}'s tables, which {package} does not know"
        why = "a newer version has migrated it (or one older than 2.6.2, or not Airflow); nothing was changed"
        tool = "airflow db downgrade" if self is AIRFLOW else "airflow fab-db downgrade"
        fix = f"use the image that migrated it, or run `{tool} --to-revision {wanted}` from that image first"
        raise BootError(what, where=f"table {self.version_table}", why=why, fix=fix)


AIRFLOW = Tables("Airflow", "alembic_version", "airflow/migrations/versions", "apache-airflow-core")
FAB = Tables("FAB", "alembic_version_fab", "airflow/providers/fab/migrations/versions", "apache-airflow-providers-fab")


def unfinished(connection) -> str:
    """What this configuration needs to be migrated, or nothing. Raises BootError if the database is newer."""
    with connection.cursor() as cursor:
        found = [tables.pending(cursor) for tables in ((AIRFLOW, FAB) if uses_fab() else (AIRFLOW,))]
    return "; ".join(filter(None, found))

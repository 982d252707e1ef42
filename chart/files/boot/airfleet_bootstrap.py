"""The bootstrap Job: Secrets, database schema and first user. Doing it again changes nothing and costs little.
Environment and exit codes: docs/reference/boot-files.md. The database connection must be direct: the advisory lock is
useless through a transaction pooler."""

import contextlib
import functools
import hashlib
import json
import logging
import os
import sys
import time
import traceback
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from secrets import token_urlsafe
from urllib.parse import quote

import airfleet_common as common
import airfleet_database
from airfleet_common import BootError, LaterError, Patience, again, say
from airfleet_fernet import check_key, encrypted_samples, refuse_to_mint
from airfleet_kubernetes import Secrets

_KEYS = ("fernet-key", "api-secret-key", "jwt-secret")
KEYS = {"database": ("connection",), "keys": _KEYS, "admin": ("username", "password")}
_LOCK = 0x61697266  # any number that Airflow's own locks (airflow.utils.db.DBLocks) do not use
_PUBLIC = ("username", "host", "port", "name", "user")
_hidden: set[str] = set()  # secrets, never to be printed


@dataclass(frozen=True)
class Wanted:
    """One entry of AIRFLEET_CREATE_SECRETS."""

    kind: str
    name: str
    create: bool = False
    host: str = ""
    port: int = 5432
    database: str = "airflow"
    username: str = "airflow"
    email: str = ""
    keys: dict[str, str] = field(default_factory=dict)

    def mint(self) -> dict[str, str]:
        """Fresh values. All are URL-safe, so they can stand in a connection as they are."""
        if self.kind == "keys":  # the first as cryptography's Fernet.generate_key() makes it
            fresh = (urlsafe_b64encode(os.urandom(32)).decode(), token_urlsafe(32), token_urlsafe(64))
            since = {f"{key}-since": f"{time.time():.0f}" for key in _KEYS}
            return dict(zip(_KEYS, fresh, strict=True)) | since
        values = {"username": self.username, "password": token_urlsafe(24)}
        if self.kind == "admin":
            return values
        values |= {"host": self.host, "port": str(self.port), "database": self.database}
        connection = "postgresql+psycopg2://{username}:{password}@{host}:{port}/{database}".format(**values)
        return values | {"connection": connection}


def wanted_secrets(text: str) -> dict[str, Wanted]:
    """AIRFLEET_CREATE_SECRETS by kind."""
    try:
        found = [Wanted(**entry) for entry in json.loads(text or "[]")]
        return {entry.kind: entry for entry in found if KEYS[entry.kind]}
    except (ValueError, TypeError, KeyError) as error:
        raise BootError("AIRFLEET_CREATE_SECRETS is wrong", why=repr(error), fix="see airfleet_bootstrap.py") from None


def ensure_secret(
    wanted: Wanted, api: Secrets, patience: Patience, may_mint: Callable = lambda: None
) -> dict[str, str]:
    """A Secret's values. It is made if told to and if may_mint() agrees, or waited for, and never changed."""
    name = f"Secret {api.namespace}/{wanted.name}"
    while True:
        try:
            if (data := api.get(wanted.name)) is not None:
                break
            if not wanted.create:
                raise LaterError(f"no {name} yet (key {', '.join(wanted.keys.values() or KEYS[wanted.kind])})")
            may_mint()
            if api.create(wanted.name, fresh := wanted.mint()):
                say(f"created {name} ({', '.join(fresh)})")
        except LaterError as error:
            patience.wait(f"waiting: {error}")
    names = wanted.keys or {key: key for key in KEYS[wanted.kind]}
    if missing := [key for key in names.values() if not data.get(key)]:
        why = f"it holds {', '.join(sorted(data)) or 'nothing'}; a Secret that exists is never changed"
        raise BootError(f"{name} lacks the key {', '.join(missing)}", why=why, fix=f"add the key, then {again()}")
    _hidden.update(data[name] for key, name in names.items() if key not in _PUBLIC)
    return {key: data[name] for key, name in names.items()}


@contextlib.contextmanager
def locked(connection, patience: Patience) -> Iterator[None]:
    """Hold the advisory lock. It goes with the connection, so a killed pod cannot leave it behind."""
    with connection.cursor() as cursor:
        while cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]) or not cursor.fetchone()[0]:
            patience.wait("waiting for another bootstrap that holds the lock")
        yield


def migrate() -> None:
    """Move the tables forward in process: `airflow db migrate`, then `airflow fab-db migrate`."""
    from airflow.providers_manager import ProvidersManager
    from airflow.utils import db

    ProvidersManager().initialize_providers_configuration()
    try:
        db.upgradedb()  # runs the providers' managers as well, FAB's among them, but only those it can find
        if common.uses_fab():
            from airflow.providers.fab.auth_manager.models.db import FABDBManager
            from airflow.settings import Session

            FABDBManager(Session()).upgradedb()
    except SystemExit as error:  # upgradedb() calls exit(1) on data that it cannot migrate, after logging what it is
        raise BootError("Airflow refuses to migrate this database", why="see the errors above") from error


def roles_fingerprint() -> str:
    """What FAB's roles and permissions follow from: package versions and configuration."""
    names = ("apache-airflow-core", "apache-airflow-providers-fab", "flask-appbuilder")
    parts = [*map(metadata.version, names), common.option("fab", "custom_roles")]
    return "airfleet roles " + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def ensure_users(connection, wanted: Wanted | None, read_secret: Callable[[Wanted], dict[str, str]]) -> None:
    """FAB's permissions and roles, and the first user. An existing user is left alone, password included."""
    fingerprint = roles_fingerprint()
    with connection.cursor() as cursor:

        def absent(username: str) -> bool:
            cursor.execute("SELECT 1 FROM ab_user WHERE username = %s", [username])
            return cursor.fetchone() is None

        # A Secret minted beside an existing user would hold a password that is not theirs.
        admin = read_secret(wanted) if wanted and (not wanted.create or absent(wanted.username)) else {}
        admin = admin if admin and absent(admin["username"]) else {}
        # A comment of FAB's version table remembers the last synchronisation; it needs no table of our own.
        cursor.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [common.FAB.version_table])
        synchronised = cursor.fetchone()[0] == fingerprint
        if synchronised and not admin:
            return
        from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

        logging.getLogger("airflow.providers.fab").setLevel(logging.WARNING)  # it logs each of 400 permissions
        with get_application_builder() as builder:
            if not synchronised:  # as airflow/providers/fab/auth_manager/cli_commands/sync_perm_command.py does
                builder.add_permissions(update_perms=True)
                builder.sm.sync_roles()
                with contextlib.suppress(Exception):  # only the table's owner may; others synchronise each time
                    cursor.execute(f"COMMENT ON TABLE {common.FAB.version_table} IS %s", [fingerprint])
                say("synchronised FAB's roles and permissions")
            if wanted and admin:
                name = admin["username"]
                email = wanted.email or (name if "@" in name else f"{name}@example.com")
                role = builder.sm.find_role("Admin")
                if not builder.sm.add_user(name, "Airflow", "Admin", email, role, admin["password"]):
                    raise BootError(f"FAB refuses to create the user {name}", why="see the errors above")
                say(f"created the user {name} with role Admin; the password is in Secret {wanted.name}")


def run() -> None:
    """All steps, in the only order that is safe: database, a look into it, keys, schema, users."""
    wanted = wanted_secrets(os.environ.get("AIRFLEET_CREATE_SECRETS", ""))
    patience = Patience(1800)
    api = Secrets() if wanted else None

    read_secret = functools.partial(ensure_secret, api=api, patience=patience)

    def open_database():
        while True:  # the Secret is read anew at each try, so that it can be corrected meanwhile
            try:
                found = common.parts_of(read_secret(wanted["database"]) if "database" in wanted else None)
                url = airfleet_database.url(found)
                _hidden.update({url, quote(found["password"], safe=""), found["password"]} - {""})
                return common.connect(url), url
            except LaterError as error:
                patience.wait(f"waiting: {error}")

    connection, url = open_database()
    say("the database accepts connections")
    with contextlib.closing(connection), locked(connection, patience):
        pending = common.unfinished(connection)
        samples = encrypted_samples(connection)
        if entry := wanted.get("keys"):
            fernet_key = read_secret(entry, may_mint=lambda: refuse_to_mint(samples, entry.name))["fernet-key"]
        else:
            fernet_key = common.option("core", "fernet_key")
        if fernet_key or samples:
            check_key(samples, fernet_key)
        # Set after the start, they are not in /proc/*/environ.
        os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = url
        os.environ["AIRFLOW__CORE__FERNET_KEY"] = fernet_key
        if pending:
            say(f"migrating {pending}")
            migrate()
            if left := common.unfinished(connection):
                raise LaterError(f"still to be migrated: {left}")
        with contextlib.suppress(Exception):  # only the table's owner may
            common.note_versions(connection)
        say("the database is migrated" if pending else "the tables are up to date: nothing to migrate")
        if common.uses_fab():
            ensure_users(connection, wanted.get("admin"), read_secret)
    say("done")


def main() -> int:
    """Return the exit code."""
    try:
        return run() or 0
    except BootError as error:
        text, code = error.text, error.code
    except Exception:  # unexpected: the traceback is what a bug report needs
        text, code = traceback.format_exc(), 1
    for value in sorted(_hidden, key=len, reverse=True):
        text = text.replace(value, "***")
    print(text, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())

"""Rotation of the database's password, with a time in which both are good.

A role of PostgreSQL has one password: so the embedded database has a second role, `airflow` and `airflow_b` take turns,
and both act as the owner of the tables. For an external database somebody else makes the new password or role.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import time
from secrets import token_urlsafe
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from airfleet.errors import AirfleetError, UsageError
from airfleet.secrets.rotation import Rotation, Step

KEY = "connection"


def steps(rotation: Rotation, given: str) -> list[Step]:
    """The steps, in order. given is the new URL or password of an external database; the embedded one needs none."""
    everybody = rotation.rollout("database", (KEY,))
    if any(workload.component == "postgres" for workload in rotation.installed.workloads()):
        if given:
            raise UsageError("--new-file is for an external database; the embedded one gets a password made here")
        return [
            Step("choose the role whose turn it is", lambda: _choose(rotation)),
            Step("give that role a new password, and write both into the Secret", lambda: _switch(rotation)),
            Step("restart what connects; the old role may connect until all is done", everybody),
            Step("take the old role's password away", lambda: _retire(rotation)),
            Step("verify", lambda: rotation.verify_pods("database", KEY)),
        ]
    return [
        Step("check that the new connection reaches the same database", lambda: _check(rotation, given)),
        Step("write it into the Secret", lambda: _write(rotation, given)),
        Step("restart what connects; connections that are open stay open", everybody),
        Step("verify", lambda: rotation.verify_pods("database", KEY)),
        Step("look for sessions of the old user", lambda: _sessions(rotation)),
    ]


def scram(password: str) -> str:
    """The verifier that PostgreSQL keeps of a password (RFC 5803): the password itself never reaches its logs."""
    salt, rounds = os.urandom(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = base64.b64encode(hashlib.sha256(client).digest()).decode()
    server = base64.b64encode(hmac.digest(salted, b"Server Key", "sha256")).decode()
    return f"SCRAM-SHA-256${rounds}:{base64.b64encode(salt).decode()}${stored}:{server}"


def with_user(url: str, password: str, username: str = "") -> str:
    """A connection URL with another password, and user."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    user = quote(username, safe="") or parts.netloc.rpartition("@")[0].partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{address}"))


def _choose(rotation: Rotation) -> str:
    user = rotation.installed.read("database")["username"]
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", user):
        raise AirfleetError(f"the role {user!r} is not one that the chart made")
    other = user.removesuffix("_b") if user.endswith("_b") else f"{user}_b"
    rotation.facts |= {"old": user, "new": other}
    return f"{user} -> {other}"


def _switch(rotation: Rotation) -> str:
    new, password = rotation.facts["new"], token_urlsafe(24)
    data = rotation.installed.read("database")
    if data["username"] != new:
        owner = _sql(rotation, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database();")
        commands = [
            f"SELECT 'CREATE ROLE {new}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{new}') \\gexec",  # noqa: S608
            f"ALTER ROLE {new} LOGIN PASSWORD '{scram(password)}';",
        ]
        if owner != new:  # it acts as the owner from its first statement on: tables that it makes are the owner's
            commands += [f"GRANT {owner} TO {new};", f"ALTER ROLE {new} SET role TO '{owner}';"]
        _sql(rotation, "\n".join(commands))
    return rotation.write(
        "database",
        lambda data: {"username": new, "password": password, KEY: with_user(data[KEY], password, new)},
        lambda data: "" if data.get("username") == new else f"its username is not {new}",
    )


def _retire(rotation: Rotation) -> str:
    old, deadline = rotation.facts["old"], time.monotonic() + 60
    query = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{old}' AND client_addr IS NOT NULL;"  # noqa: S608
    while (left := int(_sql(rotation, query))) and time.monotonic() < deadline:
        time.sleep(1)
    if left:
        why = "something other than the release's workloads connects with the old role"
        raise AirfleetError(f"{left} sessions of the role {old} are left", why=why, fix="end it, then repeat")
    _sql(rotation, f"ALTER ROLE {old} PASSWORD NULL;")
    return f"{old} has no password and no session"


def _sql(rotation: Rotation, commands: str) -> str:
    """Run SQL in the database's own pod, where the local socket needs no password; what it answered."""
    installed = rotation.installed
    data = installed.read("database")
    argv = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
    argv += [f"--username={rotation.facts['old']}", f"--dbname={data.get('database') or 'airflow'}"]
    pod = installed.pod("postgres")
    return installed.cluster.execute(installed.namespace, pod, argv, line=f"{commands}\n\\q").strip()


def _target(rotation: Rotation, given: str) -> str:
    ref = rotation.installed.secret("database")
    return given if "://" in given else with_user(rotation.installed.read("database")[ref.key(KEY)], given)


def _check(rotation: Rotation, given: str) -> str:
    if not given:
        raise UsageError(
            "the new password is missing",
            why="the database is not the chart's: its password is changed where the database is",
            fix="make a second role or change the password there, and give the new URL or password by --new-file"
            " (a file, or - for standard input)",
        )
    installed = rotation.installed
    ref = installed.secret("database")
    present = installed.read("database").get(ref.key(KEY))
    if present is None:
        raise AirfleetError(
            f"Secret {ref.name} has no key {ref.key(KEY)}: it holds the parts of a connection",
            why="this command writes whole connections only",
            fix="write the new parts into the Secret, then `kubectl rollout restart` each Deployment of the release",
        )
    line = json.dumps({"present": present, "new": _target(rotation, given)})
    found: dict[str, Any] = json.loads(installed.python("connects", "scheduler", "dag-processor", line=line))
    if found["new"].get("error"):
        why = found["new"]["error"]
        raise AirfleetError(
            "the new connection is refused", why=why, fix="nothing was changed; correct it, then repeat"
        )
    if not found["present"].get("error") and found["present"]["database"] != found["new"]["database"]:
        raise AirfleetError(
            "the new connection leads to another database",
            why=f"{found['new']['database']} instead of {found['present']['database']}",
            fix="nothing was changed; give a connection to the same database",
        )
    rotation.facts["old"] = found["present"].get("user", "")
    rotation.facts["new"] = found["new"]["user"]
    rotation.facts["version"] = installed.metadata("database").resource_version
    return f"user {found['new']['user']}"


def _write(rotation: Rotation, given: str) -> str:
    ref = rotation.installed.secret("database")

    def accepted(data: dict[str, str]) -> str:
        changed = rotation.installed.metadata("database").resource_version != rotation.facts["version"]
        if given:
            return "" if data.get(ref.key(KEY)) == _target(rotation, given) else "it does not hold the new connection"
        return "" if changed else "it has not changed"

    return rotation.write("database", lambda _: {ref.key(KEY): _target(rotation, given)}, accepted)


def _sessions(rotation: Rotation) -> str:
    old, new = rotation.facts["old"], rotation.facts["new"]
    if not old or old == new:
        return "the user is the same: its old password is gone already"
    answer = json.loads(
        rotation.installed.python("connects", "scheduler", "dag-processor", line=json.dumps({"user": old}))
    )
    return f"{answer['sessions']} sessions of {old} are left; now take its right to log in away"

"""Commands that make our Secrets out of the official release's, without showing a value.

They run in a shell with process substitution (bash, zsh): each value goes from one kubectl to the next by a pipe. They
have to run while the old release is there: `helm uninstall` deletes what it made.
"""

from __future__ import annotations

import shlex

from airfleet.migrate.migration import Migration
from airfleet.migrate.model import Command
from airfleet.migrate.rules.images import airflow_version
from airfleet.migrate.rules.secrets import uses_embedded

_KEYS = {"fernet-key": "fernetKeySecretName", "api-secret-key": "apiSecretKeySecretName", "jwt-secret": "jwtSecretName"}


def commands(m: Migration) -> list[Command]:
    """What to run once in the namespace of the release."""
    found = [Command(f"keep the keys: Secret {m.release}-keys", _keys(m))]
    if not m.said("data.metadataSecretName") and not uses_embedded(m):
        found.append(Command(f"keep the database connection: Secret {m.release}-database", _database(m)))
    if git := _git(m):
        found.append(Command(f"keep the credentials of the Git repository: Secret {m.release}-git", git))
    return found


def _git(m: Migration) -> str:
    """git-sync's Secrets under the names that a Git bundle reads; known hosts are no secret, so they are shown."""
    if not m.said("dags.gitSync.enabled"):
        return ""
    if m.said("dags.gitSync.sshKeySecret") or m.said("dags.gitSync.sshKey"):
        secret = str(m.said("dags.gitSync.sshKeySecret") or f"{official_name(m)}-ssh-secret")
        values = {"ssh-privatekey": _value(m, secret, "gitSshKey")}
        if hosts := m.said("dags.gitSync.knownHosts"):
            values["known_hosts"] = f"printf '%s\\n' {shlex.quote(str(hosts).strip())}"
        return _create(m, "git", values)
    if secret := m.said("dags.gitSync.credentialsSecret"):
        names = {"username": "GITSYNC_USERNAME", "password": "GITSYNC_PASSWORD"}
        return _create(m, "git", {ours: _value(m, str(secret), theirs) for ours, theirs in names.items()})
    return ""


def official_name(m: Migration) -> str:
    """What the official chart calls its objects after."""
    if not m.said("useStandardNaming"):
        return m.release
    name = str(m.said("nameOverride") or "airflow")
    full = m.said("fullnameOverride") or (m.release if name in m.release else f"{m.release}-{name}")
    return str(full)[:63].rstrip("-")


def _keys(m: Migration) -> str:
    """Airflow 2 has a Fernet key only; the other two sign what lives for hours, so fresh ones do."""
    version = airflow_version(m) or (3, 0)
    values = {}
    for key, option in _KEYS.items():
        if key == "fernet-key" or version >= (3, 0):
            secret = str(m.said(option) or f"{official_name(m)}-{key}")
            values[key] = _value(m, secret, key)
        else:
            values[key] = "openssl rand -hex 32 | tr -d '\\n'"
    return _create(m, "keys", values)


def _database(m: Migration) -> str:
    value = _value(m, f"{official_name(m)}-metadata", "connection")
    if m.said("pgbouncer.enabled"):  # the stored connection leads to the release's own PgBouncer
        host, port, name = (m.said(f"data.metadataConnection.{part}") for part in ("host", "port", "db"))
        value += " | sed " + shlex.quote(f"s#@[^/]*/[^?]*#@{host}:{port}/{name}#")
    return _create(m, "database", {"connection": value})


def _create(m: Migration, name: str, values: dict[str, str]) -> str:
    lines = [f"kubectl -n {m.namespace} create secret generic {m.release}-{name}"]
    lines += [f"  --from-file={key}=<({value})" for key, value in values.items()]
    return " \\\n".join(lines)


def _value(m: Migration, secret: str, key: str) -> str:
    template = shlex.quote(f'{{{{index .data "{key}" | base64decode}}}}')
    return f"kubectl -n {m.namespace} get secret {shlex.quote(secret)} -o go-template={template}"

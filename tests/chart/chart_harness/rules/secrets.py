"""Who can read which secret, as docs/guide/security.md promises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from chart_harness.objects import Pod, Rendered, ref_of
from chart_harness.rules.network import connects
from chart_harness.rules.references import config_sources
from chart_harness.rules.registry import rule

# component -> the secret files that it may have
TABLE: dict[str, set[str]] = {
    "api-server": {"connection", "fernet-key", "api-secret-key", "jwt-secret", "jwks.json"},
    "execution-api": {"connection", "fernet-key", "jwt-secret", "jwks.json"},
    "scheduler": {"connection", "fernet-key", "jwt-secret"},
    "triggerer": {"connection", "fernet-key", "api-secret-key"},
    "dag-processor": {"connection", "fernet-key"},
    "bootstrap": set(),  # it reads what it needs from the API, for its run
    "db-cleanup": {"connection"},
    "pod-cleanup": set(),
    "postgres": {"username", "password"},
    "pgbouncer": {"connection"},
    "worker": set(),
    "metrics": set(),
}
# When the keys were made, which is no secret: the DAG processor sends their age.
MADE = {"api-secret-key-since", "fernet-key-since", "jwt-secret-since"}
COMPOSED = "python -S -E /opt/airfleet/boot/airfleet_database.py"
OPTIONS = {
    "connection": "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "connection ": "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC",
    "fernet-key": "AIRFLOW__CORE__FERNET_KEY",
    "api-secret-key": "AIRFLOW__API__SECRET_KEY",
    "jwt-secret": "AIRFLOW__API_AUTH__JWT_SECRET",
}
_LEAKS = re.compile(r"(sql_alchemy_conn|fernet_key|secret_key|jwt_secret)(_cmd|_secret)?\s*=", re.IGNORECASE)


def sign_in_secret(r: Rendered) -> tuple[str, set[str]]:
    """The Secret that the API server signs people in with, and its keys; an empty name if there is none."""
    manager = r.release.value("auth.manager") or "fab"
    block = f"auth.{'oidc' if manager == 'fab' else manager}"
    if manager == "fab" and not r.release.value("auth.oidc.enabled"):
        return "", set()
    users = {name for name, role in (r.release.value("auth.simple.users") or {}).items() if role}
    return r.release.value(f"{block}.secretName"), users if manager == "simple" else {"client-secret"}


def makes_an_administrator(r: Rendered) -> bool:
    """Whether the bootstrap Job is to: for FAB only, and with single sign-on only if it is told to."""
    told = r.release.value("admin.create")
    without_oidc = not r.release.value("auth.oidc.enabled")
    return (r.release.value("auth.manager") or "fab") == "fab" and (without_oidc if told is None else told)


def control_plane_secrets(r: Rendered) -> set[str]:
    """The names of the Secrets that hold the control plane's keys."""
    return {
        r.release.value(f"{which}.secretName") or f"{r.release.fullname}-{which}"
        for which in ("keys", "database", "admin")
    }


def held_secrets(r: Rendered) -> set[str]:
    """Those, the one of both JWT secrets, the one that people sign in with, and the database's client certificate."""
    more = {sign_in_secret(r)[0], r.release.value("database.tls.client.secretName")}
    more.add(f"{r.release.fullname}-jwt-overlap")
    return control_plane_secrets(r) | (more - {None, ""})


def connection_keys(r: Rendered) -> set[str]:
    """The keys of the database's Secret that make up the connection."""
    keys = {"password": "password", **(r.release.value("database.secretKeys") or {})}
    if not (r.release.value("database.host") or keys.get("host")):
        return {r.release.value("database.secretKey") or "connection"}
    left_out = {"password"} if r.release.value("database.passwordFile") else set()
    return {key for part, key in keys.items() if key and part not in left_out}


def client_keys(r: Rendered, pod: Pod) -> set[str]:
    """The certificate that the database asks for, for who goes to it; without its key for who measures it."""
    if not r.release.value("database.tls.client.secretName"):
        return set()
    if pod.component in connects(r):
        return {"tls.crt", "tls.key"}
    return {"tls.crt"} if pod.component == "dag-processor" and r.release.value("metrics.enabled") else set()


def _control_plane_reads(r: Rendered, pod: Pod) -> Iterator[tuple[str, str, list[str]]]:
    secrets = held_secrets(r)
    return ((place, name, keys) for place, name, keys in config_sources(pod, "secret") if name in secrets)


@rule
def secrets_go_by_the_table(r: Rendered) -> Iterator[str]:
    """Each component has the secret files of the table and no other, and no Secret is mounted as a whole."""
    for pod in r.pods:
        found: set[str] = set()
        for place, name, keys in _control_plane_reads(r, pod):
            if not keys:
                yield f"{place}: takes the whole Secret {name}"
            found |= set(keys)
        allowed = TABLE[pod.component] - {"connection"} | client_keys(r, pod)
        allowed |= connection_keys(r) if "connection" in TABLE[pod.component] else set()
        if pod.component == "api-server":
            allowed |= sign_in_secret(r)[1]
        if pod.component == "dag-processor" and r.release.value("metrics.enabled"):
            allowed |= MADE
        if found != allowed:
            yield f"{pod.owner} reads {sorted(found)}, the table says {sorted(allowed)}"


@rule
def workers_have_no_control_plane_secret(r: Rendered) -> Iterator[str]:
    """Nothing of a task's pod names one: no volume, environment, command or argument."""
    for pod in r.pods:
        if pod.is_worker:
            text = json.dumps(pod.spec)
            for name in held_secrets(r):
                if f'"{name}"' in text:
                    yield f"{pod.owner} names the Secret {name}"
            for option in OPTIONS.values():
                if option in text:
                    yield f"{pod.owner} sets {option}"


@rule
def secrets_are_files(r: Rendered) -> Iterator[str]:
    """A secret in the environment is in every child process, in crash dumps and in `kubectl describe`."""
    for pod in r.pods:
        for place, name, _ in _control_plane_reads(r, pod):
            if ": env" in place:
                yield f"{place} takes {name} from the environment"
        for place, container in pod.named():
            for env in container.get("env") or []:
                if env["name"] in OPTIONS.values():
                    yield f"{place}: {env['name']} is set to a value"


@rule
def secret_files_reach_airflow(r: Rendered) -> Iterator[str]:
    """Each secret file that a component has is mounted read-only and named by the *_CMD option that reads it."""
    for pod in r.pods:
        if not pod.is_airflow:
            continue
        base = next(c for c in pod.containers if c["name"] == "base")
        env = {e["name"]: e.get("value") for e in base.get("env") or []}
        alone = pod.component == "bootstrap" and not connection_keys(r)
        for file, option in OPTIONS.items():
            wanted = f"cat /opt/airfleet/secrets/{file}" if file in TABLE[pod.component] else None
            if file.strip() == "connection" and ("connection" in TABLE[pod.component] or alone):
                wanted = f"{COMPOSED} {'psycopg2' if file == 'connection' else 'asyncpg'}"
            if env.get(f"{option}_CMD") != wanted:
                yield f"{pod.owner}: {option}_CMD is {env.get(f'{option}_CMD')!r}, not {wanted!r}"
        mounts = [m.get("readOnly") for m in base["volumeMounts"] if m["mountPath"] == "/opt/airfleet/secrets"]
        if mounts != [True] * bool(TABLE[pod.component]):
            yield f"{pod.owner}: /opt/airfleet/secrets is mounted {len(mounts)} times, read-only: {mounts}"


@rule
def the_jwt_secret_can_be_rotated(r: Rendered) -> Iterator[str]:
    """What `airfleet secrets rotate jwt` makes is read by whoever signs and checks tokens, and nobody needs it."""
    for pod in r.pods:
        for source in (s for v in pod.volumes for s in (v.get("projected") or {}).get("sources") or []):
            secret = source.get("secret") or {}
            if secret.get("name") == f"{r.release.fullname}-jwt-overlap" and not secret.get("optional"):
                yield f"{pod.owner}: it does not start without the Secret {secret['name']}"
        files = TABLE.get(pod.component, set())
        wanted = {"AIRFLOW__API_AUTH__JWT_KID": "kid"} if "jwt-secret" in files else {}
        if "jwks.json" in files:
            wanted["AIRFLOW__API_AUTH__TRUSTED_JWKS_URL"] = "trusted-jwks-url"
        base = next(c for c in pod.containers if c["name"] == "base")
        env = {e["name"]: (e.get("valueFrom") or {}).get("configMapKeyRef") for e in base.get("env") or []}
        for option in ("AIRFLOW__API_AUTH__JWT_KID", "AIRFLOW__API_AUTH__TRUSTED_JWKS_URL"):
            name = f"{r.release.fullname}-jwt"
            ref = {"name": name, "key": wanted[option], "optional": True} if option in wanted else None
            if env.get(option) != ref:
                yield f"{pod.owner}: {option} comes from {env.get(option)}, not {ref}"


@rule
def config_maps_hold_no_secret(r: Rendered) -> Iterator[str]:
    """The shared airflow.cfg sets no secret and no command that prints one: a worker would run it."""
    for obj in r.of("ConfigMap"):
        for name, text in (obj.get("data") or {}).items():
            if name.endswith(".cfg") and (found := _LEAKS.search(text)):
                yield f"{ref_of(obj)}: {name} sets {found[0]}"


@rule
def the_chart_holds_no_secret(r: Rendered) -> Iterator[str]:
    """What Helm stores of a release can be read by whoever reads its Secrets: so the chart makes none."""
    for obj in r.of("Secret"):
        yield f"{ref_of(obj)} is rendered"


@rule
def log_credentials_go_where_logs_do(r: Rendered) -> Iterator[str]:
    """Whoever writes or reads remote logs has the one file of the Secret, read-only; nobody else has any of it."""
    remote = r.release.value("logs.remote") or {}
    name, file = (
        remote.get("secretName"),
        {"s3": "credentials", "gcs": "key.json", "elasticsearch": "credentials"}.get(remote.get("type") or ""),
    )
    for pod in r.pods:
        wanted = [file] if name and file and pod.component in ("api-server", "triggerer", "worker") else []
        found = [key for _, secret, keys in config_sources(pod, "secret") if secret == name for key in keys or ["all"]]
        if name and found != wanted:
            yield f"{pod.owner} has {found} of the logs' credentials, not {wanted}"
        for place, container in pod.named():
            for mount in container.get("volumeMounts") or []:
                if mount["name"] == "log-credentials" and mount.get("readOnly") is not True:
                    yield f"{place}: the logs' credentials are writable"

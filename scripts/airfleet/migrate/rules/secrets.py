"""The metadata database and the keys: nothing is re-keyed, and no secret value goes into values."""

from __future__ import annotations

from airfleet.migrate.migration import Migration, Rule, ask, drop
from airfleet.migrate.model import Entry

_CELERY = drop("Celery's; there is no broker and no result backend here")


def _database_secret(m: Migration, entry: Entry) -> None:
    m.put(entry, "database.secretName", entry.value, "its key `connection` is used as it is")


def _connection(m: Migration, entry: Entry) -> None:
    if m.said("data.metadataSecretName"):
        m.drop(entry, "data.metadataSecretName wins over it")
    elif entry.path[-1] == "protocol" and entry.value not in ("postgresql", "postgres"):
        m.ask(entry, "the metadata database is not PostgreSQL, the only one that this chart runs on; move it first")
    elif entry.path[-1] == "secretAnnotations":
        m.drop(entry, "the chart makes no Secret of yours")
    else:
        m.kept(entry, f"Secret {m.release}-database", "see the commands")
        if entry.path[-1] == "port":
            m.put(entry, "networkPolicies.database.port", int(entry.value))


def _key(name: str) -> Rule:
    return lambda m, entry: m.kept(entry, f"Secret {m.release}-keys", f"its key {name}: see the commands")


def _embedded(m: Migration, entry: Entry) -> None:
    if entry.path == ("postgresql", "enabled") and not entry.value:
        m.drop(entry, "no database comes with the chart unless postgres.embedded asks for one")
    else:
        m.drop(entry, "it goes with the release's own PostgreSQL")


def uses_embedded(m: Migration) -> bool:
    """Whether the official release keeps its data in the PostgreSQL that it brought."""
    external = m.said("data.metadataSecretName") or m.said("data.metadataConnection.host")
    return m.said("postgresql.enabled") is not False and not external


RULES: dict[str, Rule] = {
    "data.metadataSecretName": _database_secret,
    "data.metadataConnection": _connection,
    "data.resultBackendSecretName": _CELERY,
    "data.resultBackendConnection": _CELERY,
    "data.resultBackendConnectionSecretAnnotations": _CELERY,
    "data.brokerUrl": _CELERY,
    "data.brokerUrlSecretName": _CELERY,
    "data.brokerUrlSecretAnnotations": _CELERY,
    "fernetKey": _key("fernet-key"),
    "fernetKeySecretName": _key("fernet-key"),
    "apiSecretKey": _key("api-secret-key"),
    "apiSecretKeySecretName": _key("api-secret-key"),
    "jwtSecret": _key("jwt-secret"),
    "jwtSecretName": _key("jwt-secret"),
    "fernetKeySecretAnnotations": drop("the chart makes no Secret of yours"),
    "apiSecretAnnotations": drop("the chart makes no Secret of yours"),
    "jwtSecretAnnotations": drop("the chart makes no Secret of yours"),
    "webserverSecretKey": drop("Airflow 3 has no such key; a new api-secret-key only ends the sessions of the UI"),
    "webserverSecretKeySecretName": drop(
        "Airflow 3 has no such key; a new api-secret-key only ends the sessions of the UI"
    ),
    "webserverSecretAnnotations": drop("Airflow 3 has no such key"),
    "enableBuiltInSecretEnvVars": ask(
        "where does Airflow get it from instead? The chart reads it from a file of a Secret"
    ),
    "enableBuiltInSecretEnvVars.AIRFLOW_CONN_AIRFLOW_DB": drop("no pod has such a connection"),
    "enableBuiltInSecretEnvVars.AIRFLOW__WEBSERVER__SECRET_KEY": drop("Airflow 3 has no such key"),
    "enableBuiltInSecretEnvVars.AIRFLOW__CELERY__CELERY_RESULT_BACKEND": _CELERY,
    "enableBuiltInSecretEnvVars.AIRFLOW__CELERY__RESULT_BACKEND": _CELERY,
    "enableBuiltInSecretEnvVars.AIRFLOW__CELERY__BROKER_URL": _CELERY,
    "postgresql": _embedded,
}

"""airflow.cfg."""

from __future__ import annotations

import json
from dataclasses import replace

from airfleet.migrate.migration import Migration, Rule, TemplatedError, drop, move
from airfleet.migrate.model import Entry, Path
from airfleet.migrate.official import moved_options
from airfleet.migrate.rules.dags import bundles

# Options that the chart owns (its guards refuse them) -> what says the same.
OWNED = {
    "database.sql_alchemy_conn": "database.secretName",
    "database.sql_alchemy_conn_cmd": "database.secretName",
    "database.sql_alchemy_conn_async": "database.secretName",
    "database.sql_alchemy_conn_async_cmd": "database.secretName",
    "core.sql_alchemy_conn": "database.secretName",
    "core.fernet_key": "keys.secretName",
    "core.fernet_key_cmd": "keys.secretName",
    "api.secret_key": "keys.secretName",
    "api.secret_key_cmd": "keys.secretName",
    "webserver.secret_key": "keys.secretName",
    "api_auth.jwt_secret": "keys.secretName",
    "api_auth.jwt_secret_cmd": "keys.secretName",
    "core.executor": "",
    "kubernetes_executor.pod_template_file": "podTemplates",
    "kubernetes_executor.worker_container_repository": "image.repository",
    "kubernetes_executor.worker_container_tag": "image.tag",
    "kubernetes_executor.namespace": "",
    "kubernetes_executor.multi_namespace_mode": "podTemplates.<name>.namespace",
    "kubernetes_executor.multi_namespace_mode_namespace_list": "podTemplates.<name>.namespace",
    "core.dags_folder": "dags.bundles",
    "sdk.coordinators": "podTemplates.<name>.queues",
    "sdk.queue_to_coordinator": "podTemplates.<name>.queues",
}
ELSEWHERE = {"api.base_url": ("apiServer", "baseUrl")}
_REMOTE_LOGS = {"s3": "s3", "gs": "gcs", "wasb": "azure"}
_CELERY = (
    "celery",
    "celery_kubernetes_executor",
    "celery_broker_transport_options",
    "local_kubernetes_executor",
    "dask",
)


def _option(m: Migration, entry: Entry) -> None:
    if len(entry.path) < 3:
        m.ask(entry, "is not a section with options")
        return
    section, option = entry.path[1], ".".join(entry.path[2:])
    name, why = f"{section}.{option}", ""
    if name == "dag_processor.dag_bundle_config_list":
        _bundle_list(m, entry)
        return
    if name in moved_options() and name not in OWNED:
        new = moved_options()[name]
        if new is None:
            m.drop(entry, "Airflow 3 has no such option")
            return
        name, why = new, f"Airflow 3 calls it [{new.partition('.')[0]}] {new.partition('.')[2]}"
    if section in _CELERY and not why:
        m.drop(entry, "of another executor; this chart runs the KubernetesExecutor")
    elif name in ELSEWHERE:
        m.put(entry, ELSEWHERE[name], entry.value, why)
    elif name in _LOGS and _remote_type(m):
        _LOGS[name](m, entry)
    elif name in OWNED:
        _owned(m, entry, OWNED[name])
    elif entry.value is None and m.chart.default(_target(name)) is None:
        m.drop(entry, "Airflow's own default, here too")
    else:
        m.put(entry, _target(name), entry.value, why)


def _target(name: str) -> Path:
    section, _, option = name.partition(".")
    return ("config", section, option)


def _owned(m: Migration, entry: Entry, instead: str) -> None:
    if instead:
        m.ask(entry, f"the chart owns this option; say it with {instead}")
    else:
        m.drop(entry, "the chart sets it itself")


def _bundle_list(m: Migration, entry: Entry) -> None:
    try:
        listed = json.loads(m.filled(entry.value)) if isinstance(entry.value, str) else entry.value
    except (TemplatedError, ValueError):
        m.ask(entry, "it is a template or no JSON; write the bundles into dags.bundles")
        return
    bundles(m, replace(entry, value=listed))


def _remote_type(m: Migration) -> str:
    """The type of the remote log storage, if it is one that `logs.remote` has."""
    folder = str(m.said("config.logging.remote_base_log_folder") or "")
    found = next((ours for theirs, ours in _REMOTE_LOGS.items() if folder.startswith(theirs)), "")
    return found if m.chart.has(("logs", "remote", "type")) and m.said("config.logging.remote_logging") else ""


def _folder(m: Migration, entry: Entry) -> None:
    m.put_all(entry, {("logs", "remote", "type"): _remote_type(m), ("logs", "remote", "folder"): entry.value})


_LOGS: dict[str, Rule] = {
    "logging.remote_logging": drop("logs.remote.type says it"),
    "logging.remote_base_log_folder": _folder,
    "logging.remote_log_conn_id": move("logs.remote.connectionId"),
    "logging.encrypt_s3_logs": lambda m, entry: m.put(
        entry, "logs.remote.s3.encrypt", str(entry.value).lower() == "true"
    ),
}

RULES: dict[str, Rule] = {"config": _option}

"""[logging] logging_config_class with logs in Elasticsearch: Airflow's own, whose client takes its credentials from a
mounted file. Its options take them from airflow.cfg or the environment only."""

import os
from base64 import b64encode
from pathlib import Path

from airflow.providers.elasticsearch.log import es_task_handler

_own = es_task_handler.get_es_kwargs_from_config


def _with_credentials() -> dict:
    """Whoever neither writes nor reads logs imports this, too, and has no such file."""
    if not (file := os.environ.get("AIRFLEET_LOG_CREDENTIALS")):
        return _own()
    text = Path(file).read_text().strip()  # user:password, or an API key
    # In base64 already, since the client itself would take ASCII only.
    return _own() | ({"basic_auth": b64encode(text.encode()).decode()} if ":" in text else {"api_key": text})


es_task_handler.get_es_kwargs_from_config = _with_credentials

# It builds the clients, so it comes last.
from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG, REMOTE_TASK_LOG  # noqa: E402

__all__ = ["DEFAULT_LOGGING_CONFIG", "REMOTE_TASK_LOG"]

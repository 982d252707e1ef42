"""Deletes old rows of the metadata database. Runs as `python -c`."""

import json
import os
from datetime import timedelta

from airflow.utils import timezone
from airflow.utils.db_cleanup import config_dict, run_cleanup

own = json.loads(os.environ["AIRFLEET_CLEANUP"])
if unknown := sorted(set(own["tables"]) - set(config_dict)):
    raise SystemExit(f"dbCleanup.tables names {unknown}. Fix: name some of {sorted(config_dict)}.")
# Old rows of these are in use: a DAG's while its file can't be parsed, a trigger's while a task waits.
safe = sorted(set(config_dict) - {"dag", "dag_version", "trigger"})
run_cleanup(
    clean_before_timestamp=timezone.utcnow() - timedelta(days=own["retentionDays"]),
    table_names=own["tables"] or safe,
    dry_run=own["dryRun"],
    confirm=False,
    batch_size=own["batchSize"],
    skip_archive=not own["archive"],
    error_on_cleanup_failure=True,
)

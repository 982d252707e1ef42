"""Runs in a pod of the control plane: which tasks run, and how many rows the tables hold that grow with use."""

import contextlib
import json
from importlib import metadata

import airfleet_common as common

RUNNING = """
SELECT dag_id, task_id, run_id, map_index, extract(epoch FROM now() - coalesce(start_date, now()))
FROM task_instance WHERE state IN ('running', 'restarting') ORDER BY start_date
"""
# Estimates: counting a large table takes minutes.
ROWS = """
SELECT c.relname, greatest(c.reltuples, s.n_live_tup, 0)::bigint
FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid ORDER BY 2 DESC LIMIT 12
"""

with contextlib.closing(common.connect()) as connection, connection.cursor() as cursor:
    cursor.execute(RUNNING)
    running = [
        {"name": f"{dag}.{task}{f'[{index}]' if index >= 0 else ''} of {run}", "seconds": int(seconds)}
        for dag, task, run, index, seconds in cursor.fetchall()
    ]
    cursor.execute(ROWS)
    rows = {name: int(count) for name, count in cursor.fetchall() if count}
    cursor.execute("SELECT pg_database_size(current_database())")
    size = cursor.fetchone()[0]
namespaces = common.option("kubernetes_executor", "multi_namespace_mode_namespace_list")
print(
    json.dumps(
        {
            "running": running,
            "rows": rows,
            "size": size,
            "namespaces": [name for name in namespaces.split(",") if name],
            "version": metadata.version("apache-airflow-core"),
        }
    )
)

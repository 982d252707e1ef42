"""Runs in a scheduler's pod: how many tasks may hold a token of before the time on standard input, and its life."""

import contextlib
import json
import sys

import airfleet_common as common

switched = sys.stdin.readline().strip()
# A queued task's token lives as long as it may be queued, a running one's is replaced when a fifth of its life is left.
limits = (("scheduler", "task_queued_timeout"), ("execution_api", "jwt_expiration_time"))
lifetime = max(float(common.option(section, key, "600")) for section, key in limits)
leeway = float(common.option("api_auth", "jwt_leeway", "10"))
query = (
    "SELECT count(*) FROM task_instance WHERE state IN ('queued', 'running', 'restarting')"
    " AND coalesce(queued_dttm, start_date) < %s"
)
with contextlib.closing(common.connect()) as connection, connection.cursor() as cursor:
    cursor.execute(query, [switched])
    print(json.dumps({"tasks": cursor.fetchone()[0], "lifetime": lifetime + leeway}))

"""Runs in a pod of the control plane: whether connections (JSON on standard input) work, and to which database."""

import contextlib
import json
import sys

import airfleet_common as common

told = json.loads(sys.stdin.readline())
# The table's identity tells a copy of the database from the database.
QUERY = "SELECT current_database() || '/' || coalesce(to_regclass('alembic_version')::oid::text, 'empty'), session_user"


def look(url: str) -> dict[str, str]:
    """What a connection leads to, or why it does not."""
    try:
        with contextlib.closing(common.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(QUERY)
            database, user = cursor.fetchone()
            return {"database": database, "user": user}
    except common.BootError as error:
        return {"error": error.text}


if user := told.pop("user", ""):
    with contextlib.closing(common.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [user])
        print(json.dumps({"sessions": cursor.fetchone()[0]}))
else:
    print(json.dumps({name: look(url) for name, url in told.items()}))

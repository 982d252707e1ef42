"""How long the migration of a schema takes by the rows that it finds: Airflow 3.2 to the image's, on PostgreSQL.

python tests/bench/migration.py [--rows 200000 1000000] [--rounds 3]

In each round a database without rows and one of each size are migrated in turn, as the bootstrap Job does it. Prints
the seconds of each, their ratio to the empty one's with the spread, and the rows that were migrated in a second. What
`airfleet quiesce` says of a migration's deadline rests on these figures; docs/guide/upgrades.md has them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from airfleet.image import PostgresServer, postgres_programs, postgres_server, venv

FROM = "3.2.2"
# Of each ten rows one is a run, four are tasks, two are results and three are events: about what a DAG of four tasks
# leaves.
FILL = """
INSERT INTO dag_bundle (name) VALUES ('b');
INSERT INTO dag (dag_id, is_paused, is_stale, bundle_name, timetable_type, max_active_tasks,
                 max_consecutive_failed_dag_runs, has_task_concurrency_limits)
SELECT 'dag_' || d, false, false, 'b', 't', 16, 0, false FROM generate_series(0, 99) d;
INSERT INTO dag_run (dag_id, run_id, run_type, run_after, logical_date, start_date, end_date, state)
SELECT 'dag_' || r % 100, 'run_' || r, 'scheduled', now() - r * interval '1 second', now() - r * interval '1 second',
       now(), now(), 'success' FROM generate_series(1, {rows} / 10) r;
INSERT INTO task_instance (id, task_id, dag_id, run_id, try_number, pool, pool_slots, state, start_date, end_date)
SELECT gen_random_uuid(), 'task_' || t, dag_id, run_id, 1, 'default_pool', 1, 'success', now(), now()
FROM dag_run, generate_series(1, 4) t;
INSERT INTO xcom (dag_run_id, task_id, key, dag_id, run_id, timestamp, value)
SELECT r.id, 'task_' || t, 'return_value', r.dag_id, r.run_id, now(), '"value"' FROM dag_run r, generate_series(1, 2) t;
INSERT INTO log (event, dag_id, task_id, run_id, dttm, extra)
SELECT 'success', dag_id, 'task_1', run_id, now(), '{{}}' FROM dag_run, generate_series(1, 3);
"""


@dataclass(frozen=True)
class Bench:
    """A PostgreSQL, and the Airflow that migrates its databases."""

    server: PostgresServer
    python: Path
    home: Path

    def sql(self, statement: str, database: str = "postgres") -> None:
        programs = postgres_programs()
        argv = [programs.bin / "psql", "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1"]
        argv += ["--host", self.server.host, "--port", str(self.server.port), "--username", self.server.user]
        text = subprocess.PIPE
        env = {**os.environ, **programs.env}
        subprocess.run([*argv, database], input=statement, stdout=text, env=env, text=True, check=True)

    def airflow(self, database: str, *argv: str) -> float:
        """Run Airflow's command line; the seconds that it took."""
        env = {
            "PATH": f"{self.python.parent}:/usr/bin:/bin",
            "HOME": str(self.home),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.server.url(database, driver="postgresql+psycopg2"),
        }
        start = time.monotonic()
        subprocess.run([self.python.parent / "airflow", *argv], env=env, check=True, capture_output=True)
        return time.monotonic() - start

    def prepare(self, rows: int) -> str:
        """A database of the older version with so many rows; its name."""
        name = f"rows_{rows}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE older")
        if rows:
            self.sql(FILL.format(rows=rows), name)
            self.sql("VACUUM ANALYZE", name)
        return name

    def migrate(self, template: str) -> float:
        """Seconds that a copy of the database takes to be migrated."""
        self.sql(f"CREATE DATABASE measured TEMPLATE {template}")
        try:
            return self.airflow("measured", "db", "migrate")
        finally:
            self.sql("DROP DATABASE measured")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with postgres_server() as server, tempfile.TemporaryDirectory() as home:
        bench = Bench(server, venv(), Path(home))
        bench.sql("CREATE DATABASE older")
        bench.airflow("older", "db", "migrate")
        bench.airflow("older", "db", "downgrade", "--to-version", FROM, "--yes")
        names = {rows: bench.prepare(rows) for rows in (0, *options.rows)}
        seen: dict[int, list[float]] = {rows: [] for rows in names}
        for _ in range(options.rounds):
            for rows, name in names.items():
                seen[rows].append(bench.migrate(name))
    empty = statistics.median(seen[0])
    print(f"Airflow {FROM} to the image's, {options.rounds} rounds, median (min-max)")
    for rows, times in seen.items():
        middle = statistics.median(times)
        line = f"{rows:>10,} rows  {middle:6.1f} s ({min(times):.1f}-{max(times):.1f})"
        if rows:
            ratios = [time / base for time, base in zip(times, seen[0], strict=True)]
            line += f"  {statistics.median(ratios):.2f}x empty ({min(ratios):.2f}-{max(ratios):.2f})"
            line += f"  {rows / max(middle - empty, 0.1):,.0f} rows/s"
        print(line)


if __name__ == "__main__":
    main()

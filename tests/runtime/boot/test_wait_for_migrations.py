"""The init container against databases in all states."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import BOOT, airflow_environment, python


def test_the_heads_are_what_alembic_says(tmp_path):
    """Our reading of the migration files against Alembic's, for Airflow and FAB."""
    script = tmp_path / "heads.py"
    script.write_text(
        "import airfleet_common as common\n"
        "ours = [tuple(map(frozenset, tables.revisions())) for tables in (common.AIRFLOW, common.FAB)]\n"
        "from alembic.script import ScriptDirectory\n"
        "from airflow.utils.db import _get_script_object\n"
        "from airflow.providers.fab.auth_manager.models.db import FABDBManager\n"
        "scripts = [_get_script_object(), FABDBManager(None).get_script_object()]\n"
        "theirs = [(frozenset(s.get_heads()), frozenset(r.revision for r in s.walk_revisions())) for s in scripts]\n"
        "assert ours == theirs, (ours, theirs)\n"
    )
    outcome = python(script, env=airflow_environment(tmp_path))
    assert outcome.code == 0, outcome.output


def test_it_waits_through_all_states(server, new_database, tmp_path):
    target = new_database()
    server.execute(f'DROP DATABASE "{target.name}"')
    env = airflow_environment(tmp_path, target.url)
    command = [sys.executable, str(BOOT / "airfleet_wait_for_migrations.py")]
    process = subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert "does not exist" in process.stdout.readline()
    server.execute(f'CREATE DATABASE "{target.name}"')
    assert "waiting for the bootstrap Job: Airflow tables: none -> " in process.stdout.readline()
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 0, outcome.output
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert rest.splitlines()[-1].endswith("the database is ready")
    assert len(rest.splitlines()) < 8, rest  # a line per change, not per look


@pytest.mark.parametrize("program", ["airfleet_wait_for_migrations.py", "airfleet_bootstrap.py"])
def test_sigterm_ends_the_waiting_of_a_first_process(server, tmp_path, program):
    """Without a handler the first process of a container ignores it until the grace period is over."""
    env = airflow_environment(tmp_path, server.url.replace("/postgres", "/nowhere"))
    process = subprocess.Popen([sys.executable, str(BOOT / program)], env=env, text=True, stdout=subprocess.PIPE)
    assert "waiting" in process.stdout.readline()
    process.terminate()
    assert process.wait(10) == 143


def test_fab_tables_are_awaited_only_under_fab(migrated, tmp_path):
    migrated.execute("DROP TABLE alembic_version_fab")
    env = airflow_environment(tmp_path, migrated.url, AIRFLEET_WAIT_SECONDS="0.1")
    waiting = python("airfleet_wait_for_migrations.py", env=env)
    assert (waiting.code, "FAB tables: none -> " in waiting.output) == (75, True)
    del env["AIRFLOW__CORE__AUTH_MANAGER"]
    assert python("airfleet_wait_for_migrations.py", env=env).code == 0


def test_a_newer_database_is_refused(migrated, tmp_path):
    migrated.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    outcome = python("airfleet_wait_for_migrations.py", env=airflow_environment(tmp_path, migrated.url))
    assert outcome.code == 78
    assert "apache-airflow-core 3." in outcome.output
    assert "Traceback" not in outcome.output


@pytest.mark.parametrize("way", ["environment", "command", "file", "file command"])
def test_configuration_is_found_where_airflow_finds_it(migrated, tmp_path, way):
    env = airflow_environment(tmp_path, AIRFLEET_WAIT_SECONDS="0.1")
    fab = env.pop("AIRFLOW__CORE__AUTH_MANAGER")
    (tmp_path / "connection").write_text(f"{migrated.url}\n")
    if way == "environment":
        env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = migrated.url
    if way == "command":
        env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD"] = f"cat {tmp_path}/connection"
    config = {
        "file": f"sql_alchemy_conn = {migrated.url}",
        "file command": f"sql_alchemy_conn_cmd = head -n1 {tmp_path}/connection",
    }
    text = f"[core]\nauth_manager = {fab}\n[database]\n{config.get(way, '')}\n"
    (tmp_path / "other.cfg").write_text(text)
    env["AIRFLOW_CONFIG"] = str(tmp_path / "other.cfg")
    outcome = python("airfleet_wait_for_migrations.py", env=env)
    assert outcome.code == 0, outcome.output
    migrated.execute("DROP TABLE alembic_version_fab")  # the auth manager was read as well
    assert python("airfleet_wait_for_migrations.py", env=env).code == 75

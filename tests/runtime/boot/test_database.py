"""The connection composed from parts: for both drivers, any password, TLS, a password that changes, and PgBouncer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

import airfleet_database as database_url
from conftest import BOOT, FERNET, RUNNING, airflow_environment, python

ODD = "p@ss:w/o%r?d#1 $HOME=\"'\\&;ü"
PARTS = {
    "host": "db.example",
    "port": "5433",
    "name": "airflow-db",
    "user": "o'brien@corp",
    "password": ODD,
    "options": {},
}


@pytest.fixture
def told(tmp_path, monkeypatch):
    """The files and the environment of a pod: told(files, **AIRFLEET_DATABASE)."""
    monkeypatch.setattr(database_url, "SECRETS", tmp_path)

    def make(files: dict[str, str], **more: object) -> dict[str, str]:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        monkeypatch.setenv("AIRFLEET_DATABASE", json.dumps(more))
        return {"AIRFLEET_DATABASE": json.dumps(more), "AIRFLEET_SECRETS": str(tmp_path)}

    return make


def test_any_password_survives_sqlalchemy_and_our_own_parser():
    for driver in ("psycopg2", "asyncpg"):
        url = database_url.url(PARTS, driver)
        assert not set(url) & set("$ \"'\\;#"), url
        parsed = sqlalchemy.make_url(url)
        assert (parsed.username, parsed.password, parsed.database) == (PARTS["user"], ODD, "airflow-db")
        assert (parsed.host, parsed.port) == ("db.example", 5433)
        assert database_url.split(url) == PARTS


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://u:p@h/d",
        "postgresql://u:p@[fd00::1]:5432/d?sslmode=require&application_name=a%20b",
        "postgres://u@h:1/d",
        "postgresql:///d?host=/run/postgresql",
    ],
)
def test_a_url_means_the_same_after_it_was_taken_apart(url):
    ours = sqlalchemy.make_url(database_url.url(database_url.split(url)))
    theirs = sqlalchemy.make_url(url.replace("postgres://", "postgresql://")).set(drivername="postgresql+psycopg2")
    assert ours == theirs


def test_files_win_over_the_values_and_a_newline_at_the_end_is_not_part_of_them(told):
    told({"database/password": "secret\n", "database/host": "from-secret"}, host="from-values", user="u", name="n")
    found = database_url.read()
    assert (found["host"], found["password"], found["user"], found["name"]) == ("from-secret", "secret", "u", "n")


def test_tls_options_reach_both_drivers(told):
    told({"connection": "postgresql://u:p@h/d?sslmode=require&keepalives=1"}, tls={"sslrootcert": "/ca.crt"})
    found = database_url.read()
    assert dict(sqlalchemy.make_url(database_url.url(found)).query) == {
        "sslmode": "require",
        "keepalives": "1",
        "sslrootcert": "/ca.crt",
    }
    # SQLAlchemy gives asyncpg each option of the URL as an argument, and it has none called sslmode.
    query = dict(sqlalchemy.make_url(database_url.url(found, "asyncpg")).query)
    assert query == {"dsn": "postgresql://?sslmode=require&sslrootcert=%2Fca.crt"}


def test_a_pooler_is_gone_to_in_the_clear(told):
    told({"connection": "postgresql://u:p@h/d?sslmode=verify-full"}, pooler=["airflow-pgbouncer", 6432])
    assert database_url.url(database_url.read()) == "postgresql+psycopg2://u:p@airflow-pgbouncer:6432/d"


def test_the_command_prints_the_url_or_says_what_is_wrong(told, tmp_path):
    env = told({"database/password": ODD}, host="h", port=5432, user="u", name="n")
    command = [sys.executable, "-S", "-E", str(BOOT / "airfleet_database.py")]
    for driver in ("psycopg2", "asyncpg"):
        printed = subprocess.run([*command, driver], env=env, check=True, capture_output=True, text=True).stdout
        assert sqlalchemy.make_url(printed.strip()).password == ODD
    missing = {**env, "AIRFLEET_DATABASE": json.dumps({"host": "h", "passwordFile": str(tmp_path / "late")})}
    failed = subprocess.run([*command, "psycopg2"], env=missing, capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("error: ") and "late" in failed.stderr


def role(database, name: str, password: str) -> None:
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        with contextlib.suppress(psycopg2.errors.DuplicateObject):
            cursor.execute(f'CREATE ROLE "{name}" SUPERUSER LOGIN')
        cursor.execute(f'ALTER ROLE "{name}" PASSWORD %s', [password])


@pytest.fixture
def demanding(server, new_database, migrated_template):
    """A migrated database whose server asks for passwords, and the role `o'brien@corp` with the password ODD."""
    folder = Path(server.execute("SHOW data_directory")[0][0])
    rules = (folder / "pg_hba.conf").read_text()
    role(server, "o'brien@corp", ODD)
    (folder / "pg_hba.conf").write_text('host all "o\'brien@corp" all scram-sha-256\n' + rules)
    server.execute("SELECT pg_reload_conf()")
    database = new_database(migrated_template)
    yield database
    (folder / "pg_hba.conf").write_text(rules)
    server.execute("SELECT pg_reload_conf()")


def test_a_new_password_is_used_for_new_connections_of_a_running_process(demanding, told, tmp_path):
    """As of a database that takes short-lived tokens: [database] sql_alchemy_connect_args brings the listener in."""
    from airflow._shared.module_loading import import_string

    token = tmp_path / "token"
    token.write_text(ODD)
    told({}, host=demanding.host, port=demanding.port, name=demanding.name, user=PARTS["user"], passwordFile=str(token))
    assert import_string("airfleet_database.connect_args") == {}
    found = database_url.read()
    engine = sqlalchemy.create_engine(database_url.url(found), poolclass=sqlalchemy.NullPool)
    later = create_async_engine(database_url.url(found, "asyncpg"), poolclass=sqlalchemy.NullPool)

    async def ask() -> str:
        async with later.connect() as connection:
            return (await connection.execute(sqlalchemy.text("SELECT current_user"))).scalar_one()

    def both() -> set[str]:
        with engine.connect() as connection:
            return {connection.execute(sqlalchemy.text("SELECT current_user")).scalar_one(), asyncio.run(ask())}

    assert both() == {PARTS["user"]}
    demanding.execute('ALTER ROLE "o\'brien@corp" PASSWORD %s', "second")
    with pytest.raises(sqlalchemy.exc.OperationalError, match="password authentication failed"):
        both()
    token.write_text("second\n")
    assert both() == {PARTS["user"]}
    # Another server's connection in the same process keeps its own password.
    other = sqlalchemy.create_engine(demanding.url.replace("postgres@", "postgres:own@"), poolclass=sqlalchemy.NullPool)
    with other.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT current_user")).scalar_one() == "postgres"


def test_the_programs_and_airflow_itself_use_the_same_parts(demanding, api, told, tmp_path):
    """Bootstrap reads the Secret from the API; the others read files; all of them compose what they connect with."""
    place = {"host": demanding.host, "port": demanding.port, "name": demanding.name, "user": "nobody"}
    api.put("mine", pw=ODD, login=PARTS["user"])
    job = airflow_environment(tmp_path, AIRFLOW__CORE__FERNET_KEY=FERNET) | api.environment()
    wanted = [{"kind": "database", "name": "mine", "keys": {"password": "pw", "user": "login"}}]
    job |= {"AIRFLEET_CREATE_SECRETS": json.dumps(wanted), "AIRFLEET_DATABASE": json.dumps(place)}
    outcome = python("airfleet_bootstrap.py", env=job)
    assert outcome.code == 0, outcome.output
    assert ODD not in outcome.output

    files = told({"database/password": ODD, "database/user": PARTS["user"]}, **place)
    command = f"python -S -E {BOOT / 'airfleet_database.py'}"
    env = (
        airflow_environment(tmp_path)
        | files
        | {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": f"{command} psycopg2",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC_CMD": f"{command} asyncpg",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": "airfleet_database.connect_args",
        }
    )
    waited = python("airfleet_wait_for_migrations.py", env=env)
    assert waited.code == 0, waited.output
    probe = python(RUNNING / "airfleet_heartbeat.py", "TriggererJob", env=env)
    assert "no running TriggererJob" in probe.output
    script = tmp_path / "ask.py"
    script.write_text(
        "import asyncio; from airflow.utils.session import create_session, create_session_async\n"
        "from sqlalchemy import text\n"
        "with create_session() as session: print('sync', session.scalar(text('SELECT current_user')))\n"
        "async def ask():\n"
        "    async with create_session_async() as session:\n"
        "        print('async', (await session.execute(text('SELECT current_user'))).scalar_one())\n"
        "asyncio.run(ask())\n"
    )
    asked = python(script, env=env)
    assert asked.code == 0, asked.output
    assert {f"sync {PARTS['user']}", f"async {PARTS['user']}"} <= set(asked.output.splitlines())


def test_a_password_file_may_come_late(demanding, told, tmp_path):
    late = tmp_path / "late"
    place = {"host": demanding.host, "port": demanding.port, "name": demanding.name, "user": PARTS["user"]}
    env = airflow_environment(tmp_path) | told({}, **place, passwordFile=str(late))
    env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD"] = f"python -S -E {BOOT / 'airfleet_database.py'} psycopg2"
    command = [sys.executable, str(BOOT / "airfleet_wait_for_migrations.py")]
    process = subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert "waiting: python" in process.stdout.readline()
    late.write_text(ODD)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output


def test_pgbouncers_files(told, tmp_path):
    """The password is in one file that only its owner reads; TLS is for the server's side."""
    files = {"database/password": 'a"b', "database/user": "u"}
    told(
        files, host="db", port=5432, name="n", tls={"sslmode": "verify-full", "sslrootcert": "/ca"}, pgbouncer={"x": 1}
    )
    database_url.write_pgbouncer(database_url.read(), tmp_path)
    assert (tmp_path / "userlist.txt").read_text() == '"u" "a""b"\n'
    assert (tmp_path / "userlist.txt").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "pgbouncer.ini").read_text().splitlines() == [
        "[databases]",
        "* = host=db port=5432",
        "[pgbouncer]",
        "x = 1",
        f"auth_file = {tmp_path}/userlist.txt",
        "server_tls_sslmode = verify-full",
        "server_tls_ca_file = /ca",
    ]

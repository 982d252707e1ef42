"""The database's question of `airfleet doctor --inside`, asked of a real PostgreSQL with the boot files of a pod."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import FAB, PROJECT, airflow_environment, free_port, python

PROGRAM = PROJECT / "scripts" / "airfleet" / "fleet" / "remote" / "airflow.py"
PASSWORD = "c4nary p@ss"


@pytest.fixture
def ask(tmp_path: Path):
    """The answer of a pod with these files of Secrets."""

    def asked(files: dict[str, str], *, patience: float = 0, **more: object) -> dict[str, Any]:
        for name, text in files.items():
            (tmp_path / "secrets" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "secrets" / name).write_text(text)
        told = {"AIRFLEET_SECRETS": str(tmp_path / "secrets"), "AIRFLEET_ANSWER": str(tmp_path / "answer")}
        told |= {"AIRFLEET_DATABASE": json.dumps(more), "AIRFLEET_PATIENCE": str(patience)}
        outcome = python(PROGRAM, "database", env=airflow_environment(tmp_path, **told))
        assert outcome.code == 0, outcome.output
        assert "c4nary" not in outcome.output
        text = (tmp_path / "answer").read_text()
        assert "c4nary" not in text
        return json.loads(text)

    return asked


def test_an_empty_database_is_to_be_migrated(ask, database) -> None:
    told = ask({"connection": database.url})
    assert told["fine"], told
    assert told["seen"].startswith("PostgreSQL 15.")
    assert "to be migrated: Airflow tables: none -> " in told["seen"]
    assert "FAB tables: none -> " in told["seen"]


def test_a_migrated_one_is_ready_whether_by_url_or_by_parts(ask, migrated) -> None:
    assert ask({"connection": migrated.url})["seen"].endswith(", migrated")
    parts = {"database/user": "postgres\n", "database/name": migrated.name}
    assert ask(parts, host=migrated.host, port=migrated.port)["seen"].endswith(", migrated")


def test_a_database_of_a_newer_airflow_is_refused(ask, migrated) -> None:
    migrated.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    told = ask({"connection": migrated.url})
    assert not told["fine"]
    assert "is at revision ffffffffffff of Airflow's tables" in told["seen"]


@pytest.fixture
def newcomer(server, database):
    """Somebody who may only connect."""
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS newcomer")
        cursor.execute("CREATE ROLE newcomer LOGIN PASSWORD %s", [PASSWORD])
    yield f"postgresql://newcomer@{database.host}:{database.port}/{database.name}"
    server.execute("DROP ROLE newcomer")


def test_whoever_may_not_make_the_tables_is_told_how_to_be_let(ask, newcomer) -> None:
    told = ask({"connection": newcomer})
    assert told["seen"].startswith("newcomer may not create tables in the schema public; Airflow tables: none")
    assert told["fix"].startswith("GRANT CREATE ON SCHEMA public TO newcomer")


def test_a_wrong_password_is_told_at_once_and_the_password_never(ask, server, newcomer, database) -> None:
    folder = Path(server.execute("SHOW data_directory")[0][0])
    rules = (folder / "pg_hba.conf").read_text()
    (folder / "pg_hba.conf").write_text("host all newcomer all scram-sha-256\n" + rules)
    server.execute("SELECT pg_reload_conf()")
    try:
        parts = {"database/user": "newcomer", "database/password": "c4nary-wrong", "database/name": database.name}
        told = ask(parts, patience=600, host=database.host, port=database.port)
        assert 'password authentication failed for user "newcomer"' in told["seen"]
        right = ask({"database/password": PASSWORD}, host=database.host, port=database.port)
        assert "may not create tables" in right["seen"]
    finally:
        (folder / "pg_hba.conf").write_text(rules)
        server.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://root:c4nary@h/d", "not a URL of PostgreSQL"),
        ("postgresql://u:c4nary@127.0.0.1:{port}/d", "Connection refused"),
        ("postgresql://u:c4nary@nowhere.invalid/d", 'could not translate host name "nowhere.invalid"'),
    ],
)
def test_what_is_wrong_with_a_connection_is_told_without_its_password(ask, url, told) -> None:
    answer = ask({"connection": url.format(port=free_port())})
    assert told in answer["seen"]
    assert answer["fix"]


def test_a_server_that_is_too_old(tmp_path, monkeypatch, migrated) -> None:
    """By the version that the image's Airflow names, since no old server can be had."""
    import importlib.util

    import importlib_metadata  # noqa: F401 - it takes the place of Python's own, as it does in Airflow

    spec = importlib.util.spec_from_file_location("inside", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.oldest_server() == 14
    monkeypatch.setattr(module, "oldest_server", lambda: 99)
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", FAB)
    import airfleet_database

    (tmp_path / "connection").write_text(migrated.url)
    monkeypatch.setattr(airfleet_database, "SECRETS", tmp_path)
    told = module.main(["database"])
    assert (told["fine"], told["seen"].endswith("is older than 99, the oldest that this Airflow is tested with")) == (
        False,
        True,
    )


def test_an_image_without_the_boot_files(tmp_path) -> None:
    answer = {"AIRFLEET_ANSWER": str(tmp_path / "answer"), "PYTHONPATH": ""}
    assert python(PROGRAM, "database", env=airflow_environment(tmp_path, **answer)).code == 0
    assert json.loads((tmp_path / "answer").read_text())["seen"].startswith("the image lacks something: No module")

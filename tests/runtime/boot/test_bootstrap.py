"""The bootstrap Job against a real PostgreSQL, the real Airflow, and Secrets over HTTP."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import time

import pytest

from conftest import BOOT, FERNET, OTHER_FERNET, airflow_environment, python


def encrypt(text: str, key: str = FERNET) -> str:
    from cryptography.fernet import Fernet

    return Fernet(key.encode()).encrypt(text.encode()).decode()


def add_variable(database, key: str = FERNET, name: str = "v") -> None:
    statement = "INSERT INTO variable (key, val, is_encrypted) VALUES (%s, %s, true)"
    database.execute(statement, name, encrypt("canary-variable", key))


def users(database) -> list[tuple]:
    return database.execute(
        "SELECT u.username, r.name FROM ab_user u JOIN ab_user_role ur ON ur.user_id = u.id"
        " JOIN ab_role r ON r.id = ur.role_id"
    )


def assert_no_secrets(output: str, api) -> None:
    values = {value for name in api.secrets for key, value in api.data(name).items() if key not in PUBLIC}
    assert values
    assert not [value for value in values if value in output or base64.b64encode(value.encode()).decode() in output]
    assert api.token not in output


PUBLIC = ("username", "host", "port", "database")


def test_fresh_install_makes_everything_and_again_changes_nothing(database, api, wanted, tmp_path):
    env = airflow_environment(tmp_path, **wanted(database))
    first = python("airfleet_bootstrap.py", env=env)
    assert first.code == 0, first.output
    assert sorted(api.secrets) == ["af-admin", "af-database", "af-keys"]
    keys = ("fernet-key", "api-secret-key", "jwt-secret")
    assert set(api.data("af-keys")) == {*keys, *(f"{key}-since" for key in keys)}
    assert all(0 <= time.time() - float(api.data("af-keys")[f"{key}-since"]) < 600 for key in keys)
    assert set(api.data("af-database")) == {"username", "password", "host", "port", "database", "connection"}
    metadata = api.secrets["af-keys"]["metadata"]
    assert metadata["labels"]["app.kubernetes.io/instance"] == "af"
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "airfleet-bootstrap"
    assert "ownerReferences" not in metadata
    assert users(database) == [("ada", "Admin")]
    assert database.execute("SELECT pool FROM slot_pool") == [("default_pool",)]
    assert_no_secrets(first.output, api)
    # The password works, by FAB's own check.
    from werkzeug.security import check_password_hash

    hashed = database.execute("SELECT password FROM ab_user")[0][0]
    assert check_password_hash(hashed, api.data("af-admin")["password"])

    before = (dict(api.secrets), users(database), database.execute("SELECT * FROM ab_permission_view_role"))
    api.calls.clear()
    second = python("airfleet_bootstrap.py", env=env)
    assert second.code == 0, second.output
    assert before == (dict(api.secrets), users(database), database.execute("SELECT * FROM ab_permission_view_role"))
    assert {method for method, _ in api.calls} == {"GET"}
    assert "nothing to migrate" in second.output
    assert len(second.output.splitlines()) < 8  # nothing of Airflow's was even imported


def test_doing_it_again_does_not_import_airflow(migrated, tmp_path):
    script = tmp_path / "again.py"
    script.write_text(
        "import sys, airfleet_bootstrap; code = airfleet_bootstrap.main()\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('airflow', 'sqlalchemy', 'alembic')])\n"
        "sys.exit(code)"
    )
    outcome = python(script, env=airflow_environment(tmp_path, migrated.url, AIRFLOW__CORE__FERNET_KEY=FERNET))
    assert outcome.code == 0, outcome.output
    assert outcome.output.splitlines()[-1] == "[]"


@pytest.mark.parametrize("table, package", [("alembic_version", "core"), ("alembic_version_fab", "fab")])
def test_unknown_revision_is_refused_and_nothing_changed(migrated, tmp_path, table, package):
    migrated.execute(f"UPDATE {table} SET version_num = 'ffffffffffff'")  # noqa: S608
    outcome = python("airfleet_bootstrap.py", env=airflow_environment(tmp_path, migrated.url))
    assert outcome.code == 78
    assert "error: the database is at revision ffffffffffff" in outcome.output
    assert package in outcome.output
    assert "fix:" in outcome.output
    assert "Traceback" not in outcome.output
    assert migrated.execute(f"SELECT version_num FROM {table}") == [("ffffffffffff",)]  # noqa: S608


@pytest.mark.parametrize("table, package", [("alembic_version", "core"), ("alembic_version_fab", "providers-fab")])
def test_a_newer_database_is_told_from_one_that_is_unknown(migrated, tmp_path, table, package):
    """Every run of the bootstrap leaves the versions behind that an older image will want to name."""
    noted = migrated.execute("SELECT obj_description('alembic_version'::regclass)")[0][0]
    assert f"apache-airflow-{package}==" in noted
    newer = re.sub(rf"(apache-airflow-{package}==)\S+", r"\g<1>99.1.0", noted)
    migrated.execute("COMMENT ON TABLE alembic_version IS %s", newer)
    migrated.execute(f"UPDATE {table} SET version_num = 'ffffffffffff'")  # noqa: S608
    for program in ("airfleet_bootstrap.py", "airfleet_wait_for_migrations.py"):
        outcome = python(program, env=airflow_environment(tmp_path, migrated.url))
        assert outcome.code == 78, outcome.output
        assert "error: the database is newer: " in outcome.output
        assert f"apache-airflow-{package} 99.1.0 has migrated it" in outcome.output
    migrated.execute("COMMENT ON TABLE alembic_version IS %s", noted)
    outcome = python("airfleet_bootstrap.py", env=airflow_environment(tmp_path, migrated.url))
    assert outcome.code == 78
    assert "newer: " not in outcome.output


def test_no_fernet_key_is_minted_over_encrypted_rows(migrated, api, wanted, tmp_path):
    add_variable(migrated)
    outcome = python("airfleet_bootstrap.py", env=airflow_environment(tmp_path, **wanted(migrated)))
    assert outcome.code == 78
    assert "Fernet key is missing, and the database holds encrypted rows" in outcome.output
    assert "variable.val" in outcome.output
    assert "delete Job af-bootstrap-1a2b3c4d" in outcome.output
    assert "af-keys" not in api.secrets


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO connection (conn_id, conn_type, password, is_encrypted, is_extra_encrypted)"
        " VALUES ('c', 'http', %s, true, false)",
        "INSERT INTO connection (conn_id, conn_type, extra, is_encrypted, is_extra_encrypted)"
        " VALUES ('c', 'http', %s, false, true)",
        "INSERT INTO variable (key, val, is_encrypted) VALUES ('v', %s, true)",
        "INSERT INTO trigger (classpath, kwargs, created_date) VALUES ('t', %s, now())",
    ],
)
def test_a_key_that_decrypts_nothing_is_refused(migrated, tmp_path, statement):
    migrated.execute(statement, encrypt("canary-value"))
    env = airflow_environment(tmp_path, migrated.url)
    wrong = python("airfleet_bootstrap.py", env=env | {"AIRFLOW__CORE__FERNET_KEY": OTHER_FERNET})
    assert wrong.code == 78
    assert "does not decrypt what the database holds" in wrong.output
    assert OTHER_FERNET not in wrong.output
    rotated = python("airfleet_bootstrap.py", env=env | {"AIRFLOW__CORE__FERNET_KEY": f"{OTHER_FERNET},{FERNET}"})
    assert rotated.code == 0, rotated.output
    assert "decrypts all 1 rows" in rotated.output


def test_rows_that_were_lost_before_are_reported_and_do_not_stop(migrated, tmp_path):
    add_variable(migrated)
    add_variable(migrated, OTHER_FERNET, "lost")
    env = airflow_environment(tmp_path, migrated.url, AIRFLOW__CORE__FERNET_KEY=FERNET)
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 0, outcome.output
    assert "warning: the Fernet key does not decrypt 1 rows in variable.val" in outcome.output


def test_unencrypted_rows_need_no_key(migrated, tmp_path):
    migrated.execute("INSERT INTO variable (key, val, is_encrypted) VALUES ('v', 'plain', false)")
    migrated.execute("INSERT INTO trigger (classpath, kwargs, created_date) VALUES ('t', '{\"a\": 1}', now())")
    outcome = python("airfleet_bootstrap.py", env=airflow_environment(tmp_path, migrated.url))
    assert outcome.code == 0, outcome.output


@pytest.mark.parametrize("key", ["short", "not base64 at all!", FERNET[:-5]])
def test_a_malformed_key_is_named_and_not_shown(migrated, tmp_path, key):
    env = airflow_environment(tmp_path, migrated.url, AIRFLOW__CORE__FERNET_KEY=key)
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 78
    assert "not 32 bytes" in outcome.output
    assert key not in outcome.output


def test_a_secret_without_a_key_is_an_error_that_names_it(migrated, api, wanted, tmp_path):
    api.put("af-keys", fernet_key=FERNET, jwt_secret="canary-jwt")
    outcome = python("airfleet_bootstrap.py", env=airflow_environment(tmp_path, **wanted(migrated)))
    assert outcome.code == 78
    assert "Secret team-a/af-keys lacks the key api-secret-key" in outcome.output
    assert "it holds fernet-key, jwt-secret" in outcome.output
    assert_no_secrets(outcome.output, api)


def test_a_key_may_have_another_name_in_a_secret_of_the_users(migrated, api, wanted, tmp_path):
    env = airflow_environment(tmp_path, **wanted(migrated, admin=None, keys=None))
    env["AIRFLEET_CREATE_SECRETS"] = '[{"kind": "database", "name": "mine", "keys": {"connection": "uri"}}]'
    api.put("mine", uri=migrated.url)
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 0, outcome.output


def test_external_secrets_are_waited_for(migrated, api, wanted, tmp_path):
    env = airflow_environment(tmp_path, **wanted(migrated, database=False, keys=False, admin=False))
    command = [sys.executable, str(BOOT / "airfleet_bootstrap.py")]
    process = subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for name, data in (
        ("af-database", {"connection": migrated.url}),
        ("af-keys", {"fernet_key": FERNET, "api_secret_key": "canary-api", "jwt_secret": "canary-jwt"}),
        ("af-admin", {"username": "grace", "password": "canary-password"}),
    ):
        line = next(line for line in process.stdout if "waiting: no Secret" in line)
        assert f"team-a/{name}" in line
        api.put(name, **data)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert users(migrated) == [("grace", "Admin")]
    assert_no_secrets(output, api)


def test_waiting_ends_with_a_code_that_is_worth_another_try(migrated, api, wanted, tmp_path):
    env = airflow_environment(tmp_path, **wanted(migrated, database=False), AIRFLEET_WAIT_SECONDS="1")
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 75
    assert "gave up waiting: no Secret team-a/af-database yet" in outcome.output


def test_the_role_may_come_late_and_somebody_else_may_be_faster(migrated, api, wanted, tmp_path):
    api.put("af-database", connection=migrated.url)
    api.put("af-admin", username="ada", password="canary-password")
    # get denied, get busy, get absent, create refused since it exists: somebody else was faster
    api.faults += [(403, "forbidden: no Role yet"), (500, "etcd is busy"), (404, ""), (409, "already exists")]
    api.put("af-keys", fernet_key=FERNET, api_secret_key="canary-api", jwt_secret="canary-jwt")
    env = airflow_environment(tmp_path, **wanted(migrated))
    env["AIRFLEET_CREATE_SECRETS"] = (
        '[{"kind": "keys", "name": "af-keys", "create": true}, {"kind": "admin", "name": "af-admin"}]'
    )
    env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = migrated.url
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 0, outcome.output
    assert "no Role yet" in outcome.output
    assert ("POST", "/api/v1/namespaces/team-a/secrets") in api.calls
    assert api.data("af-keys")["fernet-key"] == FERNET


def test_what_the_api_refuses_for_good_is_fatal(database, api, wanted, tmp_path):
    api.faults += [(404, ""), (422, "admission webhook says no")]
    outcome = python("airfleet_bootstrap.py", env=airflow_environment(tmp_path, **wanted(database)))
    assert outcome.code == 78
    assert "admission webhook says no" in outcome.output
    assert "Traceback" not in outcome.output


def test_two_at_once_do_the_work_once(database, api, wanted, tmp_path):
    env = airflow_environment(tmp_path, **wanted(database))
    command = [sys.executable, str(BOOT / "airfleet_bootstrap.py")]
    processes = [
        subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sum("the database is migrated" in output for output in outputs) == 1
    assert sum("waiting for another bootstrap" in output for output in outputs) == 1
    assert users(database) == [("ada", "Admin")]


def test_an_old_database_is_moved_forward(migrated, tmp_path):
    env = airflow_environment(tmp_path, migrated.url, AIRFLOW__CORE__FERNET_KEY=FERNET)
    add_variable(migrated)
    down = tmp_path / "down.py"
    down.write_text(
        "from airflow.utils import db; from airflow import settings\n"
        "from airflow.providers.fab.auth_manager.models.db import FABDBManager\n"
        "db.downgrade(to_revision=db._REVISION_HEADS_MAP['3.2.0'])\n"
        "FABDBManager(settings.Session()).downgrade(to_revision='6709f7a774b9')\n"
    )
    lowered = python(down, env=env)
    assert lowered.code == 0, lowered.output
    waiting = python("airfleet_wait_for_migrations.py", env=env | {"AIRFLEET_WAIT_SECONDS": "0.1"})
    assert waiting.code == 75
    assert "Airflow tables: " in waiting.output
    assert "FAB tables: 6709f7a774b9 -> " in waiting.output
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 0, outcome.output
    assert "migrating Airflow tables: " in outcome.output
    ready = python("airfleet_wait_for_migrations.py", env=env)
    assert ready.code == 0, ready.output


def test_a_first_migration_that_was_killed_is_finished(migrated, tmp_path):
    """Airflow makes the tables first and notes the revision last."""
    migrated.execute("DROP TABLE alembic_version, alembic_version_fab, ab_user_role")
    outcome = python("airfleet_bootstrap.py", env=airflow_environment(tmp_path, migrated.url))
    assert outcome.code == 0, outcome.output
    assert migrated.execute("SELECT count(*) FROM ab_user_role") == [(0,)]
    assert python("airfleet_wait_for_migrations.py", env=airflow_environment(tmp_path, migrated.url)).code == 0


def test_only_fab_behind(migrated, tmp_path):
    migrated.execute("UPDATE alembic_version_fab SET version_num = '6709f7a774b9'")
    outcome = python("airfleet_bootstrap.py", env=airflow_environment(tmp_path, migrated.url))
    assert outcome.code == 0, outcome.output
    assert migrated.execute("SELECT version_num FROM alembic_version_fab") != [("6709f7a774b9",)]


def test_an_existing_user_is_left_alone(migrated, api, wanted, tmp_path):
    api.put("af-admin", username="ada", password="canary-first")
    env = airflow_environment(tmp_path, **wanted(migrated, database=None, keys=None))
    env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = migrated.url
    assert python("airfleet_bootstrap.py", env=env).code == 0
    before = migrated.execute("SELECT username, password FROM ab_user")
    api.put("af-admin", username="ada", password="canary-second")
    assert python("airfleet_bootstrap.py", env=env).code == 0
    assert migrated.execute("SELECT username, password FROM ab_user") == before


def test_no_password_is_made_up_for_a_user_that_exists(migrated, api, wanted, tmp_path):
    env = airflow_environment(tmp_path, **wanted(migrated, database=None, keys=None))
    env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = migrated.url
    assert python("airfleet_bootstrap.py", env=env).code == 0
    assert "af-admin" in api.secrets
    del api.secrets["af-admin"]
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 0, outcome.output
    assert "af-admin" not in api.secrets


def test_a_newline_at_the_end_of_a_value_is_not_part_of_it(migrated, api, wanted, tmp_path):
    """`kubectl create secret --from-file` keeps the file's last newline; Airflow's `cat` options drop it."""
    api.put("af-database", connection=f"{migrated.url}\n")
    api.put("af-keys", fernet_key=f"{FERNET}\n", api_secret_key="canary-api\n", jwt_secret="canary-jwt\n")
    env = airflow_environment(tmp_path, **wanted(migrated, admin=None))
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 0, outcome.output


def test_single_sign_on_makes_no_user_but_roles(migrated_template):
    assert users(migrated_template) == []
    roles = migrated_template.execute("SELECT name FROM ab_role ORDER BY name")
    assert roles == [("Admin",), ("Op",), ("Public",), ("User",), ("Viewer",)]


def test_another_version_or_another_role_configuration_synchronises_again(migrated, tmp_path):
    custom = '{"Auditor": [{"action": "can_read", "resource": "Audit Logs"}]}'
    env = airflow_environment(tmp_path, migrated.url, AIRFLOW__FAB__CUSTOM_ROLES=custom)
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 0, outcome.output
    assert ("Auditor",) in migrated.execute("SELECT name FROM ab_role")
    assert "synchronised" not in python("airfleet_bootstrap.py", env=env).output


def test_without_fab_its_tables_do_not_matter(migrated, tmp_path):
    migrated.execute("UPDATE alembic_version_fab SET version_num = 'ffffffffffff'")
    simple = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
    env = airflow_environment(tmp_path, migrated.url, AIRFLOW__CORE__AUTH_MANAGER=simple)
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 0, outcome.output


def test_the_database_may_come_late(server, new_database, migrated_template, tmp_path):
    late = new_database()
    server.execute(f'DROP DATABASE "{late.name}"')
    command = [sys.executable, str(BOOT / "airfleet_bootstrap.py")]
    env = airflow_environment(tmp_path, late.url)
    process = subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    line = next(line for line in process.stdout if "waiting" in line)
    assert "does not exist" in line
    server.execute(f'CREATE DATABASE "{late.name}" TEMPLATE "{migrated_template.name}"')
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output


@pytest.mark.parametrize(
    "url, why",
    [
        ("mysql://u:canary-pw@h/d", "is not a URL of PostgreSQL"),
        ("canary-pw", "is not a URL of PostgreSQL"),
        ("postgresql://u:canary-pw@h:port/d", "or is not percent-encoded"),
        ("postgresql://u:canary-pw@%zz/d", "or is not percent-encoded"),
        ("postgresql://u:x/canary-pw@127.0.0.1/d", "or is not percent-encoded"),
        ("postgresql://u:x@canary-pw@127.0.0.1/d", "or is not percent-encoded"),
        ("postgresql://u:x?canary-pw@127.0.0.1/d", "or is not percent-encoded"),
        ("postgresql://u:canary-pw/d", "or is not percent-encoded"),
    ],
)
def test_a_broken_connection_is_explained_and_not_shown(tmp_path, url, why):
    outcome = python("airfleet_bootstrap.py", env=airflow_environment(tmp_path, url))
    assert outcome.code == 78, outcome.output
    assert why in outcome.output
    assert "canary-pw" not in outcome.output


def test_unexpected_errors_show_no_secret(migrated, api, wanted, tmp_path):
    api.put("af-admin", username="ada", password="canary-password-of-admin")
    env = airflow_environment(tmp_path, **wanted(migrated, database=None, keys=None))
    env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = migrated.url.replace("postgres@", "postgres:canary%2Fdatabase@")
    migrated.execute("ALTER TABLE ab_user DROP COLUMN email")
    outcome = python("airfleet_bootstrap.py", env=env)
    assert outcome.code == 1
    assert "Traceback" in outcome.output
    for canary in ("canary-password-of-admin", "canary%2Fdatabase", "canary/database"):
        assert canary not in outcome.output


def test_wrong_specification(tmp_path):
    for text in ('[{"kind": "keys"}]', "nonsense", '[{"kind": "other", "name": "x"}]', '[{"name": "x"}]'):
        env = airflow_environment(tmp_path, AIRFLEET_CREATE_SECRETS=text)
        outcome = python("airfleet_bootstrap.py", env=env)
        assert outcome.code == 78
        assert "AIRFLEET_CREATE_SECRETS is wrong" in outcome.output


def test_again_is_cheap(migrated, tmp_path):
    import resource

    env = airflow_environment(tmp_path, migrated.url)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    assert python("airfleet_bootstrap.py", env=env).code == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert cpu < 1, f"{cpu:.2f} s of CPU, {time.monotonic() - begun:.2f} s"

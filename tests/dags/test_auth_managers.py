"""The simple and the Keycloak auth managers, configured as the chart renders them, in the real Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from dags_harness import airflow, rendered

SIMPLE = {"manager": "simple", "simple": {"users": {"ada": "admin", "vic": "viewer"}, "secretName": "users"}}
KEYCLOAK = {"url": "https://login.example.com", "realm": "data", "clientId": "airflow", "secretName": "sso"}
SIGN_IN = """
import json
from fastapi.testclient import TestClient
from airflow.api_fastapi.app import create_app
from airflow.utils.db import initdb
initdb()
client = TestClient(create_app(apps="core"))
def ask(user, password):
    answer = client.post("/auth/token", json={"username": user, "password": password})
    token = {"Authorization": "Bearer " + answer.json().get("access_token", "")}
    may = [client.get(f"/api/v2/{path}", headers=token).status_code for path in ("dags", "connections")]
    return [answer.status_code, *may]
print(json.dumps([ask("ada", "ada's"), ask("vic", "vic's"), ask("vic", "ada's")]))
"""
ASK_KEYCLOAK = """
import json
from airflow.api_fastapi.app import create_auth_manager
manager = create_auth_manager()
client = manager.get_keycloak_client()
print(json.dumps([type(manager).__name__, client.realm_name, client.client_id, client.client_secret_key,
    client.connection.base_url]))
"""


def of(auth: dict[str, Any], tmp_path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The API server's container, and the environment of an Airflow that has its airflow.cfg."""
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"auth": auth}))
    objects = rendered(values)
    config = tmp_path / "airflow.cfg"
    config.write_text(objects["ConfigMap", "airflow-config"]["data"]["airflow.cfg"])
    container = objects["Deployment", "airflow-api-server"]["spec"]["template"]["spec"]["containers"][0]
    keys = {"AIRFLOW__API__SECRET_KEY": "k" * 32, "AIRFLOW__API_AUTH__JWT_SECRET": "j" * 64}
    return container, {**keys, "AIRFLOW_CONFIG": str(config)}


def test_the_simple_manager_takes_the_passwords_of_the_secret_and_makes_none(tmp_path: Path) -> None:
    container, env = of(SIMPLE, tmp_path)
    (tmp_path / "users").mkdir()
    for user in ("ada", "vic"):
        (tmp_path / "users" / user).write_text(f"{user}'s\n")
    passwords = tmp_path / "passwords.json"
    shell, flag, script, name = container["command"]
    for path, ours in (("/opt/airfleet/secrets/users", tmp_path / "users"), ("/tmp/passwords.json", passwords)):
        assert path in script
        script = script.replace(path, str(ours))
    script = script.replace("/usr/bin/dumb-init -- /entrypoint", "echo")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    argv = [shell, flag, script, name, *container["args"]]
    done = subprocess.run(argv, env={"PATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("api-server --workers 1")
    assert json.loads(passwords.read_text()) == {"ada": "ada's", "vic": "vic's"}
    assert passwords.stat().st_mode & 0o777 == 0o600
    env["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] = str(passwords)
    assert airflow(SIGN_IN, tmp_path, **env) == [[201, 200, 200], [201, 200, 403], [401, 401, 401]]
    assert json.loads(passwords.read_text()) == {"ada": "ada's", "vic": "vic's"}


def test_the_keycloak_manager_is_told_by_values_and_its_secret_by_a_file(tmp_path: Path) -> None:
    container, env = of({"manager": "keycloak", "keycloak": KEYCLOAK}, tmp_path)
    option = "AIRFLOW__KEYCLOAK_AUTH_MANAGER__CLIENT_SECRET_CMD"
    command = next(e["value"] for e in container["env"] if e["name"] == option)
    secret = tmp_path / "secret"
    secret.write_text("a-secret")  # Airflow takes what a command prints as it is
    assert command == "cat /opt/airfleet/secrets/keycloak-client-secret"
    seen = airflow(ASK_KEYCLOAK, tmp_path, **env, **{option: f"cat {secret}"})
    assert seen == ["KeycloakAuthManager", "data", "airflow", "a-secret", "https://login.example.com"]

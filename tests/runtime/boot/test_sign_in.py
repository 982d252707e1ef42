"""The program of single sign-on in the real Airflow, with a provider that can be made to issue wrong tokens.

What a real provider does is tested live: tests/lab/airflow/test_single_sign_on.py.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from conftest import FERNET, PROJECT, airflow_environment, python

PROGRAM = PROJECT / "chart" / "files" / "auth" / "webserver_config.py"
SECRET = "the-client-secret"


def environment(home: Path, url: str) -> dict[str, str]:
    shutil.copy(PROGRAM, home)
    (home / "client-secret").write_text(SECRET + "\n")
    return airflow_environment(
        home,
        url,
        AIRFLEET_OIDC_CLIENT_SECRET=str(home / "client-secret"),
        AIRFLOW__API__BASE_URL="https://airflow.test",
        AIRFLOW__API__SECRET_KEY="k" * 32,
        AIRFLOW__API_AUTH__JWT_SECRET="j" * 64,
        AIRFLOW__CORE__FERNET_KEY=FERNET,
        AIRFLOW__FAB__COOKIE_SECURE="True",
        AIRFLOW__FAB__CONFIG_FILE=str(home / "webserver_config.py"),
        AIRFLOW__FAB__ENABLE_PROXY_FIX="True",
    )


@pytest.fixture(scope="module")
def seen(new_database, migrated_template, tmp_path_factory) -> dict[str, Any]:
    """What came of each way to sign in."""
    home = tmp_path_factory.mktemp("sso")
    database = new_database(migrated_template)
    outcome = python(Path(__file__).with_name("sign_in.py"), str(home), env=environment(home, database.url))
    assert outcome.code == 0, outcome.output
    found = json.loads(next(line for line in reversed(outcome.output.splitlines()) if line.startswith('{"none"')))
    return found | {"output": outcome.output}


@pytest.mark.parametrize("way", ["none", "group as one text", "group at a path", "groups from userinfo"])
def test_a_good_token_opens(seen, way):
    assert (seen[way]["token"], seen[way]["dags"]) == (True, 200)


@pytest.mark.parametrize(
    "way",
    [
        "another issuer",
        "another audience",
        "another nonce",
        "expired",
        "signed by another",
        "not signed",
        "no ID token",
        "no groups",
        "unknown group",
        "no name",
        "userinfo of another",
        "name of a local user",
        "address of another user",
    ],
)
def test_anything_else_does_not(seen, way):
    assert (seen[way]["callback"], seen[way]["token"], seen[way]["dags"]) == (302, False, 401)


def test_a_login_brings_state_nonce_and_pkce_and_comes_back_to_the_base_url(seen):
    query = seen["none"]["query"]
    assert query["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= query.keys()
    assert query["redirect_uri"] == ["https://airflow.test/auth/oauth-authorized/sso"]  # not the forwarded host
    assert query["scope"] == ["openid profile"]
    assert seen["none"]["asked"]["code_verifier"]
    assert query["nonce"] != seen["expired"]["query"]["nonce"]


def test_the_cookies_are_for_https_only(seen):
    cookies = {cookie.partition("=")[0]: cookie for cookie in seen["none"]["cookies"]}
    assert {"_token", "session"} <= cookies.keys()
    for cookie in cookies.values():
        assert {"Secure", "HttpOnly", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}, cookie


def test_a_logout_leads_to_the_providers_and_the_token_counts_no_more(seen):
    out = seen["signed out"]
    assert out["first"] == "https://airflow.test/auth/logout/"
    end, query = urlsplit(out["second"]), parse_qs(urlsplit(out["second"]).query)
    assert end.path == "/end"
    assert query["post_logout_redirect_uri"] == ["https://airflow.test/auth/login/"]
    assert query["id_token_hint"][0].count(".") == 2
    assert out["old"] == 403  # a token that was revoked; 401 is none at all


def test_only_a_local_user_gets_a_token_by_password(seen):
    assert seen["token local its-own-password"] == 201
    assert seen["token ada "] == 400
    assert seen["token ada x"] == 401


def test_a_local_user_keeps_its_roles_and_losing_every_group_takes_all(seen):
    assert seen["users"]["local"] == ["Viewer"]
    assert seen["users"]["ada"] == ["Admin"]  # signed in last with a good token
    assert "mallory" not in seen["users"]


def test_nothing_of_it_is_logged(seen):
    for secret in (SECRET, "an-access-token"):
        assert secret not in seen["output"].replace(json.dumps(seen), "")


@pytest.mark.parametrize("missing", ["oidc.json", "client-secret"])
def test_without_its_settings_airflow_does_not_start_rather_than_ask_for_passwords(migrated, tmp_path, missing):
    env = environment(tmp_path, migrated.url)
    if missing == "client-secret":
        (tmp_path / missing).unlink()
        (tmp_path / "oidc.json").write_text('{"name": "sso"}')
    script = tmp_path / "start.py"
    script.write_text("from airflow.api_fastapi.app import create_app\ncreate_app(apps='core')\nprint('started')\n")
    outcome = python(script, env=env)
    assert outcome.code != 0
    assert "single sign-on is on, but its settings can't be read" in outcome.output

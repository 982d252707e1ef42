"""Who may sign in, as far as it is rendered: what Airflow does with it stands in tests/runtime and tests/lab."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from chart_harness.objects import Rendered
from chart_harness.render import CHART, RefusedError, render
from chart_harness.rules import RULES
from chart_harness.scenarios import HTTPS, KEYCLOAK, OIDC, rendered

GUIDE = CHART.parent / "docs" / "guide" / "single-sign-on.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
PROGRAM = CHART / "files" / "auth" / "webserver_config.py"


def oidc(**options: Any) -> Rendered:
    return render({"auth": {"oidc": {**OIDC, **options}}, **HTTPS})


def digest(r: Rendered, component: str) -> str:
    return str(r.pod(component).metadata["annotations"]["airfleet/config-digest"])


def test_the_program_is_the_same_for_all_values_and_the_settings_are_data() -> None:
    evil = '"""; import os  # {{ .Values }}'
    data = oidc(clientId=evil, roleMapping={evil: ["Admin"]}).get("ConfigMap/airflow-auth")["data"]
    assert data["webserver_config.py"] == PROGRAM.read_text()
    settings = json.loads(data["oidc.json"])
    assert (settings["clientId"], settings["roleMapping"]) == (evil, {evil: ["Admin"]})
    assert "secretName" not in settings
    assert "sso-client" not in json.dumps(data)


def test_only_the_api_server_has_the_program() -> None:
    r = rendered("single sign-on")
    assert [pod.component for pod in r.pods if "airflow-auth" in json.dumps(pod.spec)] == ["api-server"]


def test_a_changed_role_restarts_the_api_server_and_nothing_else() -> None:
    before, after = oidc(), oidc(roleMapping={"ops": ["Op"]})
    assert digest(before, "api-server") != digest(after, "api-server")
    assert digest(before, "scheduler") == digest(after, "scheduler")


@pytest.mark.parametrize(
    ("values", "makes"),
    [
        ({}, True),
        ({"auth": {"oidc": OIDC}}, False),
        ({"auth": {"oidc": OIDC}, "admin": {"create": True}}, True),
        ({"auth": {"oidc": {**OIDC, "enabled": False}}}, True),
        ({"auth": {"manager": "keycloak", "keycloak": KEYCLOAK}, "admin": {"create": True}}, False),
        ({"admin": {"create": False}}, False),
    ],
)
def test_there_is_a_local_administrator_only_where_nobody_else_could_come_in(
    values: dict[str, Any], makes: bool
) -> None:
    assert ("airflow-admin" in render({**values, **HTTPS}).made_by_bootstrap) == makes


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ({"oidc": {"enabled": True}}, "auth.oidc.issuer is not set"),
        ({"oidc": {**OIDC, "roleMapping": {}}}, "auth.oidc.roleMapping is not set"),
        ({"oidc": OIDC, "webserverConfig": "own"}, "auth.webserverConfig takes the place"),
        ({"oidc": OIDC, "manager": "simple"}, "auth.oidc is a way to sign in to FAB"),
        ({"manager": "simple", "simple": {"users": {"ada": "root"}, "secretName": "x"}}, "no role of the simple"),
        ({"manager": "keycloak"}, "auth.keycloak.realm is not set"),
    ],
)
def test_what_would_let_nobody_in_is_refused_with_the_fix(auth: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedError, match=rf"{said}.*Fix: "):
        render({"auth": auth, **HTTPS})


def test_single_sign_on_without_a_base_url_is_refused_with_the_fix() -> None:
    with pytest.raises(RefusedError, match=r"auth.oidc needs to know where.*Fix: set apiServer.baseUrl"):
        render({"auth": {"oidc": OIDC}})


@pytest.mark.parametrize(("url", "secure"), [("https://a.example.com", True), ("http://a.example.com", False)])
def test_the_session_cookie_is_for_https_where_the_base_url_is(url: str, secure: bool) -> None:
    text = render({"apiServer": {"baseUrl": url}}).get("ConfigMap/airflow-config")["data"]["airflow.cfg"]
    assert ("cookie_secure = True" in text) == secure


def test_the_workers_configuration_says_nothing_of_keycloak() -> None:
    r = rendered("the Keycloak auth manager")
    assert "realm" in r.get("ConfigMap/airflow-config")["data"]["airflow.cfg"]
    assert "realm" not in r.get("ConfigMap/airflow-worker-config")["data"]["airflow.cfg"]


def test_the_settings_of_the_values_are_those_that_the_program_reads() -> None:
    """Nothing is rendered that it ignores."""
    program = PROGRAM.read_text()
    documented = yaml.safe_load((CHART / "values.yaml").read_text())["auth"]["oidc"]
    for key in documented.keys() - {"enabled", "secretName"}:
        assert f'"{key}"' in program


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_of_the_guide_renders_and_keeps_the_rules(block: str) -> None:
    r = render(yaml.safe_load(block))
    assert {name: list(rule(r)) for name, rule in RULES.items() if list(rule(r))} == {}


def test_the_guide_has_a_block_for_each_provider_and_manager() -> None:
    assert len(BLOCKS) == 8

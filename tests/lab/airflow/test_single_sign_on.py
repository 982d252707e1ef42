"""Signing in with a real provider, behind a proxy that ends TLS: who comes in, as what, and how they leave.

FAB's single sign-on first; then the same release with each of the two other auth managers.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from airfleet.errors import ExitCode
from airfleet.kube import Cluster
from airfleet.lab import Lab
from airfleet.paths import project_root
from lab_harness.doctor import doctor, start
from lab_harness.identity import (
    AIRFLOW,
    CLIENT,
    CLIENT_SECRET,
    IDP,
    ISSUER,
    MANAGER,
    PASSWORD,
    Browser,
    Provider,
    is_form,
)
from lab_harness.release import Release, until
from lab_harness.runbook import runbook

CONNECTIONS, DAGS = "/api/v2/connections", "/api/v2/dags"


@pytest.fixture(scope="module")
def release(lab: Lab, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release of its own: whoever tests the shared ones signs in with a password."""
    return Release(lab, cluster, "sso", "sso", tmp_path_factory.mktemp("sso"))


@pytest.fixture(scope="module")
def provider(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Keycloak, the proxy, and Airflow that trusts both."""
    service = f"{release.name}-api-server.{release.namespace}"
    provider = Provider(release.lab, release.cluster, tmp_path_factory.mktemp("idp"), service)
    provider.start()
    release.prepare([])
    release.cluster.put_config_map(release.namespace, "authority", {"ca.crt": provider.certificate})
    made = release.kubectl("create", "secret", "generic", "sso-client", f"--from-literal=client-secret={CLIENT_SECRET}")
    assert made.code == 0, made.stderr
    release.install(
        {
            "logs": {"persistence": {"enabled": False}},
            "caBundle": {"configMap": "authority"},
            "apiServer": {
                "baseUrl": f"https://{AIRFLOW}",
                "hostAliases": [{"ip": provider.address, "hostnames": [IDP]}],
            },
            "scheduler": {"replicas": 0},
            "dagProcessor": {"replicas": 0},
            "triggerer": {"replicas": 0},
            "auth": {
                "oidc": {
                    "enabled": True,
                    "issuer": ISSUER,
                    "clientId": CLIENT,
                    "secretName": "sso-client",
                    "roleMapping": {"platform": ["Admin"], "analysts": ["Viewer"]},
                }
            },
        }
    )
    provider.wait("keycloak")
    provider.wait("proxy")
    with provider.reachable():
        yield provider
    release.remove()
    release.cluster.core.delete_namespace(provider.namespace)


def may(browser: Browser) -> dict[str, int]:
    """What the API answers to reading DAGs (every role), and connections (not a Viewer's)."""
    return {path: browser.api(path).status for path in (DAGS, CONNECTIONS)}


NOBODY = {DAGS: HTTPStatus.UNAUTHORIZED, CONNECTIONS: HTTPStatus.UNAUTHORIZED}
ADMIN = {DAGS: HTTPStatus.OK, CONNECTIONS: HTTPStatus.OK}
VIEWER = {DAGS: HTTPStatus.OK, CONNECTIONS: HTTPStatus.FORBIDDEN}


def test_a_group_is_a_role_from_the_first_login_on(provider: Provider) -> None:
    ada, vic = provider.browser(), provider.browser()
    assert may(ada) == NOBODY
    assert ada.sign_in("ada").url.startswith(f"https://{AIRFLOW}/")
    assert may(ada) == ADMIN
    vic.sign_in("vic")
    assert may(vic) == VIEWER


def test_whoever_is_in_no_group_of_ours_does_not_come_in(provider: Provider) -> None:
    eve = provider.browser()
    assert eve.sign_in("eve").url.startswith(f"https://{AIRFLOW}/auth/login/")
    assert may(eve) == NOBODY
    assert eve.cookie("_token") is None
    ada = provider.browser()
    ada.sign_in("ada")
    users = {user["username"] for user in ada.api("/auth/fab/v1/users").json()["users"]}
    assert "eve" not in users  # and there is no administrator beside the provider's people
    assert "admin" not in users


def test_a_change_of_group_counts_from_the_next_login_on(provider: Provider) -> None:
    vic = provider.browser()
    vic.sign_in("vic")
    assert may(vic) == VIEWER
    try:
        provider.put_into("vic", "platform")
        again = provider.browser()
        again.sign_in("vic")
        assert may(again) == ADMIN
        provider.put_into("vic", "strangers")
        out = provider.browser()
        out.sign_in("vic")
        assert may(out) == NOBODY
        # Who lost the last role has lost it in the sessions of before, too.
        assert may(vic) == {DAGS: HTTPStatus.FORBIDDEN, CONNECTIONS: HTTPStatus.FORBIDDEN}
    finally:
        provider.put_into("vic", "analysts")


def test_a_logout_ends_the_session_at_both(provider: Provider) -> None:
    ada = provider.browser()
    ada.sign_in("ada")
    assert not is_form(ada.begin())  # signed in at both
    token = ada.cookie("_token").value
    left = ada.api("/api/v2/auth/logout")
    assert (left.status, left.url.partition("?")[0]) == (HTTPStatus.OK, f"https://{AIRFLOW}/auth/login/")
    assert may(ada) == NOBODY
    assert is_form(ada.begin())  # the provider asks again
    stolen = {"Authorization": f"Bearer {token}"}
    assert provider.browser().api(DAGS, headers=stolen).status == HTTPStatus.FORBIDDEN


def test_the_cookies_are_for_https_and_not_for_scripts(provider: Provider) -> None:
    ada = provider.browser()
    ada.sign_in("ada")
    for name in ("_token", "session"):
        cookie = ada.cookie(name)
        assert cookie.secure
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert cookie.get_nonstandard_attr("SameSite") == "Lax"


def test_a_login_can_not_be_finished_by_another_browser(provider: Provider) -> None:
    """The state belongs to the session that began, so nobody can be made to sign in as somebody else."""
    ada, other = provider.browser(), provider.browser()
    seen: list[str] = []
    opener = ada.open

    def spy(url: str, *args: object, **options: object) -> object:
        seen.append(url)
        return opener(url, *args, **options)  # type: ignore[arg-type]

    ada.open = spy  # type: ignore[method-assign,assignment]
    page = ada.sign_in("ada")
    assert page.url.startswith(f"https://{AIRFLOW}/")
    other.api("/auth/oauth-authorized/sso?code=stolen&state=stolen")
    assert may(other) == NOBODY


def test_the_client_secret_is_in_no_environment_and_no_config_map(release: Release, provider: Provider) -> None:
    everything = release.kubectl("get", "configmaps,deployments,jobs,pods", "--output", "json").stdout
    assert ISSUER in everything.replace("\\/", "/")
    for text in (CLIENT_SECRET, base64.b64encode(CLIENT_SECRET.encode()).decode()):
        assert text not in everything
    (pod,) = release.pods("api-server")
    environ = "cat /proc/[0-9]*/environ | tr '\\0' '\\n'"
    seen = release.kubectl("exec", pod.metadata.name, "--container", "base", "--", "bash", "-c", environ).stdout
    assert "AIRFLOW__CORE__FERNET_KEY_CMD" in seen
    assert CLIENT_SECRET not in seen


def test_break_glass_while_the_provider_is_away(release: Release, provider: Provider) -> None:
    provider.scale("keycloak", 0)
    try:
        runbook("break-glass").run(release, CHART=str(project_root() / "chart"))
    finally:
        provider.scale("keycloak", 1)
    ada = provider.browser()
    until("the provider to sign people in again", lambda: is_form(ada.begin()), 60)


def test_doctor_asks_the_provider_as_the_api_server(release: Release, provider: Provider, tmp_path: Path) -> None:
    told = doctor(release, tmp_path)
    assert re.fullmatch(rf"{ISSUER} answers, its certificate is trusted, \d signing keys?", told.only("identity"))
    stranger = doctor(release, tmp_path, caBundle={"configMap": ""})
    assert "CERTIFICATE_VERIFY_FAILED" in stranger.only("identity")
    other = doctor(release, tmp_path, auth={"oidc": {"issuer": f"{ISSUER}/"}})
    assert f"is of the issuer {ISSUER}, and the values say {ISSUER}/" in other.only("identity")


def test_nobody_is_sent_to_the_pod_that_asks_though_it_looks_like_an_api_server(
    release: Release, provider: Provider, tmp_path: Path
) -> None:
    """Its containers run, and still it is not ready: a Service leaves it out."""
    process = start(release, tmp_path, auth={"oidc": {"issuer": f"https://{IDP}:1/"}})  # it tries that for a while

    def conditions() -> dict[str, str]:
        asking = [
            pod for pod in release.pods("api-server") if pod.metadata.name.startswith("airfleet-doctor-identity-")
        ]
        return {c.type: c.status for pod in asking for c in pod.status.conditions or []}

    running = lambda: (found := conditions()).get("ContainersReady") == "True" and found
    assert until("the pod that asks", running, 120)["Ready"] == "False"
    out, err = process.communicate(timeout=300)
    assert process.returncode == ExitCode.ERROR, err
    assert "identity PROBLEM: https://idp.lab:1/.well-known/openid-configuration: " in out


def manage(release: Release, auth: Mapping[str, Any]) -> None:
    """Let another auth manager decide, and wait for the API server that does so to be the only one."""
    release.install({**release.values, "auth": auth})
    until("the old API server to be gone", lambda: len(release.pods("api-server")) == 1)


@pytest.fixture(scope="module")
def keycloak(release: Release, provider: Provider) -> Provider:
    """The manager keycloak, and in Keycloak what the guide's command makes there."""
    secret = {"realm": "lab", "clientId": MANAGER, "secretName": "sso-client"}
    manage(release, {"manager": "keycloak", "keycloak": {"url": f"https://{IDP}", **secret}})
    guide = (project_root() / "docs" / "guide" / "single-sign-on.md").read_text()
    (command,) = re.findall(r"^    (kubectl .*\\\n.*create-all.*)$", guide, re.MULTILINE)
    for theirs, ours in ((" airflow exec", " sso exec"), ("/airflow-api-server", "/sso-api-server"), (" --tty", "")):
        assert theirs in command
        command = command.replace(theirs, ours)
    command = command.replace("\\\n", " ")
    for _ in range(2):  # doing it again does no harm
        done = release.lab.kubectl(*shlex.split(command)[1:], stdin=f"{PASSWORD}\n", check=False)
        assert done.code == 0, done.stdout + done.stderr
    return provider


CONNECTION = {"connection_id": "mine", "conn_type": "generic"}


def rights(browser: Browser, token: str = "") -> tuple[int, int]:
    """What the API answers to reading DAGs, and to making a connection."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    name = {"connection_id": f"c{id(browser)}"}
    made = browser.api(CONNECTIONS, body={**CONNECTION, **name}, headers=headers)
    return browser.api(DAGS, headers=headers).status, made.status


def token(browser: Browser, user: str, password: str = PASSWORD) -> tuple[int, str]:
    """A program's token for a user's password."""
    page = browser.api("/auth/token", body={"username": user, "password": password})
    return page.status, page.json().get("access_token", "")


@pytest.mark.long  # tests/README.md says why
def test_keycloak_decides_what_a_role_may(keycloak: Provider) -> None:
    ada, vic, eve = (keycloak.browser() for _ in range(3))
    assert rights(ada) == (HTTPStatus.UNAUTHORIZED, HTTPStatus.UNAUTHORIZED)
    for browser, user in ((ada, "ada"), (vic, "vic"), (eve, "eve")):
        assert browser.sign_in(user, "/auth/login").url == f"https://{AIRFLOW}/"
    assert rights(ada) == (HTTPStatus.OK, HTTPStatus.CREATED)
    assert rights(vic) == (HTTPStatus.OK, HTTPStatus.FORBIDDEN)
    assert rights(eve) == (HTTPStatus.FORBIDDEN, HTTPStatus.FORBIDDEN)


@pytest.mark.long  # tests/README.md says why
def test_a_program_gets_a_token_of_keycloaks_user(keycloak: Provider) -> None:
    program = keycloak.browser()
    assert token(program, "vic", "not hers")[0] == HTTPStatus.FORBIDDEN
    for user, may in (("ada", HTTPStatus.CREATED), ("vic", HTTPStatus.FORBIDDEN)):
        status, bearer = token(program, user)
        assert status == HTTPStatus.CREATED
        assert rights(keycloak.browser(), bearer) == (HTTPStatus.OK, may)


@pytest.mark.long  # tests/README.md says why
def test_a_logout_from_the_keycloak_manager_ends_the_session_at_both(keycloak: Provider) -> None:
    ada = keycloak.browser()
    ada.sign_in("ada", "/auth/login")
    assert not is_form(ada.begin("/auth/login"))
    assert is_form(ada.api("/api/v2/auth/logout"))
    assert ada.cookie("_token") is None
    assert rights(ada) == (HTTPStatus.UNAUTHORIZED, HTTPStatus.UNAUTHORIZED)


@pytest.mark.long  # tests/README.md says why
def test_the_simple_manager_knows_the_users_of_its_secret(release: Release, provider: Provider) -> None:
    passwords = ("--from-literal=ada=ada's own", "--from-literal=vic=vic's own")
    assert release.kubectl("create", "secret", "generic", "airflow-users", *passwords).code == 0
    simple = {"users": {"ada": "admin", "vic": "viewer"}, "secretName": "airflow-users"}
    manage(release, {"manager": "simple", "simple": simple})
    for user, may in (("ada", HTTPStatus.CREATED), ("vic", HTTPStatus.FORBIDDEN)):
        status, bearer = token(provider.browser(), user, f"{user}'s own")
        assert status == HTTPStatus.CREATED
        assert rights(provider.browser(), bearer) == (HTTPStatus.OK, may)
    assert token(provider.browser(), "vic", "ada's own")[0] == HTTPStatus.UNAUTHORIZED

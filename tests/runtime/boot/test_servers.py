"""The API server and the Execution API, each by itself below a path: started as the chart starts them, asked as its
probes, its workers and a proxy ask them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from conftest import FERNET, PROJECT, Database, airflow_environment, free_port, mounted

VALUES = {
    "apiServer": {"ingress": {"enabled": True, "hosts": ["airflow.example.com"], "path": "/team-a"}},
    "executionApi": {"enabled": True},
}
SECRETS = {
    "AIRFLOW__CORE__FERNET_KEY": FERNET,
    "AIRFLOW__API_AUTH__JWT_SECRET": "canary-jwt-secret-of-the-control-plane-64-bytes-long-" * 2,
}
API_SECRET = {"AIRFLOW__API__SECRET_KEY": "canary-api-secret-key"}


@dataclass(frozen=True)
class Server:
    """A running server and what its Deployment says about it."""

    port: int
    container: dict
    log: Path
    exporter: socket.socket

    def get(self, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode(errors="replace")


@pytest.fixture(scope="module")
def objects() -> dict[str, dict]:
    from airfleet.helm import run_helm

    argv = ["template", "af", str(PROJECT / "chart"), "--namespace", "data", "--values", "-"]
    found = [o for o in yaml.safe_load_all(run_helm(argv, stdin=yaml.safe_dump(VALUES)).stdout) if o]
    return {f"{o['kind']}/{o['metadata']['name']}": o for o in found}


@pytest.fixture(scope="module", params=["api-server", "execution-api"])
def serving(request, objects, new_database, migrated_template: Database, tmp_path_factory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp(request.param)
    config = home / "airflow.cfg"
    config.write_text(objects["ConfigMap/af-config"]["data"]["airflow.cfg"])
    container = objects[f"Deployment/af-{request.param}"]["spec"]["template"]["spec"]["containers"][0]
    given = {e["name"]: e["value"] for e in container["env"] if e["name"] in ("FORWARDED_ALLOW_IPS",)}
    secrets = SECRETS | (API_SECRET if request.param == "api-server" else {})
    env = airflow_environment(home, new_database(migrated_template).url, AIRFLOW_CONFIG=str(config), **given, **secrets)
    exporter = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    exporter.bind(("127.0.0.1", 0))
    env |= {f"AIRFLOW__METRICS__STATSD_{name}": "True" for name in ("ON", "INFLUXDB_ENABLED")}
    env |= {"AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1", "PYTHONPATH": str(mounted(home / "boot"))}
    env |= {"AIRFLOW__METRICS__STATSD_PORT": str(exporter.getsockname()[1])}
    port = free_port()
    command = [sys.executable, "-m", "airflow", *container["args"], "--port", str(port), "--host", "127.0.0.1"]
    log = home / "log"
    with log.open("w") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out, start_new_session=True)
    running = Server(port, container, log, exporter)
    try:
        deadline = time.monotonic() + 180
        while not started(running):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield running
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
        exporter.close()


def started(serving: Server) -> bool:
    try:
        return serving.get(serving.container["startupProbe"]["httpGet"]["path"])[0] == 200
    except OSError:
        return False


def is_execution(serving: Server) -> bool:
    return "execution" in serving.container["args"]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_every_probe_is_answered_by_what_it_asks_for(serving: Server, probe: str) -> None:
    """The core app answers an unknown path with its page and 200, so a wrong probe would seem fine: JSON tells."""
    status, headers, text = serving.get(serving.container[probe]["httpGet"]["path"])
    assert (status, headers.get_content_type()) == (200, "application/json")
    assert {"status", "version"} & set(json.loads(text))


def test_workers_find_the_execution_api_where_they_are_sent(serving: Server, objects: dict[str, dict]) -> None:
    config = objects["ConfigMap/af-worker-config"]["data"]["airflow.cfg"]
    (url,) = (line.partition("=")[2].strip() for line in config.splitlines() if "execution_api_server_url" in line)
    status, headers, text = serving.get(f"{urlsplit(url).path}health")
    serves = status == 200 and headers.get_content_type() == "application/json" and "healthy" in text
    assert serves == is_execution(serving)
    assert ("af-execution-api." in url) and urlsplit(url).path == "/team-a/execution/"


def test_ui_and_login_are_served_by_the_api_server_alone(serving: Server) -> None:
    for path in ("/team-a/", "/team-a/auth/login/", "/team-a/api/v2/version"):
        status, _, _ = serving.get(path)
        assert status == (404 if is_execution(serving) else 200), path


@pytest.mark.parametrize("serving", ["api-server"], indirect=True)
def test_a_proxy_is_believed_that_the_connection_is_secure(serving: Server) -> None:
    cookies = {
        proto: serving.get("/team-a/auth/logout", X_Forwarded_Proto=proto, Host="airflow.example.com")[1].get_all(
            "Set-Cookie"
        )
        for proto in ("http", "https")
    }
    assert all("Secure" in cookie and "Path=/team-a" in cookie for cookie in cookies["https"])
    assert not any("Secure" in cookie for cookie in cookies["http"])


@pytest.mark.parametrize("serving", ["api-server"], indirect=True)
def test_the_login_page_is_told_the_host_that_people_use(serving: Server) -> None:
    """Flask makes its links and redirects from X-Forwarded-Host: what single sign-on returns to."""
    status, headers, _ = serving.get(
        "/team-a/auth/login", X_Forwarded_Proto="https", X_Forwarded_Host="air.example.com"
    )
    assert status in (301, 302, 307, 308)
    assert headers["Location"].startswith(("https://air.example.com/team-a/auth/login", "/team-a/auth/login"))


def test_requests_are_timed_by_api_and_status(serving: Server) -> None:
    """Probes are not: there are more of them than of anything else."""
    serving.exporter.settimeout(0.5)

    def sent() -> list[str]:
        lines = []
        try:
            while True:
                lines += serving.exporter.recv(2000).decode().split("\n")
        except TimeoutError:
            return [line for line in lines if line.startswith("airflow.api.request")]

    sent()
    api = "execution" if is_execution(serving) else "core"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        serving.get(serving.container[probe]["httpGet"]["path"])
    assert sent() == []
    ask = {"execution": "execution/variables/x", "core": "api/v2/dags"}
    status, _, text = serving.get(f"/team-a/{ask[api]}")
    assert status in (401, 403), text
    (line,) = sent()
    name, _, timing = line.partition(":")
    assert sorted(name.split(",")) == ["airflow.api.request", f"api={api}", "status=4xx"]
    assert timing.endswith("|ms") and 0 < float(timing.removesuffix("|ms")) < 30_000


def test_an_error_that_nobody_handles_is_a_5xx(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow._shared.observability.metrics import stats
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    build = FastAPI.build_middleware_stack
    try:
        import airfleet_requests  # noqa: F401

        app, told = FastAPI(), []
        app.get("/fails")(lambda: 1 / 0)
        monkeypatch.setattr(stats, "timing", lambda name, ms, tags: told.append((name, tags)))
        assert TestClient(app, raise_server_exceptions=False).get("/fails").status_code == 500
        assert told == [("api.request", {"api": "core", "status": "5xx"})]
    finally:
        FastAPI.build_middleware_stack = build
        sys.modules.pop("airfleet_requests", None)

"""What `airfleet doctor --inside` asks of log stores and identity providers, by Airflow's own clients."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from dags_harness import PROGRAMS, PROJECT, rendered
from elasticsearch_server import _certificate, elasticsearch
from s3_server import s3

PROGRAM = PROJECT / "scripts" / "airfleet" / "fleet" / "remote" / "airflow.py"
KEY = "c4nary-secret-key"


def ask(folder: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    """The answer of the program in a process of its own."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "AIRFLOW_HOME": str(folder)}
    env |= {"PYTHONPATH": ":".join(map(str, PROGRAMS)), "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db"}
    env |= {"AIRFLEET_ANSWER": str(folder / "answer"), "AIRFLEET_PATIENCE": "0", **environment}
    # As a pod does: by -c, with the program as an argument.
    argv = [sys.executable, "-c", PROGRAM.read_text(), *arguments]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-4000:]
    text = (folder / "answer").read_text()
    assert "c4nary" not in text + done.stdout + done.stderr
    told: dict[str, Any] = json.loads(text)
    return told


def worker(folder: Path, remote: dict[str, Any], credentials: str = "", **values: Any) -> dict[str, str]:
    """The environment of a worker whose logs go there; /opt/airfleet is in this folder."""
    file, mounted = folder / "values.yaml", folder / "mounted"
    file.write_text(yaml.safe_dump({"logs": {"remote": remote}, **values}))
    objects = rendered(file)
    moved = lambda text: text.replace("/opt/airfleet/", f"{mounted}/")
    for name in ("config", "log-credentials", "ca"):
        (mounted / name).mkdir(parents=True, exist_ok=True)
    (mounted / "config/airflow.cfg").write_text(
        moved(objects["ConfigMap", "airflow-worker-config"]["data"]["airflow.cfg"])
    )
    (mounted / "log-credentials/credentials").write_text(credentials)
    template = yaml.safe_load(objects["ConfigMap", "airflow-pod-templates"]["data"]["default.yaml"])
    env = {e["name"]: moved(e["value"]) for e in template["spec"]["containers"][0]["env"]}
    return {name: value for name, value in env.items() if name not in ("HOME", "PYTHONPATH")}


def in_s3(folder: Path, url: str) -> dict[str, str]:
    remote = {"type": "s3", "folder": "s3://logs/airflow", "secretName": "keys"}
    remote["s3"] = {"endpointUrl": url, "region": "us-east-1"}
    keys = f"[airflow-logs]\naws_access_key_id = somebody\naws_secret_access_key = {KEY}\n"
    return worker(folder, remote, keys)


def test_logs_in_s3_are_written_read_and_deleted_under_a_name_of_our_own(tmp_path: Path) -> None:
    with s3() as server:
        told = ask(tmp_path, "logs", "client", **in_s3(tmp_path, server.url))
        assert told == {"fine": True, "seen": "s3://logs/airflow: written, read and deleted", "fix": ""}
        assert server.objects == {}
        assert {action for action, _ in server.requests} >= {"PUT", "LIST", "GET", "DELETE"}
        touched = {place for action, place in server.requests if action in ("PUT", "DELETE")}
        assert all(place.startswith("logs/airflow/airfleet-doctor/") for place in touched)


@pytest.mark.parametrize(
    ("refused", "seen"),
    [
        ("PUT", "can't be written: An error"),
        ("GET", "was written and can't be read: "),
        ("LIST", "can't be read: An error"),
    ],
)
def test_what_the_store_refuses_is_told_in_its_words(tmp_path: Path, refused: str, seen: str) -> None:
    with s3(refused) as server:
        told = ask(tmp_path, "logs", "client", **in_s3(tmp_path, server.url))
    assert not told["fine"]
    assert told["seen"].startswith("s3://logs/airflow/airfleet-doctor/")
    assert seen in told["seen"]
    assert "AccessDenied" in told["seen"]


def test_who_may_not_delete_is_told_what_stays(tmp_path: Path) -> None:
    with s3("DELETE") as server:
        told = ask(tmp_path, "logs", "client", **in_s3(tmp_path, server.url))
        (stays,) = server.objects
    assert told["fine"]
    assert f"{stays.removeprefix('logs/airflow/')} stays there: An error occurred (AccessDenied)" in told["seen"]


def test_a_store_that_does_not_answer(tmp_path: Path) -> None:
    told = ask(tmp_path, "logs", "client", **in_s3(tmp_path, "http://127.0.0.1:9"))
    assert not told["fine"]
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:9' in told["seen"]


def test_an_image_without_the_stores_provider(tmp_path: Path) -> None:
    told = ask(tmp_path, "logs", "client", **worker(tmp_path, {"type": "gcs", "folder": "gs://logs/airflow"}))
    assert not told["fine"]
    assert told["seen"].startswith("the image lacks something: ")
    assert "airflow.providers.google" in told["seen"]


@pytest.mark.parametrize("shipper", [False, True])
def test_logs_in_elasticsearch(tmp_path: Path, shipper: bool) -> None:
    with elasticsearch(tmp_path, "airflow:c4nary") as server:
        block = {"url": server.url, "compatibleWith": "8", "shipper": shipper}
        remote = {"type": "elasticsearch", "secretName": "es", "elasticsearch": block}
        env = worker(tmp_path, remote, "airflow:c4nary\n", caBundle={"configMap": "ca"})
        (tmp_path / "mounted/ca/ca.crt").write_bytes(server.ca.read_bytes())
        told = ask(tmp_path, "logs", "client", **env)
        assert told["fine"], told
        assert ("a shipper writes it" if shipper else "written to airflow-logs, read and deleted") in told["seen"]
        assert not any(server.documents.values())
        (tmp_path / "mounted/log-credentials/credentials").write_text("airflow:c4nary-wrong\n")
        told = ask(tmp_path, "logs", "client", **env)
    assert not told["fine"]
    assert "security_exception" in told["seen"]


class Provider(ThreadingHTTPServer):
    """What a provider of OpenID Connect tells strangers, over TLS."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*_certificate(folder))
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.issuer = f"https://127.0.0.1:{self.server_address[1]}/realms/lab"
        self.pages: dict[str, Any] = {
            "/realms/lab/.well-known/openid-configuration": {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/certs"},
            "/realms/lab/certs": {"keys": [{"kid": "1"}]},
        }


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path)
        self.send_response(404 if page is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(page).encode())

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@contextmanager
def provider(folder: Path) -> Iterator[Provider]:
    with Provider(folder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_provider_that_the_bundle_vouches_for(tmp_path: Path) -> None:
    with provider(tmp_path) as server:
        trusted = {"REQUESTS_CA_BUNDLE": str(tmp_path / "ca.crt")}
        told = ask(tmp_path, "identity", server.issuer, **trusted)
        assert told == {
            "fine": True,
            "seen": f"{server.issuer} answers, its certificate is trusted, 1 signing key",
            "fix": "",
        }
        stranger = ask(tmp_path, "identity", server.issuer)
        assert not stranger["fine"]
        assert "CERTIFICATE_VERIFY_FAILED" in stranger["seen"]
        assert "Max retries" not in stranger["seen"]
        slash = ask(tmp_path, "identity", f"{server.issuer}/", **trusted)
        assert f"is of the issuer {server.issuer}, and the values say {server.issuer}/" in slash["seen"]
        server.pages["/realms/lab/certs"] = {"keys": []}
        assert "holds no key" in ask(tmp_path, "identity", server.issuer, **trusted)["seen"]
        assert "404" in ask(tmp_path, "identity", server.issuer.replace("lab", "other"), **trusted)["seen"]
    gone = ask(tmp_path, "identity", server.issuer, **trusted)
    assert "Connection re" in gone["seen"]  # refused or, by a socket that is about to close, reset

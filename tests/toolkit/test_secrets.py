"""The rotation of secrets against a real API server; tests/lab/airflow/test_secrets.py shows the side of the pods."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from airfleet.errors import AirfleetError, ExitCode
from airfleet.kube import Cluster
from airfleet.lab import Lab
from airfleet.secrets import database
from airfleet.secrets.installed import MANAGER, Installed, owner
from airfleet.secrets.rotation import Rotation, Step
from lab_harness.release import until

KEYS = {"fernet-key": "f", "api-secret-key": "old", "jwt-secret": "j"}
READERS = {
    "api-server": ("api-secret-key", "jwt-secret"),
    "triggerer": ("api-secret-key",),
    "scheduler": ("jwt-secret",),
}


@pytest.fixture
def installed(api_server: Lab, request: pytest.FixtureRequest) -> Iterator[Installed]:
    """What a release leaves in its namespace, with no pods."""
    cluster = Cluster(api_server.kubeconfig, api_server.context)
    namespace = f"s{abs(hash(request.node.name)) % 10**8}"
    cluster.ensure_namespace(namespace, {})
    told = [{"kind": "keys", "name": "r-keys", "create": True}, {"kind": "database", "name": "db"}]
    pod = {"restartPolicy": "Never", "containers": [container({"AIRFLEET_CREATE_SECRETS": json.dumps(told)})]}
    job = {"metadata": {"name": "r-bootstrap-1", "labels": labels("bootstrap")}, "spec": {"template": {"spec": pod}}}
    client.BatchV1Api(cluster.api).create_namespaced_job(namespace, {**job, "spec": {**job["spec"], "suspend": True}})
    for component, keys in READERS.items():
        cluster.apps.create_namespaced_deployment(namespace, deployment(component, keys))
    put_secret(cluster, namespace, "r-keys", KEYS)
    yield Installed(cluster, namespace, "r")
    cluster.core.delete_namespace(namespace)


def labels(component: str) -> dict[str, str]:
    return {"app.kubernetes.io/instance": "r", "app.kubernetes.io/component": component}


def container(env: Mapping[str, str]) -> dict[str, Any]:
    return {"name": "base", "image": "x", "env": [{"name": k, "value": v} for k, v in env.items()]}


def deployment(component: str, keys: tuple[str, ...]) -> dict[str, Any]:
    items = [{"key": key, "path": key} for key in keys]
    volume = {"name": "secrets", "projected": {"sources": [{"secret": {"name": "r-keys", "items": items}}]}}
    pod = {"metadata": {"labels": labels(component)}, "spec": {"containers": [container({})], "volumes": [volume]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels(component)}, "template": pod}
    return {"metadata": {"name": f"r-{component}", "labels": labels(component)}, "spec": spec}


def put_secret(cluster: Cluster, namespace: str, name: str, data: Mapping[str, str], **metadata: Any) -> None:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    cluster.core.create_namespaced_secret(namespace, {"metadata": {"name": name, **metadata}, "data": encoded})


def rotate(installed: Installed, kind: str, *argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "airfleet"), "secrets", "rotate", kind, "--release", installed.release]
    command += ["--kubeconfig", str(installed.cluster.kubeconfig), "--context", installed.cluster.context]
    command += ["--namespace", installed.namespace, *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, stdin=subprocess.DEVNULL)


def restarts(installed: Installed) -> dict[str, str]:
    found = {w.component: w.spec.template.metadata.annotations or {} for w in installed.workloads()}
    return {component: annotations.get("airfleet/rotation", "") for component, annotations in found.items()}


def test_a_key_is_replaced_and_only_its_readers_restart(installed: Installed) -> None:
    done = rotate(installed, "api", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["steps"][0]["step"] == "write a new key"
    after = installed.read("keys")
    assert {key for key in KEYS if after[key] != KEYS[key]} == {"api-secret-key"}
    assert set(after) - set(KEYS) == {"api-secret-key-since"}
    assert 0 <= time.time() - float(after["api-secret-key-since"]) < 600
    token = f"{told['id']}-2"
    assert restarts(installed) == {"api-server": token, "triggerer": token, "scheduler": ""}
    assert after["api-secret-key"] not in done.stdout + done.stderr
    assert rotate(installed, "api").returncode == 0
    assert installed.read("keys")["api-secret-key"] != after["api-secret-key"]


def test_the_restart_belongs_to_a_field_manager_of_its_own(installed: Installed) -> None:
    assert rotate(installed, "api").returncode == 0
    found = installed.cluster.apps.read_namespaced_deployment("r-triggerer", installed.namespace)
    owners = [e.manager for e in found.metadata.managed_fields if "airfleet/rotation" in json.dumps(e.fields_v1)]
    assert owners == [MANAGER]


def test_a_dry_run_says_the_steps_and_changes_nothing(installed: Installed) -> None:
    done = rotate(installed, "api", "--dry-run", "--json")
    assert [step["result"] for step in json.loads(done.stdout)["steps"]] == ["to do"] * 3
    assert "1. write a new key" in done.stderr
    assert installed.read("keys") == KEYS
    assert installed.config_map("r-rotation") == {}


def test_a_secret_of_a_store_is_written_by_the_store(installed: Installed, tmp_path: Path) -> None:
    core, namespace = installed.cluster.core, installed.namespace
    managed = {"metadata": {"labels": {"reconcile.external-secrets.io/managed": "true"}}}
    core.patch_namespaced_secret("r-keys", namespace, managed)
    first = rotate(installed, "api", cwd=tmp_path)
    assert first.returncode == ExitCode.PARTIAL
    assert "belongs to External Secrets" in first.stderr
    (file,) = tmp_path.glob("r-keys.api-*.1.yaml")
    assert file.stat().st_mode & 0o777 == 0o600
    wanted = yaml.safe_load(file.read_text())["stringData"]
    assert list(wanted) == ["api-secret-key"]
    assert (installed.read("keys"), set(restarts(installed).values())) == (KEYS, {""})
    too_early = rotate(installed, "api", "--continue", cwd=tmp_path)
    assert too_early.returncode == ExitCode.PARTIAL
    assert "api-secret-key is the old one still" in too_early.stderr
    assert yaml.safe_load(file.read_text())["stringData"] == wanted
    core.patch_namespaced_secret("r-keys", namespace, {"stringData": wanted})
    last = rotate(installed, "api", "--continue", cwd=tmp_path)
    assert last.returncode == 0, last.stderr
    assert installed.read("keys")["api-secret-key"] == wanted["api-secret-key"]
    assert restarts(installed)["triggerer"]


def test_there_is_nothing_to_continue_before_a_beginning(installed: Installed) -> None:
    done = rotate(installed, "api", "--continue")
    assert (done.returncode, "no rotation of api to continue" in done.stderr) == (ExitCode.USAGE, True)


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_an_interrupted_rotation_goes_on_where_it_was(installed: Installed, broken: int) -> None:
    ran: list[int] = []

    def step(number: int, rotation: Rotation, *, fails: bool) -> Step:
        def run() -> str:
            rotation.facts[str(number)] = "seen"
            ran.append(number)
            if fails:
                raise KeyboardInterrupt
            return ""

        return Step(f"step {number}", run)

    first = Rotation(installed, "test")
    first.load()
    with pytest.raises(KeyboardInterrupt):
        first.run([step(n, first, fails=n == broken) for n in (1, 2, 3)])
    second = Rotation(installed, "test")
    second.load()
    assert (second.resumed, second.id, second.done) == (True, first.id, broken - 1)
    assert set(second.facts) == {str(n) for n in range(1, broken)}
    second.run([step(n, second, fails=False) for n in (1, 2, 3)])
    assert ran == [*range(1, broken + 1), *range(broken, 4)]
    third = Rotation(installed, "test")
    third.load()
    assert (third.resumed, third.done) == (False, 0)


def test_a_rollout_that_does_not_come_up_says_why(installed: Installed) -> None:
    body = {"spec": {"replicas": 1}}
    installed.cluster.apps.patch_namespaced_deployment("r-triggerer", installed.namespace, body)
    done = rotate(installed, "api", "--timeout", "10")
    assert done.returncode == ExitCode.PARTIAL
    assert "Deployment r-triggerer is not through its rollout after 10 s" in done.stderr
    assert "0 ready" in done.stderr
    key = installed.read("keys")["api-secret-key"]
    installed.cluster.apps.patch_namespaced_deployment("r-triggerer", installed.namespace, {"spec": {"replicas": 0}})
    again = rotate(installed, "api")
    assert again.returncode == 0, again.stderr
    assert "which was interrupted after step 1" in again.stderr
    assert installed.read("keys")["api-secret-key"] == key


def test_keys_of_their_own_kind_are_not_rotated_as_a_secret(installed: Installed) -> None:
    installed.cluster.put_config_map(
        installed.namespace, "r-config", {"airflow.cfg": "[api_auth]\njwt_private_key_path = /keys/jwt.pem\n"}
    )
    done = rotate(installed, "jwt")
    assert done.returncode == 1
    assert "config.api_auth sets jwt_private_key_path" in done.stderr
    assert installed.read("keys") == KEYS


def test_the_jwt_secret_is_accepted_beside_the_new_one_until_that_signs(installed: Installed) -> None:
    """Without a scheduler's pod it stops at the wait for old tasks, which shows the middle of it."""
    done = rotate(installed, "jwt")
    assert "no pod of scheduler is ready" in done.stderr
    keys = json.loads(installed.cluster.secret(installed.namespace, "r-jwt-overlap")["jwks.json"])["keys"]
    secrets = {key["kid"]: base64.urlsafe_b64decode(key["k"] + "==").decode() for key in keys}
    told = installed.config_map("r-jwt")
    assert list(secrets) == ["not-used", told["kid"]]
    assert secrets == {"not-used": "j", told["kid"]: installed.read("keys")["jwt-secret"]}
    assert told["trusted-jwks-url"] == "/opt/airfleet/secrets/jwks.json"
    at_once = rotate(installed, "jwt", "--at-once")
    assert at_once.returncode == 0, at_once.stderr
    assert installed.config_map("r-jwt") == {"kid": told["kid"]}
    assert installed.read("keys")["jwt-secret"] == secrets[told["kid"]]
    assert not installed.cluster.exists(
        installed.cluster.core.read_namespaced_secret, "r-jwt-overlap", installed.namespace
    )


def test_an_external_database_needs_the_new_password_from_a_file(installed: Installed) -> None:
    put_secret(installed.cluster, installed.namespace, "db", {"connection": "postgresql://u:p@h/d"})
    done = rotate(installed, "database")
    assert (done.returncode, "--new-file" in done.stderr) == (ExitCode.USAGE, True)


@pytest.mark.parametrize(
    ("metadata", "who"),
    [
        ({}, ""),
        ({"labels": {"app.kubernetes.io/managed-by": "airfleet-bootstrap"}}, ""),
        ({"labels": {"reconcile.external-secrets.io/managed": "true"}}, "External Secrets"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "the Flux Kustomization apps"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, "Argo CD"),
        ({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}, "a file that is applied"),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "SealedSecret", "name": "s", "uid": "1"}]},
            "SealedSecret s",
        ),
    ],
)
def test_whose_secret_it_is(installed: Installed, metadata: dict[str, Any], who: str) -> None:
    put_secret(installed.cluster, installed.namespace, "asked", {"a": "b"}, **metadata)
    found = owner(installed.cluster.core.read_namespaced_secret("asked", installed.namespace).metadata)
    assert found.startswith(who) if who else found == ""


def test_a_release_that_is_not_there_is_one_clear_error(installed: Installed) -> None:
    done = rotate(Installed(installed.cluster, installed.namespace, "nowhere"), "api")
    assert (done.returncode, "there is no release nowhere" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "argv", [["rotate", "all"], ["rotate", "api", "--at-once"], ["rotate", "api", "--new-file", "x"], ["status"]]
)
def test_wrong_usage(installed: Installed, argv: list[str], tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "airfleet"), "secrets", *argv]
    command += ["--kubeconfig", str(installed.cluster.kubeconfig), "--namespace", "n", "--release", "r"]
    command += ["--context", "c"] if argv != ["status"] else []
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(tmp_path)}
    )
    assert (done.returncode, "Traceback" in done.stderr) == (ExitCode.USAGE, False)


@pytest.mark.parametrize(
    ("password", "username", "expected"),
    [
        ("new", "", "postgresql+psycopg2://air@db:5432/x?sslmode=require"),
        ("p@:/?#%", "air_b", "postgresql+psycopg2://air_b@db:5432/x?sslmode=require"),
    ],
)
def test_a_password_of_any_kind_stands_in_a_url(password: str, username: str, expected: str) -> None:
    from urllib.parse import unquote, urlsplit

    url = database.with_user("postgresql+psycopg2://air:old%40@db:5432/x?sslmode=require", password, username)
    assert unquote(urlsplit(url).password or "") == password
    assert url.replace(f":{urlsplit(url).password}@", "@") == expected


def test_deleted_secrets_are_missed(installed: Installed) -> None:
    installed.cluster.core.delete_namespaced_secret("r-keys", installed.namespace)
    gone = lambda: not installed.metadata("keys")
    until("the Secret to be gone", gone)
    with pytest.raises(AirfleetError, match="could not read the Secret r-keys"):
        installed.read("keys")

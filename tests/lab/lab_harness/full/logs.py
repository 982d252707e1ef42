"""Logs in a real S3 server: versitygw, on an emptyDir, with a container beside it that can look at the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from airfleet import image
from airfleet.lab import companions

if TYPE_CHECKING:
    from lab_harness.release import Release

KEY, SECRET = "airflow-logs", "mauve-canary-3f1c"
PORT = 7070
_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def server() -> list[dict[str, Any]]:
    """The pod of the server with the bucket `logs`, and its Service `s3`."""
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    tools = image.reference("airflow")
    s3 = {
        "name": "s3",
        "image": companions.image("versitygw").ref,
        "args": ["--port", f":{PORT}", "--access", KEY, "--secret", SECRET, "posix", "/data"],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": _SECURITY,
        **mount,
    }
    look = {"name": "look", "image": tools, "command": ["sleep", "infinity"], "securityContext": _SECURITY, **mount}
    bucket = {**look, "name": "bucket", "command": ["mkdir", "/data/logs"]}
    spec = {
        "containers": [s3, look],
        "initContainers": [bucket],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "securityContext": {"fsGroup": 65532},
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "s3", "labels": {"app": "s3"}}, "spec": spec}
    ports = {"selector": {"app": "s3"}, "ports": [{"port": PORT}]}
    return [pod, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s3"}, "spec": ports}]


def prepare(release: Release) -> dict[str, Any]:
    """The server, its credentials, and logs that go there instead of to the shared volume."""
    release.lab.load([companions.image("versitygw").archive])
    credentials = f"[airflow-logs]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "log-keys"},
        "stringData": {"credentials": credentials},
    }
    for manifest in (secret, *server()):
        applied = release.kubectl("apply", "--filename", "-", stdin=yaml.safe_dump(manifest))
        assert applied.code == 0, applied.stderr
    return {
        "logs": {
            "persistence": {"enabled": False},
            "remote": {
                "type": "s3",
                "folder": "s3://logs/airflow",
                "secretName": "log-keys",
                "s3": {"endpointUrl": f"http://s3.{release.namespace}.svc:{PORT}", "region": "us-east-1"},
            },
        }
    }

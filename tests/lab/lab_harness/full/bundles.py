"""DAGs from a private Git repository, on a real server that asks for a password, and from an OCI image."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from airfleet import image
from airfleet.lab import images

if TYPE_CHECKING:
    from lab_harness.release import Release

FILES = Path(__file__).parent / "files"
PACKED = "docker.io/airfleet/test-dags:1"
TOKEN = {"username": "airflow", "password": "teal canary's $(token) \\n"}
START = """
git init --quiet --bare --initial-branch main /srv/dags.git
git clone --quiet /srv/dags.git /srv/work 2>&1
cd /srv/work && git config user.name test && git config user.email test@example.com
mkdir dags other && touch other/file && cp /files/versioned.py dags/
git add . && git commit --quiet --message first && git push --quiet
exec python /files/git_server.py
"""
_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 50000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def commit(release: Release, name: str, before: str) -> str:
    """Change what the DAG says and push it; the commit's hash."""
    script = f'cd /srv/work && sed -i \'s/COMMIT = "{before}"/COMMIT = "{name}"/\' dags/versioned.py'
    script += f" && git commit --quiet --all --message {name} && git push --quiet && git rev-parse HEAD"
    done = release.kubectl("exec", "git", "--", "sh", "-c", script)
    assert done.code == 0, done.stderr
    return done.stdout.strip()


def server() -> list[dict[str, Any]]:
    """The pod with the repository, and its Service."""
    container = {
        "name": "git",
        "image": image.reference("airflow"),
        "command": ["sh", "-ec", START],
        "env": [{"name": "HOME", "value": "/tmp"}]
        + [{"name": n, "value": TOKEN[k]} for n, k in (("USER", "username"), ("PASSWORD", "password"))],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
        "securityContext": _SECURITY,
        "volumeMounts": [{"name": "srv", "mountPath": "/srv"}, {"name": "files", "mountPath": "/files"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "srv", "emptyDir": {}}, {"name": "files", "configMap": {"name": "git-files"}}],
        "securityContext": {"fsGroup": 0},
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
    }
    ports = {"selector": {"app": "git"}, "ports": [{"port": 8000}]}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "git", "labels": {"app": "git"}}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "git"}, "spec": ports},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git-token"}, "stringData": TOKEN},
    ]


def packed() -> Path:
    """The archive of an image that holds a DAG and nothing else."""
    folder = Path(tempfile.mkdtemp())
    (folder / "root").mkdir(mode=0o755)
    text = (FILES / "versioned.py").read_text().replace("versioned", "packed").replace('"first"', '"packed"')
    (folder / "root" / "packed.py").write_text(text)
    images.pack([images.Image(PACKED, folder / "root", ["/none"])], folder / "archive.tar")
    return folder / "archive.tar"


def prepare(release: Release) -> dict[str, Any]:
    """The server and the image, and a bundle of each."""
    release.lab.load([packed()])
    release.cluster.put_config_map(release.namespace, "git-files", {p.name: p.read_text() for p in FILES.iterdir()})
    for manifest in server():
        applied = release.kubectl("apply", "--filename", "-", stdin=yaml.safe_dump(manifest))
        assert applied.code == 0, applied.stderr
    git = {"repo": "http://git:8000/dags.git", "subdir": "dags", "sparseDirs": ["dags"], "secretName": "git-token"}
    return {"dags": {"bundles": {"private": {"git": git, "refreshInterval": 5}, "packed": {"image": PACKED}}}}

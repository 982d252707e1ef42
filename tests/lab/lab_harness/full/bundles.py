"""DAGs from a private Git repository, on a real server outside that asks for a password, and from an OCI image."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airfleet import image
from airfleet.lab import images
from lab_harness import outside

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
        "securityContext": {**outside.SECURITY, "runAsUser": 50000},
        "volumeMounts": [{"name": name, "mountPath": f"/{name}"} for name in ("srv", "files", "tls")],
    }
    spec = {
        "containers": [container],
        "volumes": [
            {"name": "srv", "emptyDir": {}},
            {"name": "files", "configMap": {"name": "git-files"}},
            {"name": "tls", "secret": {"secretName": outside.CERTIFICATE, "defaultMode": 0o440}},
        ],
        "securityContext": {"fsGroup": 0},
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
    }
    ports = {"selector": {"app": "git"}, "ports": [{"port": 443, "targetPort": 8000}]}
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
    """The server, the way to it and the image, and a bundle of each."""
    release.lab.load([packed()])
    release.cluster.put_config_map(release.namespace, "git-files", {p.name: p.read_text() for p in FILES.iterdir()})
    outside.certify(release)
    release.apply(*server())
    git = {"repo": outside.URL, "subdir": "dags", "sparseDirs": ["dags"], "secretName": "git-token"}
    bundles = {"private": {"git": git, "refreshInterval": 5}, "packed": {"image": PACKED}}
    return {"dags": {"bundles": bundles}, **outside.prepare(release)}

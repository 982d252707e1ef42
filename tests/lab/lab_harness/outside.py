"""What lies outside the cluster: a server that only a proxy finds, whose certificate a private authority has signed.

`git.example` is the Service `git` of the release's namespace. No name server knows the name; the proxy, a real
tinyproxy, has it in its /etc/hosts, and writes down every request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airfleet.lab import pki
from lab_harness import server_images

if TYPE_CHECKING:
    from lab_harness.release import Release

HOST, URL = "git.example", "https://git.example/dags.git"
PROXY_PORT = 8888
AUTHORITY, CERTIFICATE = "authority", "git-certificate"  # the ConfigMap that caBundle names; the server's Secret
SECURITY = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CONFIG = f"Port {PROXY_PORT}\nMaxClients 50\nTimeout 60\nLogLevel Connect\n"


def certify(release: Release) -> None:
    """A private authority, and the server's certificate of it."""
    folder = release.folder / "outside"
    folder.mkdir(exist_ok=True)
    pki.leaf(folder, "tls", pki.authority(folder, "ca", "a private authority"), HOST, names=[HOST])
    release.cluster.put_config_map(release.namespace, AUTHORITY, {"ca.crt": (folder / "ca.crt").read_text()})
    files = {name: (folder / name).read_text() for name in ("tls.crt", "tls.key")}
    release.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": CERTIFICATE}, "stringData": files})


def prepare(release: Release) -> dict[str, Any]:
    """The proxy, and the values of a release that leaves the cluster by it. The Service `git` exists."""
    made = server_images.tinyproxy()
    release.lab.load([made.archive])
    address = release.cluster.core.read_namespaced_service("git", release.namespace).spec.cluster_ip
    release.cluster.put_config_map(release.namespace, "proxy", {"tinyproxy.conf": _CONFIG})
    container = {
        "name": "proxy",
        "image": made.ref,
        "readinessProbe": {"tcpSocket": {"port": PROXY_PORT}, "periodSeconds": 1},
        "securityContext": {**SECURITY, "runAsUser": 65534, "readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/tinyproxy"}],
    }
    spec = {
        "containers": [container],
        "hostAliases": [{"ip": address, "hostnames": [HOST]}],
        "volumes": [{"name": "config", "configMap": {"name": "proxy"}}],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
    }
    ports = {"selector": {"app": "proxy"}, "ports": [{"port": PROXY_PORT}]}
    release.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "proxy", "labels": {"app": "proxy"}}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "proxy"}, "spec": ports},
    )
    url = f"http://proxy.{release.namespace}.svc:{PROXY_PORT}"
    return {"caBundle": {"configMap": AUTHORITY}, "proxy": {"http": url, "https": url}}


def asked_of_the_proxy(release: Release) -> list[str]:
    """The requests that the proxy got, such as `CONNECT git.example:443 HTTP/1.1`."""
    log = release.kubectl("logs", "proxy").stdout
    return [line.split("): ", 1)[1] for line in log.splitlines() if "Request (file descriptor" in line]

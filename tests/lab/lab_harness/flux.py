"""The real kustomize-controller of Flux beside the lab's clusters, and what its source-controller would do for it.

It runs as a process of this machine and reaches the clusters by kubeconfigs, as it would from a management cluster. The
source-controller can't be built here from its module, so a thread packs each new commit as that does.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from airfleet.kube import Cluster
from airfleet.lab import Lab, companions, programs

NAMESPACE = "flux-system"
SOURCES = {
    "gitrepositories": ("GitRepository", "v1"),
    "ocirepositories": ("OCIRepository", "v1"),
    "buckets": ("Bucket", "v1"),
    "externalartifacts": ("ExternalArtifact", "v1"),
}


@dataclass
class Source:
    """Packs every new commit of the branch main of a bare repository, and tells Flux of it."""

    lab: Lab
    bare: Path
    folder: Path
    port: int
    _stop: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        told = ""
        while not self._stop.wait(0.2):
            tip = self.git("rev-parse", "main").strip()
            if tip != told:
                self.tell(tip)
                told = tip

    def stop(self) -> None:
        self._stop.set()

    def git(self, *argv: str) -> str:
        return subprocess.run(["git", "-C", self.bare, *argv], capture_output=True, text=True, check=True).stdout

    def tell(self, tip: str) -> None:
        file = self.folder / f"{tip}.tar.gz"
        self.git("archive", "--format=tar.gz", f"--output={file}", tip)
        path = f"/apis/source.toolkit.fluxcd.io/v1/namespaces/{NAMESPACE}/gitrepositories/fleet"
        kube = Cluster(self.lab.kubeconfig, self.lab.context)
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        artifact = {
            "path": file.name,
            "url": f"http://127.0.0.1:{self.port}/{file.name}",
            "revision": f"main@sha1:{tip}",
            "digest": f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}",
            "size": file.stat().st_size,
            "lastUpdateTime": now,
        }
        ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": now}
        generation = kube.ask("GET", path)[1]["metadata"]["generation"]
        body = {"status": {"artifact": artifact, "conditions": [ready], "observedGeneration": generation}}
        code, answer = kube.ask("PATCH", f"{path}/status", None, body, "application/merge-patch+json")
        assert code == 200, answer


@contextmanager
def flux(lab: Lab, clusters: Mapping[str, Lab], bare: Path, folder: Path) -> Iterator[None]:
    """Flux on a lab, which brings the other clusters, by name, to what the branch main of a bare repository says."""
    controller = companions.program("kustomize-controller")
    _install(lab, clusters)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    source = Source(lab, bare, folder, server.server_port)
    threads = [threading.Thread(target=each) for each in (server.serve_forever, source.work)]
    for thread in threads:
        thread.start()
    environment = {**os.environ, "KUBECONFIG": str(lab.kubeconfig), "RUNTIME_NAMESPACE": NAMESPACE}
    quiet = [
        "--events-addr=",
        "--metrics-addr=127.0.0.1:0",
        "--health-addr=127.0.0.1:0",
        "--enable-leader-election=false",
    ]
    with (folder / "controller.log").open("w") as log:
        process = subprocess.Popen([controller, *quiet], env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)
            source.stop()
            server.shutdown()
            for thread in threads:
                thread.join()
            for name in ("kustomizations.kustomize.toolkit.fluxcd.io", "gitrepositories.source.toolkit.fluxcd.io"):
                _without_finalizers(lab, name)


def _install(lab: Lab, clusters: Mapping[str, Lab]) -> None:
    module = programs.SOURCES / "kustomize-controller"
    found = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", "github.com/fluxcd/kustomize-controller"],
        cwd=module,
        capture_output=True,
        text=True,
        check=True,
    )
    crds = Path(found.stdout.strip()) / "config/crd/bases"
    _apply(lab, *(each for file in crds.glob("*.yaml") for each in yaml.safe_load_all(file.read_text()) if each))
    _apply(lab, *(_crd(plural, *about) for plural, about in SOURCES.items()))
    lab.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    _apply(lab, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    secrets = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"{name}-kubeconfig", "namespace": NAMESPACE},
            "stringData": {"value": each.kubeconfig.read_text()},
        }
        for name, each in clusters.items()
    ]
    of = {"name": "fleet", "namespace": NAMESPACE}
    root = {
        "interval": "1h",
        "retryInterval": "2s",
        "path": "./kustomizations",
        "prune": True,
        "sourceRef": {"kind": "GitRepository", "name": "fleet"},
    }
    _apply(
        lab,
        *secrets,
        {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": of, "spec": {}},
        {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": of,
            "spec": root,
        },
    )


def _crd(plural: str, kind: str, version: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "subresources": {"status": {}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.source.toolkit.fluxcd.io"},
        "spec": {
            "group": "source.toolkit.fluxcd.io",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{**served, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def _apply(lab: Lab, *objects: Any) -> None:
    lab.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(objects))


def _without_finalizers(lab: Lab, crd: str) -> None:
    """Delete all objects of a kind whose controller is gone."""
    kind = crd.partition(".")[0]
    for name in lab.kubectl("get", crd, "--namespace", NAMESPACE, "--output=name").stdout.split():
        patch = ("--type=merge", "--patch", '{"metadata": {"finalizers": []}}')
        lab.kubectl("patch", name, "--namespace", NAMESPACE, *patch)
    lab.kubectl("delete", kind, "--namespace", NAMESPACE, "--all")

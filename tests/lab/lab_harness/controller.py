"""What Argo CD and Flux do as far as the toolkit sees it: apply what Git holds, and say so in their own objects.

It stands in for them where a test needs a controller that is ill on command; tests/lab/fleet runs the real Flux.
"""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from airfleet.kube import Cluster
from airfleet.lab import Lab

CRDS = {
    "argocd": ("argoproj.io", "v1alpha1", "Application", "applications", "argocd", "argocd-controller"),
    "flux": (
        "kustomize.toolkit.fluxcd.io",
        "v1",
        "Kustomization",
        "kustomizations",
        "flux-system",
        "kustomize-controller",
    ),
}


@dataclass
class Controller:
    """A controller on one API server that reads the branch main of a bare repository."""

    kind: str
    lab: Lab
    bare: Path
    sick: set[str] = field(default_factory=set)
    """Clusters whose pods do not become healthy."""
    asleep: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Controller:
        group, version, kind, plural, namespace, _ = CRDS[self.kind]
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        names = {"kind": kind, "plural": plural, "singular": kind.lower()}
        self.apply(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{group}"},
                "spec": {
                    "group": group,
                    "scope": "Namespaced",
                    "names": names,
                    "versions": [{**served, "subresources": {"status": {}}}],
                },
            },
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        )
        self.lab.kubectl("wait", "--for=condition=Established", f"crd/{plural}.{group}", "--timeout=60s")
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        _, _, kind, _, namespace, _ = CRDS[self.kind]
        self.lab.kubectl("delete", kind, "--namespace", namespace, "--all")

    def apply(self, *objects: Any, manager: str = "test") -> None:
        text = yaml.safe_dump_all(objects)
        argv = ("apply", "--server-side", "--force-conflicts", f"--field-manager={manager}", "--filename=-")
        self.lab.kubectl(*argv, stdin=text)

    def git(self, *argv: str) -> str:
        done = subprocess.run(["git", "-C", self.bare, *argv], capture_output=True, text=True, check=True)
        return done.stdout

    def _work(self) -> None:
        told: dict[str, tuple[str, bool]] = {}
        while not self._stop.wait(0.3):
            tip = self.git("rev-parse", "main").strip()
            files = self.git("ls-tree", "-r", "--name-only", tip).split()
            folder = CRDS[self.kind][3]
            for file in [] if self.asleep else [file for file in files if file.startswith(f"{folder}/")]:
                state = (tip, Path(file).stem in self.sick)
                if told.get(file) != state:
                    self._sync(tip, file)
                    told[file] = state

    def _sync(self, tip: str, file: str) -> None:
        group, version, _, plural, namespace, manager = CRDS[self.kind]
        (owner,) = yaml.safe_load_all(self.git("show", f"{tip}:{file}"))
        self.apply(owner, manager=manager)
        cluster = owner["metadata"]["labels"]["airfleet/cluster"]
        objects = [*yaml.safe_load_all(self.git("show", f"{tip}:clusters/{cluster}/manifests.yaml"))]
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"gitops-{cluster}"}})
        for obj in objects:
            mark = {"argocd.argoproj.io/tracking-id": "x"} if self.kind == "argocd" else {}
            obj["metadata"] |= {"namespace": f"gitops-{cluster}", "annotations": mark}
        self.apply(*objects, manager=manager)
        kube = Cluster(self.lab.kubeconfig, self.lab.context)
        path = f"/apis/{group}/{version}/namespaces/{namespace}/{plural}/{owner['metadata']['name']}"
        found = kube.ask("GET", path)[1]
        body = {"status": self._status(found, tip, cluster in self.sick)}
        code, answer = kube.ask("PATCH", f"{path}/status", None, body, "application/merge-patch+json")
        assert code == 200, answer

    def _status(self, found: Any, tip: str, sick: bool) -> Any:
        if self.kind == "argocd":
            health = {"status": "Degraded", "message": "a pod is ill"} if sick else {"status": "Healthy"}
            return {"sync": {"status": "Synced", "revision": tip}, "health": health}
        ready = {"type": "Ready", "status": "False", "reason": "HealthCheckFailed", "message": "a pod is ill"}
        ready = ready if sick else {"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded"}
        return {
            "lastAppliedRevision": f"main@sha1:{tip}",
            "observedGeneration": found["metadata"]["generation"],
            "conditions": [ready],
        }

"""Rendered manifests for a GitOps controller, with the objects that tell Argo CD or Flux where each of them goes.

Sources: argo-cd.readthedocs.io, Application; fluxcd.io, kustomize.toolkit.fluxcd.io/v1 Kustomization.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from airfleet.errors import AirfleetError
from airfleet.fleet.inventory import Cluster, Fleet
from airfleet.fleet.model import dotted
from airfleet.fleet.render import Rendering
from airfleet.fleet.schema import GitOps
from airfleet.fleet.waves import wave_of

_IDENTITY = {"/apiVersion", "/kind", "/metadata"}
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True)
class Source:
    """Where the controller reads what is written: repository, branch, and the folder in it."""

    repository: str
    revision: str = "main"
    path: str = ""

    def of(self, cluster: str) -> str:
        """The folder of a cluster in the repository."""
        return "/".join(part for part in (self.path.strip("/"), "clusters", cluster) if part)


def source_of(settings: GitOps, controller: str) -> Source:
    """What fleet.yaml says of the repository, as a controller knows it: Flux by the name of a GitRepository."""
    name = settings.source if controller == "flux" else settings.repository
    return Source(name, settings.revision, settings.path)


def files(fleet: Fleet, renderings: Sequence[Rendering], controller: str, source: Source) -> dict[str, str]:
    """File -> text, for `argocd` or `flux`. Raises AirfleetError if a secret value would get into Git."""
    if leaking := [f"{r.name}: {dotted(path)}" for r in renderings for path in sorted(r.resolved.tainted)]:
        raise AirfleetError(
            "encrypted values would get into Git as plain text",
            why="\n".join(leaking),
            fix="name Secrets in the values (`...secretName`) that External Secrets or Sealed Secrets make there",
        )
    found: dict[str, str] = {}
    for rendering in renderings:
        cluster = rendering.resolved.cluster
        found[f"clusters/{cluster.name}/manifests.yaml"] = rendering.text
        if controller == "argocd":
            found[f"applications/{cluster.name}.yaml"] = _dump(application(fleet, rendering, source))
        else:
            found[f"clusters/{cluster.name}/namespace.yaml"] = _dump(_namespace(cluster))
            found[f"clusters/{cluster.name}/kustomization.yaml"] = _dump(_resources(cluster))
            found[f"kustomizations/{cluster.name}.yaml"] = _dump(kustomization(fleet, cluster, source))
    return found


def write(found: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Bring the files of a folder to what is wanted; file -> `added`, `changed` or `removed`."""
    owned = ("clusters/*/*.yaml", "applications/*.yaml", "kustomizations/*.yaml")
    there = {str(path.relative_to(folder)) for pattern in owned for path in folder.glob(pattern)}
    changes = dict.fromkeys(sorted(there - set(found)), "removed")
    for name, text in found.items():
        file = folder / name
        if name not in there or file.read_text(encoding="utf-8") != text:
            changes[name] = "changed" if name in there else "added"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    for name, what in changes.items():
        if what == "removed":
            (folder / name).unlink()
    return changes


def application(fleet: Fleet, rendering: Rendering, source: Source) -> dict[str, Any]:
    """Argo CD's Application of a cluster; the cluster is known to Argo CD by its name in the fleet."""
    cluster = rendering.resolved.cluster
    spec: dict[str, Any] = {
        "project": "default",
        "source": {
            "repoURL": source.repository,
            "targetRevision": source.revision,
            "path": source.of(cluster.name),
        },
        "destination": {"name": cluster.name, "namespace": cluster.namespace},
        "syncPolicy": {
            "automated": {"prune": True, "selfHeal": True},
            "syncOptions": ["CreateNamespace=true", "ServerSideApply=true", "RespectIgnoreDifferences=true"],
        },
    }
    if ignored := list(_ignored(rendering)):
        spec["ignoreDifferences"] = ignored
    metadata = {"name": name_of(cluster), "namespace": "argocd", "labels": _labels(fleet, cluster)}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec}


def kustomization(fleet: Fleet, cluster: Cluster, source: Source) -> dict[str, Any]:
    """Flux's Kustomization of a cluster; the Secret `<cluster>-kubeconfig` leads to it."""
    spec = {
        "interval": "5m",
        "path": f"./{source.of(cluster.name)}",
        "prune": True,
        "wait": True,
        "sourceRef": {"kind": "GitRepository", "name": source.repository},
        "kubeConfig": {"secretRef": {"name": f"{cluster.name}-kubeconfig"}},
    }
    metadata = {"name": name_of(cluster), "namespace": "flux-system", "labels": _labels(fleet, cluster)}
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": metadata,
        "spec": spec,
    }


def name_of(cluster: Cluster) -> str:
    """The name of a cluster's object in the controller."""
    return f"{cluster.release}-{cluster.name}"


def _labels(fleet: Fleet, cluster: Cluster) -> dict[str, str]:
    return {"airfleet/cluster": cluster.name, "airfleet/wave": wave_of(fleet, cluster)}


def _ignored(rendering: Rendering) -> Iterator[dict[str, Any]]:
    """Fields that others own: the replicas of what an autoscaler scales, and what the cluster's file names."""
    for obj in rendering.objects:
        if obj["kind"] == "HorizontalPodAutoscaler":
            target = obj["spec"]["scaleTargetRef"]
            yield {
                "group": target["apiVersion"].rpartition("/")[0],
                "kind": target["kind"],
                "name": target["name"],
                "jsonPointers": ["/spec/replicas"],
            }
    for rule in rendering.resolved.cluster.spec.ignore_drift:
        kind, _, name = rule.objects.partition("/")
        alike = [obj for obj in rendering.objects if obj["kind"] == kind]
        group = alike[0]["apiVersion"].rpartition("/")[0] if alike else ""
        # A pointer to the whole object is none that Argo CD could take out: then it is all that an object has.
        parts = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in rule.path)
        pointers = [parts] if parts else sorted({f"/{key}" for obj in alike for key in obj} - _IDENTITY)
        yield {"group": group, "kind": kind, "name": name, "jsonPointers": pointers}


def _namespace(cluster: Cluster) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace}}


def _resources(cluster: Cluster) -> dict[str, Any]:
    """What Flux builds. Objects that name no namespace get the release's, as from Helm; those that do keep theirs."""
    namespace = {
        "apiVersion": "builtin",
        "kind": "NamespaceTransformer",
        "metadata": {"name": "release", "namespace": cluster.namespace},
        "unsetOnly": True,
    }
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["namespace.yaml", "manifests.yaml"],
        "transformers": [_dump(namespace)],
    }


def _dump(obj: Mapping[str, Any]) -> str:
    return str(yaml.dump(dict(obj), Dumper=_DUMPER, sort_keys=False, width=120))

"""The objects of one rendered release, and every pod among them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
NOT_AIRFLOW = ("postgres", "pgbouncer", "metrics")


class _Loader(yaml.CSafeLoader):
    """Refuses a key that is there twice, as the API server does; PyYAML would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        if len(names) != len(set(names)):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise yaml.constructor.ConstructorError(None, None, f"keys there twice: {twice}", node.start_mark)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class Release:
    """What a render was made from."""

    name: str = "airflow"
    namespace: str = "data"
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fullname(self) -> str:
        """The prefix of every object's name."""
        return str(self.values.get("fullnameOverride") or self.name)

    def value(self, path: str) -> Any:
        """The value at `a.b.c`, or None if the user set none."""
        found: Any = self.values
        for part in path.split("."):
            found = (found or {}).get(part)
        return found

    def is_off(self, path: str) -> bool:
        """Whether the user turned off what is on by default: with false, or with null, which leaves nothing."""
        parent, _, key = path.rpartition(".")
        return key in (self.value(parent) or {}) and not self.value(path)

    @cached_property
    def external(self) -> frozenset[str]:
        """The objects (`Kind/name`) that are there already: every name in the values, the database's Secret, and what
        Kubernetes puts into every namespace."""
        found = {*_named(self.values), "ConfigMap/kube-root-ca.crt"}
        if not self.value("postgres.embedded") and not self.value("database.secretName"):
            found.add(f"Secret/{self.fullname}-database")
        return frozenset(found)


@dataclass(frozen=True)
class Pod:
    """A pod that the release starts, or that the executor starts from a file of the pod-templates ConfigMap."""

    owner: str
    component: str
    namespace: str
    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]

    @property
    def is_worker(self) -> bool:
        """Whether it is a pod template of the executor."""
        return self.owner.startswith("ConfigMap/")

    @property
    def template(self) -> str:
        """The name of the pod template that it is."""
        return self.owner.rpartition(":")[2].removesuffix(".yaml")

    @property
    def is_airflow(self) -> bool:
        """Whether its own container is Airflow."""
        return self.component not in NOT_AIRFLOW

    @property
    def labels(self) -> Mapping[str, str]:
        """The pod's labels."""
        return self.metadata.get("labels") or {}

    @property
    def init_containers(self) -> list[dict[str, Any]]:
        """Init containers and native sidecars."""
        return self.spec.get("initContainers") or []

    @property
    def containers(self) -> list[dict[str, Any]]:
        """Every container of the pod, init containers and native sidecars included."""
        return [*self.init_containers, *(self.spec.get("containers") or [])]

    @property
    def volumes(self) -> list[dict[str, Any]]:
        """The pod's volumes."""
        return self.spec.get("volumes") or []

    def named(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(`owner/container`, container) of every container."""
        for container in self.containers:
            yield f"{self.owner}/{container.get('name')}", container


class Rendered:
    """All objects of a release, found by kind and name."""

    def __init__(self, release: Release, objects: list[dict[str, Any]], text: str = "") -> None:
        self.release = release
        self.objects = objects
        self.text = text

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """The objects of these kinds."""
        return [o for o in self.objects if o.get("kind") in kinds]

    def users_own(self, obj: dict[str, Any]) -> bool:
        """Whether the object is one of `extraObjects`."""
        return bool((obj["metadata"].get("labels") or {}).get(COMPONENT) == "extra")

    def find(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """The object `kind/name`, if there is one; in any namespace, or in this one."""
        found = (o for o in self.of(kind) if o["metadata"]["name"] == name)
        return next((o for o in found if namespace in ("", o["metadata"].get("namespace"))), None)

    def get(self, ref: str) -> dict[str, Any]:
        """The object `Kind/name`; the error names those that there are."""
        kind, _, name = ref.partition("/")
        if (found := self.find(kind, name)) is None:
            raise KeyError(f"no {ref}; there are {', '.join(ref_of(o) for o in self.of(kind)) or f'no {kind} objects'}")
        return found

    def pod(self, component: str) -> Pod:
        """The first pod of a component."""
        return next(pod for pod in self.pods if pod.component == component)

    @cached_property
    def pods(self) -> tuple[Pod, ...]:
        """Every pod: those of workloads and jobs, and each pod template of the executor."""
        return tuple(_pods(self.objects, self.release.namespace))

    @cached_property
    def made_by_bootstrap(self) -> frozenset[str]:
        """The Secrets that the bootstrap Job makes, as it is told by its environment."""
        jobs = [pod for pod in self.pods if pod.component == "bootstrap"]
        env = {e["name"]: e.get("value") for pod in jobs for c in pod.containers for e in c.get("env") or []}
        told = json.loads(env.get("AIRFLEET_CREATE_SECRETS") or "[]")
        return frozenset(secret["name"] for secret in told if secret.get("create"))


def load(text: str) -> list[dict[str, Any]]:
    """The objects of a YAML stream. Raises yaml.YAMLError, also for a key that is there twice."""
    return [o for o in yaml.load_all(text, _Loader) if o]


def ref_of(obj: Mapping[str, Any]) -> str:
    """`Kind/name`."""
    return f"{obj.get('kind')}/{(obj.get('metadata') or {}).get('name')}"


def _named(values: Any) -> Iterator[str]:
    """`Kind/name` for every place in the values where the user names an object."""
    kinds = {"secretName": "Secret", "existingClaim": "PersistentVolumeClaim", "claimName": "PersistentVolumeClaim"}
    kinds |= {"configMap": "ConfigMap", "webserverConfig": "ConfigMap", "serviceAccountName": "ServiceAccount"}
    refs = {
        "serviceAccount": "ServiceAccount",
        "configMap": "ConfigMap",
        "configMapKeyRef": "ConfigMap",
        "secretKeyRef": "Secret",
        "secret": "Secret",
        "configMapRef": "ConfigMap",
        "secretRef": "Secret",
    }
    for key, value in values.items() if isinstance(values, dict) else ():
        if isinstance(value, str):
            kind = {"configMap": "ConfigMap", "secret": "Secret", **kinds}.get(key)
            yield from [f"{kind}/{value}"] if kind and value else []
        elif isinstance(value, dict):
            yield from [f"{refs[key]}/{value['name']}"] if key in refs and "name" in value else []
            yield from _named(value)
        elif key == "pullSecrets":
            yield from (f"Secret/{name}" for name in value or [])


def _pods(objects: list[dict[str, Any]], namespace: str) -> Iterator[Pod]:
    for obj in objects:
        spec = obj.get("spec") or {}
        if obj["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if obj["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"):
            yield _pod(ref_of(obj), spec["template"], namespace)
        if obj["kind"] == "ConfigMap" and obj["metadata"]["name"].endswith("-pod-templates"):
            for name, text in sorted((obj.get("data") or {}).items()):
                (pod,) = load(text)
                yield _pod(f"{ref_of(obj)}:{name}", pod, pod["metadata"].get("namespace") or namespace)


def _pod(owner: str, template: Mapping[str, Any], namespace: str) -> Pod:
    metadata = template.get("metadata") or {}
    return Pod(owner, (metadata.get("labels") or {}).get(COMPONENT, ""), namespace, metadata, template["spec"])

"""A release as it stands in its cluster: its Secrets, who owns them, and the workloads that read them."""

from __future__ import annotations

import base64
import hashlib
import http
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from airfleet.errors import AirfleetError
from airfleet.kube import Cluster

MANAGER = "airfleet-secrets"  # owner of the fields that are written here: Helm and others leave them alone
_WORKLOADS = (("Deployment", "deployment"), ("StatefulSet", "stateful_set"))


@dataclass(frozen=True)
class SecretRef:
    """One Secret of a release, as its bootstrap Job was told of it."""

    kind: str
    name: str
    made_by_bootstrap: bool
    keys: Mapping[str, str] = field(default_factory=dict)
    username: str = ""

    def key(self, name: str) -> str:
        """The Secret's key that holds what Airflow knows by a name."""
        return self.keys.get(name, name)


@dataclass(frozen=True)
class Workload:
    """A Deployment or StatefulSet of the release."""

    kind: str
    name: str
    component: str
    spec: Any

    def reads(self, secret: str, key: str) -> bool:
        """Whether its pods mount this key of this Secret."""
        for volume in self.spec.template.spec.volumes or []:
            sources = [(volume.secret.secret_name, volume.secret.items)] if volume.secret else []
            if volume.projected:
                sources += [(s.secret.name, s.secret.items) for s in volume.projected.sources if s.secret]
            for name, items in sources:
                if name == secret and (not items or key in {item.key for item in items}):
                    return True
        return False


@dataclass(frozen=True)
class Installed:
    """A release in a namespace of a cluster. Raises AirfleetError where something of it is missing."""

    cluster: Cluster
    namespace: str
    release: str

    def selector(self, component: str = "") -> str:
        """The label selector of its objects, or of one component's."""
        own = f"app.kubernetes.io/instance={self.release}"
        return f"{own},app.kubernetes.io/component={component}" if component else own

    @cached_property
    def secrets(self) -> dict[str, SecretRef]:
        """Its Secrets by kind: keys, database, and admin unless the release creates no user."""
        from kubernetes import client

        batch = client.BatchV1Api(self.cluster.api)
        found = self.cluster.call(
            "list the bootstrap Jobs",
            batch.list_namespaced_job,
            self.namespace,
            label_selector=self.selector("bootstrap"),
        ).items
        if not found:
            raise self._absent("its bootstrap Job was not found")
        job = max(found, key=lambda job: job.metadata.creation_timestamp)
        env = {e.name: e.value for e in job.spec.template.spec.containers[0].env or []}
        told = json.loads(env.get("AIRFLEET_CREATE_SECRETS") or "[]")
        return {
            entry["kind"]: SecretRef(
                entry["kind"],
                entry["name"],
                bool(entry.get("create")),
                entry.get("keys") or {},
                entry.get("username", ""),
            )
            for entry in told
        }

    def secret(self, kind: str) -> SecretRef:
        """The Secret of a kind."""
        if kind not in self.secrets:
            raise AirfleetError(
                f"the release {self.release} has no {kind} Secret",
                why="its bootstrap Job was not told of one (admin.create is false?)",
            )
        return self.secrets[kind]

    def read(self, kind: str) -> dict[str, str]:
        """The data of the Secret of a kind, without line ends at the end, as Airflow reads it."""
        data = self.cluster.secret(self.namespace, self.secret(kind).name)
        return {key: value.strip("\r\n") for key, value in data.items()}

    def write(self, name: str, data: Mapping[str, str]) -> None:
        """Change these keys of a Secret, or create it; others stay."""
        core = self.cluster.core
        body: dict[str, Any] = {"data": {key: base64.b64encode(v.encode()).decode() for key, v in data.items()}}
        if self.cluster.exists(core.read_namespaced_secret, name, self.namespace):
            self._put(f"write the Secret {name}", core.patch_namespaced_secret, name, self.namespace, body)
        else:
            body["metadata"] = {"name": name, "labels": self.labels}
            self._put(f"create the Secret {name}", core.create_namespaced_secret, self.namespace, body)

    def write_config_map(self, name: str, data: Mapping[str, str | None]) -> None:
        """Change these keys of a ConfigMap of ours, or create it; None removes a key."""
        core = self.cluster.core
        if self.cluster.exists(core.read_namespaced_config_map, name, self.namespace):
            body: dict[str, Any] = {"data": dict(data)}
            self._put(f"write the ConfigMap {name}", core.patch_namespaced_config_map, name, self.namespace, body)
        else:
            present = {key: value for key, value in data.items() if value is not None}
            body = {"metadata": {"name": name, "labels": self.labels}, "data": present}
            self._put(f"create the ConfigMap {name}", core.create_namespaced_config_map, self.namespace, body)

    def config_map(self, name: str) -> dict[str, str]:
        """The data of a ConfigMap; empty if there is none."""
        core = self.cluster.core
        if not self.cluster.exists(core.read_namespaced_config_map, name, self.namespace):
            return {}
        found = self.cluster.call(f"read {name}", core.read_namespaced_config_map, name, self.namespace)
        return dict(found.data or {})

    def delete_secret(self, name: str) -> None:
        """Delete a Secret of ours, if it is there."""
        core = self.cluster.core
        if self.cluster.exists(core.read_namespaced_secret, name, self.namespace):
            self.cluster.call(f"delete the Secret {name}", core.delete_namespaced_secret, name, self.namespace)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of what is made here beside the release; none that a Helm release or a policy selects by."""
        return {"app.kubernetes.io/managed-by": MANAGER, "app.kubernetes.io/part-of": "airflow"}

    def metadata(self, kind: str) -> Any:
        """The metadata of the Secret of a kind, None if there is no such Secret."""
        name, core = self.secret(kind).name, self.cluster.core
        if not self.cluster.exists(core.read_namespaced_secret, name, self.namespace):
            return None
        return self.cluster.call(f"read {name}", core.read_namespaced_secret, name, self.namespace).metadata

    @cached_property
    def fullname(self) -> str:
        """The prefix of its objects' names."""
        name = next((w.name for w in self.workloads() if w.component == "api-server"), "")
        if not name:
            raise self._absent("its api-server was not found")
        return name.removesuffix("-api-server")

    def workloads(self) -> list[Workload]:
        """Its Deployments and StatefulSets."""
        found = []
        for kind, method in _WORKLOADS:
            listing = getattr(self.cluster.apps, f"list_namespaced_{method}")
            items = self.cluster.call(f"list {kind}s", listing, self.namespace, label_selector=self.selector()).items
            for item in items:
                component = item.metadata.labels.get("app.kubernetes.io/component", "")
                found.append(Workload(kind, item.metadata.name, component, item.spec))
        return found

    def readers(self, kind: str, name: str) -> list[Workload]:
        """The workloads whose pods mount a secret, the embedded database left out: it is told in SQL."""
        ref = self.secret(kind)
        found = [w for w in self.workloads() if w.reads(ref.name, ref.key(name))]
        return [w for w in found if w.component != "postgres"]

    def pods(self, component: str) -> list[Any]:
        """A component's pods that have not ended, those that are ending included."""
        found = self.cluster.pods(self.namespace, self.selector(component))
        return [pod for pod in found if pod.status.phase not in {"Succeeded", "Failed"}]

    def pod(self, *components: str) -> str:
        """The name of a ready pod of the first of these components that has one."""
        for component in components:
            for pod in self.pods(component):
                if not pod.metadata.deletion_timestamp and is_ready(pod):
                    return str(pod.metadata.name)
        raise AirfleetError(
            f"no pod of {' or '.join(components)} is ready",
            where=f"namespace {self.namespace}",
            fix="mend the release first: nothing is changed while its control plane is down",
        )

    def python(self, script: str, *components: str, line: str = "", timeout: int = 300) -> str:
        """Run a script of airfleet/secrets/remote inside a pod of the control plane, and return what it printed."""
        from importlib.resources import files

        text = (files("airfleet.secrets") / "remote" / f"{script}.py").read_text()
        argv = ["python", "-c", text]
        return self.cluster.execute(self.namespace, self.pod(*components), argv, line=line, timeout=timeout)

    def _absent(self, why: str) -> AirfleetError:
        return AirfleetError(
            f"there is no release {self.release} of the airfleet chart here",
            where=f"{self.cluster.context}, namespace {self.namespace}",
            why=why,
            fix="look at --context, --namespace and --release; `helm upgrade` puts back what was deleted",
        )

    def _put(self, purpose: str, method: Any, *args: Any) -> None:
        self.cluster.call(purpose, method, *args, field_manager=MANAGER)


def is_ready(pod: Any) -> bool:
    """Whether all of a pod's containers are ready."""
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])


def changed_at(metadata: Any, key: str) -> datetime:
    """When a key of a Secret was last written, by the times that the API server keeps for each field."""
    times = [
        entry.time
        for entry in metadata.managed_fields or []
        if entry.time and f"f:{key}" in ((entry.fields_v1 or {}).get("f:data") or {})
    ]
    return max(times, default=metadata.creation_timestamp or datetime.now(UTC))


def owner(metadata: Any) -> str:
    """Who writes this Secret, if it is not we: a controller, or a file that somebody applies. Empty: nobody."""
    labels, annotations = metadata.labels or {}, metadata.annotations or {}
    for reference in metadata.owner_references or []:
        return f"{reference.kind} {reference.name}"
    if "reconcile.external-secrets.io/managed" in labels:
        return "External Secrets"
    if annotations.get("sealedsecrets.bitnami.com/managed") == "true":
        return "Sealed Secrets"
    if name := labels.get("kustomize.toolkit.fluxcd.io/name"):
        return f"the Flux Kustomization {name}"
    if name := annotations.get("meta.helm.sh/release-name"):
        return f"the Helm release {name}"
    if "argocd.argoproj.io/tracking-id" in annotations:
        return "Argo CD"
    if "kubectl.kubernetes.io/last-applied-configuration" in annotations:
        return "a file that is applied with kubectl"
    applied = [e.manager for e in metadata.managed_fields or [] if e.operation == "Apply"]
    return f"a file that {applied[0]} applies" if applied else ""


def fingerprint(value: str) -> str:
    """What tells one random key from another without showing it. Not for passwords that people choose."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]


def not_found(error: AirfleetError) -> bool:
    """Whether the API server said that there is no such object."""
    return error.why.startswith(str(int(http.HTTPStatus.NOT_FOUND)))

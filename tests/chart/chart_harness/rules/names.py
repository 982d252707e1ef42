"""Names, labels and namespaces."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from chart_harness import catalogue
from chart_harness.objects import INSTANCE, Rendered, ref_of
from chart_harness.rules.registry import rule

_DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
REQUIRED = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
)
NAMESPACED = frozenset(
    {
        *("Deployment", "StatefulSet", "Job", "CronJob", "ConfigMap", "PersistentVolumeClaim"),
        *("ResourceQuota", "Service", "Ingress", "HTTPRoute", "NetworkPolicy", "ServiceAccount", "Role", "RoleBinding"),
        *("PodDisruptionBudget", "HorizontalPodAutoscaler", "ServiceMonitor", "PodMonitor", "PrometheusRule"),
    }
)
OF_TASKS = ("ConfigMap", "NetworkPolicy", "Role", "RoleBinding", "ServiceAccount")
OUTLIVES_THE_RELEASE = ("PersistentVolumeClaim",)


@rule
def names_fit(r: Rendered) -> Iterator[str]:
    """Names are DNS labels of at most 63 characters, a Job's leaves room for its pods' suffix."""
    for obj in r.objects:
        name = obj["metadata"]["name"]
        limit = 57 if obj["kind"] in ("Deployment", "StatefulSet") else 63
        if len(name) > limit or not _DNS.fullmatch(name):
            yield f"{ref_of(obj)}: {len(name)} characters, {limit} are allowed; or not a DNS label"


@rule
def names_start_with_the_release(r: Rendered) -> Iterator[str]:
    """No two releases of a namespace fight over an object."""
    prefix = r.release.fullname
    for obj in r.objects:
        if not r.users_own(obj) and not obj["metadata"]["name"].startswith(f"{prefix}-"):
            yield f"{ref_of(obj)} does not start with {prefix}-"


@rule
def objects_are_there_once(r: Rendered) -> Iterator[str]:
    """A second object of the same kind and name would replace the first."""
    for ref, count in Counter(f"{ref_of(o)} in {o['metadata'].get('namespace')}" for o in r.objects).items():
        if count > 1:
            yield f"{ref} is rendered {count} times"


@rule
def everything_is_in_the_namespace(r: Rendered) -> Iterator[str]:
    """Every object says its namespace: the release's, or one of its tasks' for what these need there."""
    elsewhere = catalogue.namespaces(r.release.values, r.release.namespace) - {r.release.namespace}
    for obj in r.objects:
        where = obj["metadata"].get("namespace")
        if where != r.release.namespace and not (where in elsewhere and obj["kind"] in OF_TASKS):
            yield f"{ref_of(obj)} is in {where}, not in {r.release.namespace}"


@rule
def nothing_is_cluster_scoped(r: Rendered) -> Iterator[str]:
    """Installing takes rights in one namespace only; and the chart makes no Secret, it names them."""
    for obj in r.objects:
        if obj["kind"] not in NAMESPACED:
            yield f"{ref_of(obj)} is of a kind that this chart may not make"


@rule
def labels_are_complete(r: Rendered) -> Iterator[str]:
    """Every object can be found by its release, component and version."""
    for obj in r.objects:
        labels = obj["metadata"].get("labels") or {}
        for name in REQUIRED:
            if not labels.get(name):
                yield f"{ref_of(obj)} has no label {name}"
        if labels.get(INSTANCE) != r.release.name:
            yield f"{ref_of(obj)}: {INSTANCE} is {labels.get(INSTANCE)}"


@rule
def label_values_are_valid(r: Rendered) -> Iterator[str]:
    """Label values have at most 63 characters of a small set; the schemas do not say so."""
    places = [(ref_of(obj), obj["metadata"].get("labels") or {}) for obj in r.objects]
    for owner, labels in places + [(pod.owner, pod.labels) for pod in r.pods]:
        for name, value in labels.items():
            if not isinstance(value, str) or len(value) > 63 or not _LABEL.fullmatch(value):
                yield f"{owner}: label {name} is {value!r}"


@rule
def no_hooks(r: Rendered) -> Iterator[str]:
    """A hook is not part of the release: --wait, GitOps controllers and uninstall treat it otherwise."""
    for obj in r.objects:
        for name in obj["metadata"].get("annotations") or {}:
            if name.startswith(("helm.sh/hook", "argocd.argoproj.io/hook")):
                yield f"{ref_of(obj)} has {name}"


@rule
def only_data_outlives_the_release(r: Rendered) -> Iterator[str]:
    """`resource-policy: keep` is for volumes; anything else would block the next install."""
    for obj in r.objects:
        kept = (obj["metadata"].get("annotations") or {}).get("helm.sh/resource-policy") == "keep"
        if kept != (obj["kind"] in OUTLIVES_THE_RELEASE):
            yield f"{ref_of(obj)} is {'kept' if kept else 'deleted'} on uninstall"

"""Fields that Kubernetes does not let anyone change: an upgrade that tries is refused, and the release is left failed.

The table follows the validation of the API server (the functions that `source` names, in k8s.io/kubernetes/pkg/apis),
and a test asks a real API server about every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from airfleet.fleet.changes import same
from airfleet.fleet.model import KeyPath, dotted


@dataclass(frozen=True)
class Immutable:
    """A field of a kind that can't be changed, but for some of the keys right below it.

    default is what the API server puts where nothing is said. With kept, saying nothing keeps what is there. With
    sealed, it is so only while the object's own `immutable` is true.
    """

    group: str
    kind: str
    path: KeyPath
    source: str
    but: frozenset[str] = frozenset()
    default: Any = None
    kept: bool = False
    sealed: bool = False


_JOB = "batch.ValidateJobSpecUpdate"
_SERVICE = "core.ValidateServiceUpdate"
_STORAGE = "storage.ValidateStorageClassUpdate"
_MUTABLE_STATEFUL_SET = frozenset(
    {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    }
)

TABLE: tuple[Immutable, ...] = (
    Immutable("apps", "Deployment", ("spec", "selector"), "apps.ValidateDeploymentUpdate"),
    Immutable("apps", "DaemonSet", ("spec", "selector"), "apps.ValidateDaemonSetSpecUpdate"),
    Immutable("apps", "ReplicaSet", ("spec", "selector"), "apps.ValidateReplicaSetUpdate"),
    Immutable(
        "apps",
        "StatefulSet",
        ("spec", "podManagementPolicy"),
        "apps.ValidateStatefulSetUpdate",
        default="OrderedReady",
    ),
    Immutable(
        "apps",
        "StatefulSet",
        ("spec",),
        "apps.ValidateStatefulSetUpdate",
        but=_MUTABLE_STATEFUL_SET | {"podManagementPolicy"},
    ),
    Immutable("batch", "Job", ("spec", "template"), _JOB),
    Immutable("batch", "Job", ("spec", "selector"), _JOB),
    Immutable("batch", "Job", ("spec", "completions"), _JOB, default=1),
    Immutable("batch", "Job", ("spec", "completionMode"), _JOB, default="NonIndexed"),
    Immutable("batch", "Job", ("spec", "podFailurePolicy"), _JOB),
    Immutable("batch", "Job", ("spec", "backoffLimitPerIndex"), _JOB),
    Immutable("batch", "Job", ("spec", "successPolicy"), _JOB),
    Immutable("batch", "Job", ("spec", "managedBy"), _JOB),
    Immutable("", "Service", ("spec", "clusterIP"), _SERVICE, kept=True),
    Immutable("", "Service", ("spec", "ipFamilies", "[0]"), _SERVICE, kept=True),
    Immutable("", "Service", ("spec", "loadBalancerClass"), _SERVICE),
    Immutable(
        "",
        "PersistentVolumeClaim",
        ("spec",),
        "core.ValidatePersistentVolumeClaimUpdate",
        but=frozenset({"resources", "volumeAttributesClassName", "volumeMode"}),
    ),
    Immutable(
        "",
        "PersistentVolumeClaim",
        ("spec", "volumeMode"),
        "core.ValidatePersistentVolumeClaimUpdate",
        default="Filesystem",
    ),
    Immutable("", "Secret", ("type",), "core.ValidateSecretUpdate", default="Opaque"),
    Immutable("", "Secret", ("data",), "core.ValidateSecretUpdate", sealed=True),
    Immutable("", "Secret", ("stringData",), "core.ValidateSecretUpdate", sealed=True),
    Immutable("", "Secret", ("immutable",), "core.ValidateSecretUpdate", sealed=True),
    Immutable("", "ConfigMap", ("data",), "core.ValidateConfigMapUpdate", sealed=True),
    Immutable("", "ConfigMap", ("binaryData",), "core.ValidateConfigMapUpdate", sealed=True),
    Immutable("", "ConfigMap", ("immutable",), "core.ValidateConfigMapUpdate", sealed=True),
    Immutable("rbac.authorization.k8s.io", "RoleBinding", ("roleRef",), "rbac.ValidateRoleBindingUpdate"),
    Immutable("rbac.authorization.k8s.io", "ClusterRoleBinding", ("roleRef",), "rbac.ValidateClusterRoleBindingUpdate"),
    Immutable("storage.k8s.io", "StorageClass", ("provisioner",), _STORAGE),
    Immutable("storage.k8s.io", "StorageClass", ("parameters",), _STORAGE),
    Immutable("storage.k8s.io", "StorageClass", ("reclaimPolicy",), _STORAGE, default="Delete"),
    Immutable("storage.k8s.io", "StorageClass", ("volumeBindingMode",), _STORAGE, default="Immediate"),
    Immutable("networking.k8s.io", "IngressClass", ("spec", "controller"), "networking.ValidateIngressClassUpdate"),
    Immutable("scheduling.k8s.io", "PriorityClass", ("value",), "scheduling.ValidatePriorityClassUpdate"),
    Immutable(
        "scheduling.k8s.io",
        "PriorityClass",
        ("preemptionPolicy",),
        "scheduling.ValidatePriorityClassUpdate",
        default="PreemptLowerPriority",
    ),
    Immutable("node.k8s.io", "RuntimeClass", ("handler",), "node.ValidateRuntimeClassUpdate"),
    Immutable("discovery.k8s.io", "EndpointSlice", ("addressType",), "discovery.ValidateEndpointSliceUpdate"),
)


def refused(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """The fields, in words, because of which Kubernetes refuses to make one object of the other."""
    group, kind = str(before.get("apiVersion")).rpartition("/")[0], before.get("kind")
    for rule in TABLE:
        if (rule.group, rule.kind) == (group, kind) and not _excused(rule, before, after):
            yield from _differing(rule, _at(before, rule.path), _at(after, rule.path))
    if (group, kind) == ("", "PersistentVolumeClaim") and _size(after) < _size(before):
        yield "spec.resources.requests.storage, which can't shrink"


def _excused(rule: Immutable, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    if rule.sealed:
        return before.get("immutable") is not True
    if rule.path == ("spec", "completions"):
        return bool(_at(after, ("spec", "completionMode")) == "Indexed")
    if rule.kind == "Service":
        types = {_at(each, ("spec", "type")) or "ClusterIP" for each in (before, after)}
        return types != {"LoadBalancer"} if rule.path[-1] == "loadBalancerClass" else "ExternalName" in types
    return False


def _differing(rule: Immutable, before: Any, after: Any) -> Iterator[str]:
    if rule.but:
        old, new = (value if isinstance(value, Mapping) else {} for value in (before, after))
        for key in sorted({*old, *new} - rule.but):
            if not same(old.get(key), new.get(key)):
                yield dotted((*rule.path, key))
        return
    old, new = (rule.default if value is None else value for value in (before, after))
    if not same(old, new) and not (rule.kept and new is None):
        yield dotted(rule.path)


def _at(value: Any, path: KeyPath) -> Any:
    for part in path:
        if isinstance(value, list) and part.startswith("["):
            value = value[0] if value else None
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


_UNITS = {"k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def _size(claim: Mapping[str, Any]) -> Decimal:
    """The bytes that a claim asks for."""
    text = str(_at(claim, ("spec", "resources", "requests", "storage")) or 0)
    unit = text.lstrip("0123456789.")
    try:
        number = Decimal(text.removesuffix(unit))
    except InvalidOperation:
        return Decimal(0)
    if unit.endswith("i"):
        return number * Decimal(1024) ** ("KMGTPE".find(unit[0]) + 1)
    return number * Decimal(10) ** _UNITS.get(unit, 0)

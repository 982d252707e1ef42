"""What a change does to a cluster: which pods restart, what runs, what goes, and what the API server will refuse. Pure.

Pods restart if, and only if, the pod template of what owns them changes; a changed ConfigMap alone restarts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airfleet.fleet.changes import Change, Field, Kind, Ref, ref_of
from airfleet.fleet.immutable import refused
from airfleet.fleet.model import KeyPath, dotted

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_LOST = ("PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition")
_HEX = re.compile(r"(sha256:)?[0-9a-f]{8,}")
_DIGEST_NAME = re.compile(r"checksum|digest|hash|(^|[-_./])(sha|md5)", re.IGNORECASE)
_TEMPLATE: KeyPath = ("spec", "template")


class What(StrEnum):
    """The kinds of consequences, the gravest first."""

    REFUSED = "refused"
    LOST = "data lost"
    LEFT = "left behind"
    RESTART = "restart"
    RUN = "run"
    SCALE = "scale"
    REMOVED = "removed"
    STALE = "not seen"
    SEEN = "seen without a restart"


@dataclass(frozen=True, slots=True)
class Effect:
    """One consequence, as a sentence; why and fix where there is something to say."""

    what: What
    ref: Ref
    text: str
    why: str = ""
    fix: str = ""

    @property
    def grave(self) -> bool:
        """Whether somebody has to decide before this is applied."""
        return self.what in (What.REFUSED, What.LOST)


Purpose = Callable[[Mapping[str, Any]], str]
"""What an object is for, if the adapter knows."""


def effects(
    changes: Sequence[Change], after: Iterable[Mapping[str, Any]], purpose: Purpose = lambda _: ""
) -> list[Effect]:
    """What changes do. after are all objects as they will be."""
    found = [effect for change in changes for effect in _of(change, purpose)]
    found += _configuration(changes, after)
    order = list(What)
    return sorted(dict.fromkeys(found), key=lambda effect: (order.index(effect.what), effect.ref))


def _of(change: Change, purpose: Purpose) -> Iterator[Effect]:
    before, after = change.before or {}, change.after or {}
    if "helm.sh/hook" in _annotations(after or before):
        return  # Helm deletes and makes hooks anew, at every upgrade
    if change.kind is Kind.REMOVED:
        yield from _removed(change.ref, before)
    elif change.ref.kind == "Job" and change.ref.group == "batch" and change.kind in (Kind.ADDED, Kind.REPLACED):
        yield _run(change, after, purpose)
    elif change.kind is Kind.CHANGED:
        if names := [*refused(before, after)]:
            text = f"{change.ref} can't be changed like this: Kubernetes refuses {', '.join(names)}"
            fix = "give it another name, or delete it before the upgrade and say what that does to its users"
            yield Effect(What.REFUSED, change.ref, text, "", fix)
        elif change.ref.group == "apps" and change.ref.kind in _WORKLOADS:
            yield from _workload(change, after)


def _removed(ref: Ref, before: Mapping[str, Any]) -> Iterator[Effect]:
    if _annotations(before).get("helm.sh/resource-policy") == "keep":
        yield Effect(What.REMOVED, ref, f"{ref} leaves the release and stays on the cluster", "resource-policy: keep")
    elif ref.kind in _LOST:
        yield Effect(What.LOST, ref, f"{ref} is deleted, with what is in it", "", _KEEP)
    elif ref.kind == "StatefulSet" and _get(before, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted") == (
        "Delete"
    ):
        yield Effect(What.LOST, ref, f"{ref} is deleted, with the claims of its pods", "whenDeleted: Delete", _KEEP)
    else:
        pods = ", and its pods stop" if ref.kind in _WORKLOADS else ""
        yield Effect(What.REMOVED, ref, f"{ref} is deleted{pods}")


_KEEP = "the annotation helm.sh/resource-policy: keep, set and rolled out before, leaves it on the cluster"


def _run(change: Change, after: Mapping[str, Any], purpose: Purpose) -> Effect:
    again = change.kind is Kind.REPLACED
    stem = Ref(change.ref.kind, change.ref.namespace, change.ref.name.rpartition("-")[0], change.ref.api_version)
    known = purpose(after)
    text = f"{stem if again else change.ref} runs{' again' if again else ''}{': ' if known else ''}{known}"
    return Effect(What.RUN, stem if again else change.ref, text, causes(change.fields) if again else "")


def _workload(change: Change, after: Mapping[str, Any]) -> Iterator[Effect]:
    inside = [each for each in change.fields if each.path[:2] == _TEMPLATE or each.path in (("spec",), ())]
    if inside:
        yield Effect(What.RESTART, change.ref, _restart(change.ref, after), causes(inside))
    for each in change.fields:
        if each.path == ("spec", "replicas") and change.ref.kind != "DaemonSet":
            yield Effect(What.SCALE, change.ref, f"{change.ref} {_scale(each)}")


def _scale(replicas: Field) -> str:
    if replicas.kind is Kind.REMOVED:
        return f"is left to somebody else to scale, such as an autoscaler; until now it has {replicas.before} pods"
    if replicas.kind is Kind.ADDED:
        return f"has {replicas.after} pods; until now somebody else says how many"
    return f"has {replicas.after} pods instead of {replicas.before}"


def _restart(ref: Ref, after: Mapping[str, Any]) -> str:
    if ref.kind == "DaemonSet":
        pods, count = "its pod on every node", 2
    else:
        found = _get(after, "spec", "replicas")
        count = found if isinstance(found, int) else 2
        pods = {0: "nothing: it has no pods", 1: "its pod"}.get(count, f"its {count} pods" if found else "all its pods")
    strategy = _get(after, "spec", "strategy" if ref.kind == "Deployment" else "updateStrategy") or {}
    if count == 0:
        return f"{ref} restarts {pods}"
    if _get(after, "spec", "paused") is True:
        return f"{ref} restarts {pods} once it is no longer paused"
    if strategy.get("type") == "OnDelete":
        return f"{ref} restarts {pods} only when somebody deletes them"
    if strategy.get("type") == "Recreate":
        return f"{ref} stops {pods} and only then starts anew"
    partition = _get(strategy, "rollingUpdate", "partition")
    if ref.kind == "StatefulSet" and isinstance(partition, int) and partition > 0:
        return f"{ref} restarts only its pods from number {partition} on"
    return f"{ref} restarts {pods}" + (", one after the other" if count > 1 else "")


def causes(fields: Sequence[Field]) -> str:
    """Because of which fields, in a few words."""
    names = list(dict.fromkeys(_short(each.path) for each in fields if not is_digest(each)))
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    digests = any(is_digest(each) for each in fields)
    return " and ".join(part for part in (shown, "its configuration" if digests else "") if part)


def _short(path: KeyPath) -> str:
    for prefix in (("spec", "template", "spec"), ("spec", "template"), ("spec",)):
        if path[: len(prefix)] == prefix and len(path) > len(prefix):
            return dotted(path[len(prefix) :])
    return dotted(path) or "all of it"


def is_digest(each: Field) -> bool:
    """Whether a field only says that something else changed: a checksum, under a name that tells."""
    named = any(_DIGEST_NAME.search(part) for part in each.path[-2:])
    return named and all(isinstance(v, str) and bool(_HEX.fullmatch(v)) for v in (each.before, each.after))


def _configuration(changes: Sequence[Change], after: Iterable[Mapping[str, Any]]) -> Iterator[Effect]:
    """ConfigMaps and Secrets whose content changes under pods that do not restart."""
    restarting = {c.ref for c in changes if any(each.path[:2] == _TEMPLATE for each in c.fields) or not c.fields}
    changed = {
        (c.ref.kind, c.ref.name): c.ref
        for c in changes
        if c.ref.kind in ("ConfigMap", "Secret") and c.kind is Kind.CHANGED and any(map(_is_content, c.fields))
    }
    for workload in after if changed else ():
        ref = ref_of(workload)
        if ref.kind not in _WORKLOADS or ref in restarting:
            continue
        template = _get(workload, *_TEMPLATE, "spec") or {}
        fixed, live = _uses(template)
        for name in sorted((fixed | live) & set(changed)):
            source = changed[name]
            if name in fixed:
                text = f"the pods of {ref} go on with the old {source}"
                yield Effect(What.STALE, ref, text, "they read it when they start", f"restart {ref} when it matters")
            else:
                text = f"the pods of {ref} see the new {source} in their files within two minutes"
                yield Effect(What.SEEN, ref, text)


def _is_content(each: Field) -> bool:
    return each.path[0] in ("data", "binaryData", "stringData")


Used = set[tuple[str, str]]


def _uses(pod: Mapping[str, Any]) -> tuple[Used, Used]:
    """The ConfigMaps and Secrets that a pod reads once, and those whose files are kept up to date in it."""
    fixed: Used = set()
    live: Used = set()
    containers = [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]
    sub_paths = {
        mount.get("name")
        for container in containers
        for mount in container.get("volumeMounts") or []
        if mount.get("subPath") or mount.get("subPathExpr")
    }
    for container in containers:
        for source in container.get("envFrom") or []:
            fixed |= set(_named(source, "configMapRef", "secretRef"))
        for variable in container.get("env") or []:
            fixed |= set(_named(variable.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef"))
    for volume in pod.get("volumes") or []:
        sources = [volume, *((volume.get("projected") or {}).get("sources") or [])]
        found = {name for source in sources for name in _named(source, "configMap", "secret")}
        (fixed if volume.get("name") in sub_paths else live).update(found)
    return fixed, live - fixed


def _named(source: Mapping[str, Any], config_map: str, secret: str) -> Iterator[tuple[str, str]]:
    for kind, key in (("ConfigMap", config_map), ("Secret", secret)):
        found = source.get(key) or {}
        name = found.get("name") or found.get("secretName")
        if name:
            yield kind, str(name)


def _annotations(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return _get(obj, "metadata", "annotations") or {}


def _get(value: Any, *path: str) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value

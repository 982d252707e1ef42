"""Whether a cluster has what a release needs, before anything is sent there: asked, never tried.

Every request reads, or is a dry run: the same credentials that would apply the release ask what they may. Only what is
asked from inside the cluster, by whoever wants that, is another matter: `visit`.
"""

from __future__ import annotations

import http
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airfleet.errors import AirfleetError
from airfleet.fleet.changes import ref_of
from airfleet.fleet.dryrun import DryRun
from airfleet.fleet.live import Live, on_each
from airfleet.fleet.pod_security import violations
from airfleet.fleet.render import Rendering
from airfleet.fleet.validate import pods_of

_ENFORCE = "pod-security.kubernetes.io/enforce"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_SKEW = 5.0  # seconds: API servers give times in whole seconds, and the way there takes a moment
# What Helm and `apply` need beside the release's own objects: (group, resource, verbs).
_OWN_NEEDS = (
    ("", "secrets", ("get", "list", "create", "update", "delete")),
    ("", "pods", ("get", "list")),
    ("coordination.k8s.io", "leases", ("get", "create", "update")),
)
_HELM_VERBS = ("get", "create", "patch", "delete")


@dataclass(frozen=True)
class Check:
    """One question and its answer: what was seen if it is fine, else what is wrong and the fix."""

    name: str
    fine: bool
    seen: str
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """The checks of one cluster."""

    cluster: str
    checks: tuple[Check, ...]

    @property
    def fine(self) -> bool:
        """Whether all of them are."""
        return all(check.fine for check in self.checks)


More = Callable[[Live, Rendering], Sequence[Check]]


def doctor(renderings: Sequence[Rendering], jobs: int = 0, more: More = lambda live, rendering: ()) -> list[Report]:
    """A report for each cluster, in the order of the renderings. One that can't be asked has a report that says so.

    jobs is how many clusters are asked at once; 0 means eight. more are further checks of a cluster.
    """
    of = {each.name: each for each in renderings}
    found, failed = on_each([each.resolved.cluster for each in renderings], lambda live: _report(live, of, more), jobs)
    reports = {each.cluster: each for each in found}
    fix = "is `context` of its file the right one, and the cluster up?"
    reports |= {name: Report(name, (Check("reach", False, why, fix),)) for name, why in failed}
    return [reports[each.name] for each in renderings]


def _report(live: Live, of: Mapping[str, Rendering], more: More) -> Report:
    rendering = of[live.cluster.name]
    checks = [Check("reach", True, f"{live.kube.server}, identity {live.uid}")]
    for name, look in _CHECKS.items():
        problems = [*look(live, rendering)]
        checks += [Check(name, False, seen, fix) for seen, fix in problems] or [Check(name, True, "fine")]
    return Report(rendering.name, (*checks, *more(live, rendering)))


Problems = Iterator[tuple[str, str]]


def _version(live: Live, rendering: Rendering) -> Problems:
    """The cluster's Kubernetes is the one that its file names, by which objects were validated."""
    told, found = rendering.resolved.cluster.spec.kubernetes, live.kube.version()
    if _minor(told) != _minor(found):
        yield f"it runs Kubernetes {found}, its file says {told}", f'set `kubernetes: "{".".join(_minor(found))}"`'


def _minor(version: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", version)[:2])


def _clock(live: Live, rendering: Rendering) -> Problems:
    """Tokens, certificates and Leases mean nothing between clocks that differ. A dry run gets the server's time."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "airfleet-doctor-"}}
    before = datetime.now(UTC)
    status, made = live.kube.ask("POST", "/api/v1/namespaces/default/configmaps", {"dryRun": "All"}, body)
    after = datetime.now(UTC)
    if status != http.HTTPStatus.CREATED:
        return  # who may not create anything there learns nothing; the rights are another check's
    then = datetime.fromisoformat(made["metadata"]["creationTimestamp"])
    skew = max((before - then).total_seconds(), (then - after).total_seconds())
    if skew > _SKEW:
        yield f"the API server's clock and this machine's differ by {skew:.0f} s", "have both ask a time server"


def _kinds(live: Live, rendering: Rendering) -> Problems:
    """The cluster knows every kind."""
    dry_run = DryRun(live)
    unknown = {f"{obj['apiVersion']} {obj['kind']}" for obj in rendering.objects if dry_run.path(obj) is None}
    for kind in sorted(unknown):
        yield f"it knows no {kind}", "install what brings it, or turn the feature off that needs it"


def _rights(live: Live, rendering: Rendering) -> Problems:
    """Whoever the kubeconfig is may do what Helm does."""
    dry_run = DryRun(live)
    needed: dict[tuple[str, str, str], set[str]] = {}
    for obj in rendering.objects:
        if path := dry_run.path(obj):
            group = str(obj["apiVersion"]).rpartition("/")[0]
            namespace = match[1] if (match := re.search(r"/namespaces/([^/]+)/", path)) else ""
            needed.setdefault((namespace, group, path.split("/")[-2]), set()).update(_HELM_VERBS)
    for group, resource, verbs in _OWN_NEEDS:
        needed.setdefault((live.cluster.namespace, group, resource), set()).update(verbs)
    for (namespace, group, resource), wanted in sorted(needed.items()):
        if denied := [verb for verb in sorted(wanted) if not _may(live, namespace, group, resource, verb)]:
            where = f" in the namespace {namespace}" if namespace else ""
            yield f"no right to {', '.join(denied)} {resource}{where}", "give the context's user a Role with it"


def _may(live: Live, namespace: str, group: str, resource: str, verb: str) -> bool:
    about = {"namespace": namespace, "group": group, "resource": resource, "verb": verb}
    review = "SelfSubjectAccessReview"
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": review, "spec": {"resourceAttributes": about}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    status, answer = live.kube.ask("POST", path, {"dryRun": "All"}, body)
    if status != http.HTTPStatus.CREATED:
        raise AirfleetError("could not ask for rights", live.cluster.name, str(answer.get("message")))
    return bool(answer["status"]["allowed"])


def _storage(live: Live, rendering: Rendering) -> Problems:
    """Every claim's storage class is there."""
    status, listed = live.kube.ask("GET", "/apis/storage.k8s.io/v1/storageclasses")
    if status != http.HTTPStatus.OK:
        return  # not for everybody to read
    classes = {each["metadata"]["name"]: each["metadata"].get("annotations") or {} for each in listed["items"]}
    has_default = any(annotations.get(_DEFAULT_CLASS) == "true" for annotations in classes.values())
    known = ", ".join(sorted(classes)) or "none"
    for name, spec in _claims(rendering.objects):
        wanted = spec.get("storageClassName")
        if wanted is None and not has_default:
            yield f"{name} names no storage class, and none is the default", f"name one; there are {known}"
        elif wanted and wanted not in classes:
            yield f"{name} wants the storage class {wanted}", f"there are {known}"


def _claims(objects: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for obj in objects:
        if obj["kind"] == "PersistentVolumeClaim":
            yield str(ref_of(obj)), obj.get("spec") or {}
        for claim in (obj.get("spec") or {}).get("volumeClaimTemplates") or ():
            yield f"{ref_of(obj)} {claim['metadata']['name']}", claim.get("spec") or {}


def _pods(live: Live, rendering: Rendering) -> Problems:
    """The namespace's Pod Security label admits the release's pods, and their priority classes are there."""
    status, namespace = live.kube.ask("GET", f"/api/v1/namespaces/{live.cluster.namespace}")
    level = "privileged"
    if status == http.HTTPStatus.OK:
        level = (namespace["metadata"].get("labels") or {}).get(_ENFORCE, level)
    for name, pod in ((each.owner, each.spec) for obj in rendering.objects for each in pods_of(obj)):
        for container, text in violations(pod, level):
            where = f"{name} container {container}" if container else name
            yield f"{where}: {text}, which {_ENFORCE}={level} of the namespace refuses", "change one of the two"
        priority = pod.get("priorityClassName")
        if priority and not _there(live, f"/apis/scheduling.k8s.io/v1/priorityclasses/{priority}"):
            yield f"{name} wants the priority class {priority}, which is not there", "make it, or name another"
        for secret in pod.get("imagePullSecrets") or ():
            if not _there(live, f"/api/v1/namespaces/{live.cluster.namespace}/secrets/{secret['name']}"):
                yield f"{name} pulls images with the Secret {secret['name']}, which is not there", "make it first"


def _there(live: Live, path: str) -> bool:
    return live.kube.ask("GET", path)[0] != http.HTTPStatus.NOT_FOUND


_CHECKS: Mapping[str, Callable[[Live, Rendering], Problems]] = {
    "version": _version,
    "clock": _clock,
    "kinds": _kinds,
    "rights": _rights,
    "storage": _storage,
    "pods": _pods,
}

"""What an object would be after its owner, Helm or a GitOps controller, has applied it.

The API server is asked, which does everything but store it.
"""

from __future__ import annotations

import copy
import http
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from airfleet.errors import AirfleetError
from airfleet.fleet.live import Live
from airfleet.fleet.model import KeyPath

_MANAGERS = {"helm": "helm", "argocd": "argocd-controller", "flux": "kustomize-controller"}
"""Owner of a cluster -> the name under which it owns fields."""
_THEIR_OWN = ("argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/")
"""How labels and annotations begin that controllers put on everything that they apply."""
_SERVER_SIDE_APPLY = "application/apply-patch+yaml"
_WHO = re.compile(r'conflict with "([^"]+)"')
_NOISE = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")
_NOTED = ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision")


@dataclass(frozen=True)
class Conflict:
    """A field that somebody else owns, with another value: as the API server writes its path, and the owner's name."""

    path: str
    owner: str

    def covers(self, path: KeyPath) -> bool:
        """Whether a field of ours is this one, or is below it."""
        return any(re.fullmatch(_pattern(path[:depth]), self.path) for depth in range(1, len(path) + 1))


def _pattern(path: KeyPath) -> str:
    """What the API server's writing of a path looks like: `.spec.ports[containerPort=80,protocol="TCP"].name`."""
    parts = []
    for part in path:
        name = re.escape(part[1:-1])
        parts.append(rf'\[(?:[^\]]*[=,])?"?{name}"?(?:,[^\]]*)?\]' if part.startswith("[") else rf"\.{re.escape(part)}")
    return "".join(parts)


@dataclass(frozen=True)
class Outcome:
    """What the API server says of one object. now is None if it is not there, would if it is refused: for a reason."""

    now: Mapping[str, Any] | None
    would: Mapping[str, Any] | None
    conflicts: tuple[Conflict, ...] = ()
    refused: str = ""


@dataclass
class DryRun:
    """Asks one cluster. No request that could change anything is sent without dryRun."""

    live: Live
    _kinds: dict[str, dict[str, tuple[str, bool]]] = field(default_factory=dict)

    def apply(self, obj: Mapping[str, Any]) -> Outcome:
        """What its owner's server-side apply would make of an object.

        Raises AirfleetError if the cluster can't be asked.
        """
        path = self.path(obj)
        if path is None:
            kind = f"{obj.get('apiVersion')} {obj.get('kind')}"
            return Outcome(None, None, (), f"the cluster knows no {kind}: install what brings it, or turn this off")
        now = self.get(path)
        if now is None and not self.has_namespace(path):
            return Outcome(None, obj)  # it is made together with its namespace
        body = self.labelled(obj) if self.live.cluster.owner == "helm" else _as_controllers_do(obj, now)
        status, answer = self.ask(path, body, force=False)
        conflicts = _conflicts(answer) if status == http.HTTPStatus.CONFLICT else ()
        if conflicts:
            status, answer = self.ask(path, body, force=True)
        if status not in (http.HTTPStatus.OK, http.HTTPStatus.CREATED):
            return Outcome(now and _clean(now, obj), None, (), str(answer.get("message") or f"it answers {status}"))
        foreign = tuple(each for each in conflicts if each.owner != self.manager)
        return Outcome(now and _clean(now, obj), _clean(answer, obj), foreign)

    @property
    def manager(self) -> str:
        """Who applies objects on this cluster."""
        return _MANAGERS[self.live.cluster.owner]

    def exists(self, obj: Mapping[str, Any]) -> bool:
        """Whether an object is there."""
        path = self.path(obj)
        return path is not None and self.get(path) is not None

    def ask(self, path: str, body: Mapping[str, Any], *, force: bool) -> tuple[int, dict[str, Any]]:
        """The dry run itself: the status and the answer. force takes fields from their owners."""
        query = {
            "dryRun": "All",
            "fieldManager": self.manager,
            "force": str(force).lower(),
            "fieldValidation": "Strict",
        }
        return self.live.kube.ask("PATCH", path, query, body, _SERVER_SIDE_APPLY)

    def get(self, path: str) -> dict[str, Any] | None:
        """What is at a path now; None if nothing is."""
        status, found = self.live.kube.ask("GET", path)
        if status == http.HTTPStatus.OK:
            return found
        if status == http.HTTPStatus.NOT_FOUND:
            return None
        raise AirfleetError("could not read an object", f"{self.live.cluster.name} {path}", str(found.get("message")))

    def path(self, obj: Mapping[str, Any]) -> str | None:
        """Where the API has an object; None if the cluster does not know its kind."""
        version = str(obj["apiVersion"])
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        known = self.kinds(root).get(str(obj["kind"]))
        if known is None:
            return None
        plural, namespaced = known
        metadata = obj["metadata"]
        where = f"/namespaces/{metadata.get('namespace') or self.live.cluster.namespace}" if namespaced else ""
        return f"{root}{where}/{plural}/{quote(str(metadata['name']), safe='')}"

    def kinds(self, root: str) -> dict[str, tuple[str, bool]]:
        """Kind -> its name in paths, and whether it is in namespaces; of one version of the API."""
        if root not in self._kinds:
            status, found = self.live.kube.ask("GET", root)
            if status not in (http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND):
                why = str(found.get("message"))
                raise AirfleetError("could not ask for the kinds of the API", f"{self.live.cluster.name} {root}", why)
            listed = found.get("resources") or [] if status == http.HTTPStatus.OK else []
            self._kinds[root] = {r["kind"]: (r["name"], r["namespaced"]) for r in listed if "/" not in r["name"]}
        return self._kinds[root]

    def has_namespace(self, path: str) -> bool:
        """Whether the namespace of a path is there; what is in none has what it needs."""
        match = re.search(r"/namespaces/([^/]+)/", path)
        return match is None or self.get(f"/api/v1/namespaces/{match[1]}") is not None

    def labelled(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        """The object with what Helm itself puts on everything that it applies."""
        cluster = self.live.cluster
        found: dict[str, Any] = copy.deepcopy(dict(obj))
        metadata = found["metadata"]
        metadata["labels"] = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
        own = {"meta.helm.sh/release-name": cluster.release, "meta.helm.sh/release-namespace": cluster.namespace}
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **own}
        return found


def _as_controllers_do(obj: Mapping[str, Any], now: Mapping[str, Any] | None) -> dict[str, Any]:
    """The object with what a controller has put on the one that is there."""
    found: dict[str, Any] = copy.deepcopy(dict(obj))
    for kind in ("labels", "annotations") if now else ():
        there = ((now or {})["metadata"].get(kind) or {}).items()
        if own := {key: value for key, value in there if key.startswith(_THEIR_OWN)}:
            found["metadata"][kind] = {**(found["metadata"].get(kind) or {}), **own}
    return found


def _conflicts(answer: Mapping[str, Any]) -> tuple[Conflict, ...]:
    causes = (answer.get("details") or {}).get("causes") or []
    found = []
    for cause in causes:
        who = _WHO.search(str(cause.get("message")))
        if cause.get("reason") == "FieldManagerConflict" and who:
            found.append(Conflict(str(cause.get("field")), who[1]))
    return tuple(found)


def _clean(obj: Mapping[str, Any], wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object without what is different at every look, and in the namespace that the files name, if they do."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _NOISE}
    if not wanted["metadata"].get("namespace"):
        metadata.pop("namespace", None)
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key not in _NOTED}
    metadata["annotations"] = annotations
    return {key: value for key, value in obj.items() if key != "status"} | {"metadata": metadata}

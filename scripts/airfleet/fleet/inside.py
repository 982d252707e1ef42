"""Questions that are asked from inside a cluster, the Jobs that ask them, and what becomes of their pods. Pure.

A question takes a pod of the rendering - labels, account, volumes, environment, image - and replaces what it runs by a
small program. `visit` asks them.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from airfleet.fleet.validate import pods_of

LABEL = "airfleet/doctor"
"""The label, with the release's name, of everything that is made to ask."""
_KEPT = 60  # seconds that Kubernetes keeps a Job that nobody deleted
_MARGIN = 60  # seconds after which Kubernetes ends a Job that was given up
# What no image holds: that it is missed tells that the image is there, and nothing of the image runs.
NOTHING = "/airfleet-doctor-asks-whether-this-image-can-be-pulled"
"""The command of a pod that only asks for its image."""
_PULL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_BROKEN = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff")
_OF_SERVERS = ("readinessProbe", "livenessProbe", "startupProbe", "lifecycle", "ports")
_OF_IMAGES = ("name", "image", "imagePullPolicy", "resources", "securityContext")


@dataclass(frozen=True)
class Question:
    """Something to ask from inside, in the place of a pod.

    pod is a pod template, or a pod, of the rendering; of its containers `container` is kept and runs the command, and
    of its init containers those that are not in `without`. The command leaves its answer, JSON with `fine`, `seen` and
    `fix`, as the container's termination message. Secrets of `later` are made on the first installation, so they may
    be missing. `public` are files of Secrets, by their paths in the volumes, that may be told. skipped says why there
    is nothing to ask.
    """

    name: str
    pod: Mapping[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = (NOTHING,)
    container: str = "base"
    namespace: str = ""
    without: Collection[str] = ()
    later: Collection[str] = ()
    public: Collection[str] = ()
    skipped: str = ""

    @property
    def about_image(self) -> bool:
        """Whether it only asks if the image can be pulled."""
        return self.command == (NOTHING,)


def image_questions(
    objects: Iterable[Mapping[str, Any]], namespace: str, covered: Collection[tuple[str, str]] = ()
) -> list[Question]:
    """A question for each image of the objects, but for those that other questions run anyway: (namespace, image).

    It is pulled as the first pod that has it would: with its account and pull secrets, on its nodes.
    """
    found: dict[tuple[str, str], Question] = {}
    for pod in (pod for obj in objects for pod in pods_of(obj)):
        for container in containers_of(pod.spec):
            key = (pod.namespace or namespace, container["image"])
            if key not in found and key not in covered:
                spec = {name: value for name, value in pod.spec.items() if name not in ("volumes", "initContainers")}
                spec["containers"] = [{name: container[name] for name in _OF_IMAGES if name in container}]
                found[key] = Question("image", {"spec": spec}, container=container["name"], namespace=key[0])
    return [found[key] for key in sorted(found)]


def containers_of(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Its init containers and containers."""
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def pod_of(question: Question, release: str) -> dict[str, Any]:
    """The pod that asks, as a template: a copy, to be changed.

    It is never ready, so no Service sends it anything, whatever its labels are. Claims become empty folders: they may
    belong to another node, or not be there before the release is.
    """
    metadata, spec = question.pod.get("metadata") or {}, copy.deepcopy(dict(question.pod["spec"]))
    (asking,) = (each for each in spec["containers"] if each["name"] == question.container)
    asking = {name: value for name, value in asking.items() if name not in _OF_SERVERS}
    # Kubernetes takes $(NAME) for a variable, and two dollars for one.
    asking |= {"command": [part.replace("$", "$$") for part in question.command], "args": []}
    asking |= {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "FallbackToLogsOnError"}
    before = [each for each in spec.get("initContainers") or () if each["name"] not in question.without]
    spec |= {"containers": [asking], "initContainers": before, "restartPolicy": "Never"}
    spec |= {"terminationGracePeriodSeconds": 1, "readinessGates": [{"conditionType": "airfleet/never-ready"}]}
    spec["volumes"] = [_without_claim(volume) for volume in spec.get("volumes") or ()]
    # It is none of the pods that are to be kept apart or together.
    spec.pop("topologySpreadConstraints", None)
    spec["affinity"] = {kind: how for kind, how in (spec.get("affinity") or {}).items() if kind == "nodeAffinity"}
    labels = {**(metadata.get("labels") or {}), LABEL: release}
    return {"metadata": {"labels": labels, "annotations": dict(metadata.get("annotations") or {})}, "spec": spec}


def _without_claim(volume: Mapping[str, Any]) -> dict[str, Any]:
    claimed = "persistentVolumeClaim" in volume or "ephemeral" in volume
    return {"name": volume["name"], "emptyDir": {}} if claimed else dict(volume)


def job_of(name: str, release: str, template: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The Job around a pod: suspended until what it needs is there, tried once, and gone by itself if we are."""
    spec = {
        "suspend": True,
        "backoffLimit": 0,
        "activeDeadlineSeconds": int(seconds) + _MARGIN,
        "ttlSecondsAfterFinished": _KEPT,
        "template": template,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {LABEL: release}},
        "spec": spec,
    }


@dataclass(frozen=True)
class Needed:
    """A ConfigMap or Secret that a pod refers to: holder is the place that names it, under `key`.

    keys are those that the pod takes, all if empty; paths are the files that they become.
    """

    kind: str
    holder: dict[str, Any]
    key: str = "name"
    keys: tuple[str, ...] = ()
    paths: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.holder[self.key])


def needed(spec: Mapping[str, Any]) -> Iterator[Needed]:
    """Every ConfigMap and Secret that a pod refers to, optional ones included."""
    for volume in spec.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            for place, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
                if holder := source.get(place):
                    paths = {item["key"]: item["path"] for item in holder.get("items") or ()}
                    yield Needed(kind, holder, "secretName" if "secretName" in holder else "name", (*paths,), paths)
    for container in containers_of(spec):
        for each in container.get("env") or ():
            for place, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if holder := (each.get("valueFrom") or {}).get(place):
                    yield Needed(kind, holder, keys=(holder["key"],))
        for each in container.get("envFrom") or ():
            for place, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if holder := each.get(place):
                    yield Needed(kind, holder)


def lacking(each: Needed, found: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What is wrong with an object that a pod can't start without: it is missing, or a key of it is; and the fix."""
    if found is None:
        return [(f"the {each.kind} {each.name} is not there", "make it first: pods wait for it without end")]
    there = {**(found.get("data") or {}), **(found.get("binaryData") or {})}
    missing = [key for key in each.keys if key not in there]
    return [(f"the {each.kind} {each.name} has no key {key}", f"add it; it has {_listed(there)}") for key in missing]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def private(each: Needed, secret: Mapping[str, Any], public: Collection[str]) -> list[str]:
    """What a Secret gives to a pod and nobody may be told, the passwords inside of URLs included."""
    values = {
        key: base64.b64decode(value).decode(errors="replace") for key, value in (secret.get("data") or {}).items()
    }
    values |= secret.get("stringData") or {}
    told = {key for key, path in each.paths.items() if path in public}
    found = [values[key].strip() for key in each.keys or values if key in values and key not in told]
    inner = [password for value in found for password in re.findall(r"://[^/@:]*:([^@/]+)@", value)]
    return [*found, *inner, *map(unquote, inner)]


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches."""
    equal = (selector.get("matchLabels") or {}).items()
    return all(labels.get(key) == value for key, value in equal) and all(
        _holds(each["operator"], labels.get(each["key"]), each.get("values") or ())
        for each in selector.get("matchExpressions") or ()
    )


def _holds(operator: str, value: str | None, values: Collection[str]) -> bool:
    if operator in ("In", "NotIn"):
        return (value in values) is (operator == "In")
    return (value is not None) is (operator == "Exists")


@dataclass(frozen=True)
class Answer:
    """What a pod told, or what became of it. images are those that are there by now; no_image is one that is not."""

    fine: bool
    seen: str
    fix: str = ""
    images: tuple[str, ...] = ()
    no_image: str = ""


def look_at(pod: Mapping[str, Any], question: Question) -> Answer | None:
    """What the state of a pod says; None while there is nothing to say."""
    spec, status = pod["spec"], pod.get("status") or {}
    images = {each["name"]: str(each["image"]) for each in containers_of(spec)}
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        image, state = images.get(each["name"], ""), each.get("state") or {}
        if waiting := state.get("waiting"):
            answer = _waits(each["name"], image, waiting, question)
        elif ended := state.get("terminated"):
            answer = _ended(each["name"], tuple(images.values()), ended, question)
        else:
            answer = None
        if answer:
            return answer
    if status.get("phase") == "Failed":
        why = ": ".join(filter(None, (status.get("reason"), status.get("message"))))
        return Answer(False, f"the pod failed: {why or 'nobody says why'}", "see what is wrong there, and try again")
    return None


def _waits(name: str, image: str, state: Mapping[str, Any], question: Question) -> Answer | None:
    reason, message = str(state.get("reason")), str(state.get("message") or "")
    if reason in _PULL:
        fix = "is the name right, does the registry have it, and may the pull secrets read it?"
        return Answer(False, f"{image}: {reason}: {message}".rstrip(": "), fix, no_image=image)
    if reason not in _BROKEN:
        return None
    if question.about_image and NOTHING in message:
        return Answer(True, "", images=(image,))
    fix = "the release's own pods would not start either"
    return Answer(False, f"the container {name} does not start: {reason}: {message}", fix, (image,))


def _ended(name: str, images: tuple[str, ...], state: Mapping[str, Any], question: Question) -> Answer | None:
    code, message = state.get("exitCode"), str(state.get("message") or "")
    if name != question.container:
        what = f"the init container {name} ended with {code}: {message[-500:]}"
        return Answer(False, what, "the release's own pods would not start either") if code else None
    if question.about_image:
        return Answer(True, "", images=images)
    try:
        told = json.loads(message)
        return Answer(bool(told["fine"]), str(told["seen"]), str(told.get("fix") or ""), images)
    except (ValueError, KeyError, TypeError):
        what = f"the program ended with {code} ({state.get('reason')}) and no answer: {message[-500:]}"
        return Answer(False, what, "is it an image for this chart?", images)

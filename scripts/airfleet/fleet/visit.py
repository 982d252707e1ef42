"""Asking from inside a cluster: Jobs, and what they need and the cluster lacks, are made, looked at and deleted.

Copies of the rendering's ConfigMaps and Secrets, and NetworkPolicies that are not there yet, belong to the Job that
needs them, so Kubernetes deletes them with it. A ServiceAccount has to have its real name, since clouds know it by
that: it is made as Helm would, and is Helm's to take over should it stay. All goes at the end, however that comes;
if this process is killed, the Job's deadline and time to live are what ends it.
"""

from __future__ import annotations

import http
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from airfleet import console
from airfleet.errors import AirfleetError
from airfleet.fleet import adapters
from airfleet.fleet.doctor import Check
from airfleet.fleet.dryrun import DryRun
from airfleet.fleet.inside import (
    LABEL,
    Answer,
    Question,
    containers_of,
    image_questions,
    job_of,
    lacking,
    look_at,
    needed,
    pod_of,
    private,
    selects,
)
from airfleet.fleet.live import Live
from airfleet.fleet.render import Rendering
from airfleet.fleet.taint import Redactor

_POLL = 1.0  # seconds between two looks


@dataclass(frozen=True)
class Visit:
    """How to ask: by what is known of the chart, in so many seconds, and until stop() says that it is enough."""

    adapter: str
    seconds: float
    stop: Callable[[], bool]

    def __call__(self, live: Live, rendering: Rendering) -> list[Check]:
        """Ask one cluster everything at once. Raises InterruptedError if stop() says so; nothing stays then either."""
        with ExitStack() as stack:
            asking = _Asking(live, rendering, self, stack)
            try:
                questions = adapters.of(self.adapter).questions(live, rendering.objects)
            except AirfleetError as e:
                return [_failure("inside", e)]
            found = [asking.ask(each) for each in questions]
            covered = {image for each in found if isinstance(each, _Asked) for image in each.images}
            others = image_questions(rendering.objects, live.cluster.namespace, covered)
            return asking.wait([*found, *(asking.ask(each) for each in others)])


@dataclass(frozen=True)
class _Asked:
    """A question whose Job is there. images are those that its pod runs: (namespace, image)."""

    question: Question
    job: str
    uid: str
    redact: Callable[[str], str]
    images: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Asking:
    """One visit to one cluster. Whatever is made is deleted when the stack is closed."""

    live: Live
    rendering: Rendering
    visit: Visit
    stack: ExitStack

    def ask(self, question: Question) -> _Asked | list[Check]:
        """Start a Job for a question; or the checks that say why that is not done."""
        if question.skipped:
            return [Check(question.name, True, f"skipped: {question.skipped}")]
        if self.visit.stop():
            raise InterruptedError
        try:
            return self._started(replace(question, namespace=question.namespace or self.live.cluster.namespace))
        except AirfleetError as e:
            return [_failure(question.name, e)]

    def _started(self, question: Question) -> _Asked | list[Check]:
        namespace, release = question.namespace, self.live.cluster.release
        if self._get(f"/api/v1/namespaces/{namespace}") is None:
            fix = f"kubectl create namespace {namespace}, and make in it the Secrets that the values name"
            return [Check(question.name, False, f"the namespace {namespace} is not there", fix)]
        name = f"airfleet-doctor-{question.name}-{secrets.token_hex(4)}"
        template = pod_of(question, release)
        copies, missing, hidden = self._prepared(question, name, template["spec"])
        if missing:
            return [Check(question.name, False, what, fix) for what, fix in missing]
        self.live.check()
        self._ensure_account(namespace, str(template["spec"].get("serviceAccountName") or "default"))
        jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self.stack.callback(self._delete, f"{jobs}/{name}")
        made = self._ask("POST", jobs, job_of(name, release, template, self.visit.seconds))
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": made["metadata"]["uid"]}
        for path, obj, own_name in [*copies, *self._policies(namespace, name, template["metadata"]["labels"])]:
            metadata = {"name": own_name, "labels": {LABEL: release}, "ownerReferences": [owner]}
            self._ask("POST", path, {**obj, "metadata": metadata})
        self._ask("PATCH", f"{jobs}/{name}", {"spec": {"suspend": False}})
        images = tuple((namespace, str(each["image"])) for each in containers_of(template["spec"]))
        return _Asked(question, name, str(made["metadata"]["uid"]), Redactor(hidden), images)

    def _prepared(
        self, question: Question, job: str, spec: Mapping[str, Any]
    ) -> tuple[list[tuple[str, Mapping[str, Any], str]], list[tuple[str, str]], list[str]]:
        """Make the pod refer to copies of what is rendered.

        Returns them (path, object, name), what is missing, with the fix, and what may not be told.
        """
        rendered = {(obj["kind"], obj["metadata"]["name"]): obj for obj in self._rendered(question.namespace)}
        copies: dict[tuple[str, str], tuple[str, Mapping[str, Any], str]] = {}
        missing: dict[tuple[str, str], None] = {}
        hidden: list[str] = []
        for each in needed(spec):
            ref, path = (each.kind, each.name), f"/api/v1/namespaces/{question.namespace}/{each.kind.lower()}s"
            found = rendered.get(ref) or self._get(f"{path}/{each.name}")
            if each.kind == "Secret" and found:
                hidden += private(each, found, question.public)
            if ref in rendered:
                copies.setdefault(ref, (path, rendered[ref], f"{job}-{len(copies)}"))
                each.holder[each.key] = copies[ref][2]
            elif found is None and each.name in question.later:
                each.holder["optional"] = True
            elif not each.holder.get("optional"):
                missing |= dict.fromkeys(lacking(each, found))
        return list(copies.values()), list(missing), hidden

    def _rendered(self, namespace: str) -> Iterator[Mapping[str, Any]]:
        here = self.live.cluster.namespace
        return (obj for obj in self.rendering.objects if (obj["metadata"].get("namespace") or here) == namespace)

    def _policies(
        self, namespace: str, job: str, labels: Mapping[str, str]
    ) -> Iterator[tuple[str, Mapping[str, Any], str]]:
        """The rendering's NetworkPolicies for such a pod, where the cluster lacks them: (path, object, name)."""
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
        for obj in self._rendered(namespace):
            if obj["kind"] == "NetworkPolicy" and selects(obj["spec"].get("podSelector") or {}, labels):
                name = obj["metadata"]["name"]
                if self._get(f"{path}/{name}") is None:
                    yield path, obj, f"{job}-{name}"

    def _ensure_account(self, namespace: str, name: str) -> None:
        """The account of the pod; one that the rendering makes, and the cluster lacks, is made for the visit."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        if self._get(f"{path}/{name}") is not None:
            return
        for obj in self._rendered(namespace):
            if (obj["kind"], obj["metadata"]["name"]) == ("ServiceAccount", name):
                body = DryRun(self.live).labelled(obj)
                body["metadata"]["labels"][LABEL] = self.live.cluster.release
                self.stack.callback(self._forget_account, f"{path}/{name}")
                self._ask("POST", path, body)
                return
        raise AirfleetError(f"the ServiceAccount {name} is not there", fix="make it first: the values name it")

    def _forget_account(self, path: str) -> None:
        """Delete an account that was made for the visit, unless a Helm has taken it over meanwhile."""
        try:
            found = self._get(path) or {"metadata": {}}
        except AirfleetError as e:
            console.say(f"  {path} on {self.live.cluster.name} could not be looked at, and stays: {e.why}")
            return
        metadata = found["metadata"]
        managers = {entry.get("manager") for entry in metadata.get("managedFields") or ()}
        if LABEL in (metadata.get("labels") or {}) and DryRun(self.live).manager not in managers:
            self._delete(path, {key: metadata[key] for key in ("uid", "resourceVersion")})

    def wait(self, found: Sequence[_Asked | list[Check]]) -> list[Check]:
        """Look until every pod has told: the checks of the images, then of the questions, in their order."""
        end = time.monotonic() + self.visit.seconds
        told: dict[int, list[Check]] = {n: each for n, each in enumerate(found) if isinstance(each, list)}
        while len(told) < len(found):
            late = time.monotonic() > end
            for n, each in enumerate(found):
                if isinstance(each, _Asked) and n not in told and (checks := self._checks(each, late)):
                    told[n] = checks
            if self.visit.stop():
                raise InterruptedError
            if len(told) < len(found):
                time.sleep(_POLL)
        once = dict.fromkeys(check for n in sorted(told) for check in told[n])
        return sorted(once, key=lambda check: check.name != "image")

    def _checks(self, asked: _Asked, late: bool) -> list[Check]:
        """What a question's pod told, as checks; nothing while it has told nothing."""
        try:
            answer, node = self._answer(asked, late)
        except AirfleetError as e:
            return [_failure(asked.question.name, e)]
        if answer is None:
            return []
        seen, name = console.without_secrets(asked.redact(answer.seen)), asked.question.name
        if answer.no_image:
            rest = (
                []
                if asked.question.about_image
                else [Check(name, False, "not asked: its image is missing", answer.fix)]
            )
            return [Check("image", False, seen, answer.fix), *rest]
        pulled = [Check("image", True, f"{image}: there, on {node}") for image in answer.images]
        if not asked.question.about_image:
            return [*pulled, Check(name, answer.fine, seen, answer.fix)]
        return pulled if answer.fine else [Check("image", False, f"{asked.images[0][1]}: {seen}", answer.fix)]

    def _answer(self, asked: _Asked, late: bool) -> tuple[Answer | None, str]:
        """What a pod told, and its node."""
        namespace = asked.question.namespace
        query = {"labelSelector": f"batch.kubernetes.io/job-name={asked.job}"}
        pods = self._ask("GET", f"/api/v1/namespaces/{namespace}/pods", query=query)["items"]
        if pods and (answer := look_at(pods[-1], asked.question)):
            return answer, str(pods[-1]["spec"].get("nodeName") or "no node")
        if not pods and (why := self._warning(namespace, asked.uid, "FailedCreate")):
            return Answer(False, f"no pod is admitted: {why}", "the release's own pods would not be either"), ""
        if not late:
            return None, ""
        why = (_unscheduled(pods[-1]) or self._warning(namespace, pods[-1]["metadata"]["uid"])) if pods else ""
        what = f"no answer in {self.visit.seconds:.0f} s: {why or 'nobody says why'}"
        return Answer(False, what, "see what is wrong there, or give it longer: --timeout"), ""

    def _warning(self, namespace: str, uid: str, reason: str = "") -> str:
        """The last warning about an object; nothing for whoever may not read events."""
        fields = f"involvedObject.uid={uid},type=Warning" + (f",reason={reason}" if reason else "")
        status, listed = self.live.kube.ask("GET", f"/api/v1/namespaces/{namespace}/events", {"fieldSelector": fields})
        items = (listed.get("items") or ()) if status == http.HTTPStatus.OK else ()
        return f"{items[-1].get('reason')}: {items[-1].get('message')}" if items else ""

    def _get(self, path: str) -> dict[str, Any] | None:
        return DryRun(self.live).get(path)

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        content = "application/merge-patch+json" if method == "PATCH" else ""
        status, found = self.live.kube.ask(method, path, query or {"fieldManager": "airfleet-doctor"}, body, content)
        if status >= http.HTTPStatus.BAD_REQUEST:
            what, why = f"the cluster refuses {method} {path}", str(found.get("message"))
            raise AirfleetError(what, self.live.cluster.name, why, "give the context's user the right to it")
        return found

    def _delete(self, path: str, only: Mapping[str, str] | None = None) -> None:
        """Delete an object and what belongs to it; only one that is as told. That it can't be done is said, no more."""
        body = {"propagationPolicy": "Background", **({"preconditions": only} if only else {})}
        try:
            status, found = self.live.kube.ask("DELETE", path, None, body)
        except AirfleetError as e:
            status, found = 0, {"message": e.why}
        if status not in (http.HTTPStatus.OK, http.HTTPStatus.ACCEPTED, http.HTTPStatus.NOT_FOUND):
            console.say(f"  {path} on {self.live.cluster.name} could not be deleted: {found.get('message')}")


def _failure(name: str, e: AirfleetError) -> Check:
    seen = console.without_secrets(": ".join(filter(None, (e.what, e.why))))
    return Check(name, False, seen, e.fix or "see what is wrong there, and try again")


def _unscheduled(pod: Mapping[str, Any]) -> str:
    """Why a pod has no node, as the scheduler tells it."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    told = [each for each in conditions if each["type"] == "PodScheduled" and each["status"] == "False"]
    return f"{told[0].get('reason')}: {told[0].get('message')}" if told else ""

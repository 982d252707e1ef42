"""What would be refused, or would not work, of the rendered objects: told before any cluster is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from airfleet.fleet import helmyaml, pod_security, strict
from airfleet.fleet.inventory import Cluster, Fleet
from airfleet.fleet.model import Finding, Place, Severity
from airfleet.fleet.render import Rendering
from airfleet.fleet.schema import Policy
from airfleet.fleet.selector import Selector, SelectorError
from airfleet.fleet.templating import TemplateError, expression

Object = Mapping[str, Any]
_TEMPLATES = {
    "Pod": ("spec",),
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "ReplicaSet": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}


@dataclass(frozen=True)
class Pod:
    """A pod, or what makes pods: its owner's name, its labels and its spec; namespace is empty for the release's."""

    owner: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    namespace: str = ""


def validate(fleet: Fleet, renderings: Sequence[Rendering]) -> list[Finding]:
    """All findings, each told once with the clusters that have it.

    Rules: `schema` (Kubernetes of the cluster's version refuses it), `twice`, `nowhere` (a name leads to nothing),
    `pod-security`, and the names of the fleet's policies.
    """
    policies, found = _policies(fleet)
    seen: dict[tuple[int, str], list[tuple[str, str]]] = {}
    for rendering in renderings:
        cluster, objects = rendering.resolved.cluster, rendering.public.objects
        pods = [pod for obj in objects for pod in pods_of(obj)]
        about = partial(_about, cluster)
        found += about("schema", _schema_errors(cluster, objects, seen), "correct the values that lead to it")
        found += about("twice", _twice(objects), "give one of them another name")
        found += about("nowhere", _nowhere(objects, pods), "correct the name", severity=Severity.WARNING)
        security = (
            (f"{pod.owner}{f' container {name}' if name else ''}", text)
            for pod in pods
            for name, text in pod_security.violations(pod.spec, fleet.spec.pod_security)
        )
        standard = (
            f"the Pod Security Standard {fleet.spec.pod_security} forbids it: change it, or podSecurity in fleet.yaml"
        )
        found += about("pod-security", security, standard)
        for policy in policies:
            found += policy(rendering, pods)
    return _once(found)


def _about(
    cluster: Cluster, rule: str, told: Iterable[tuple[str, str]], fix: str, severity: Severity = Severity.ERROR
) -> list[Finding]:
    return [Finding(None, rule, f"{where}: {what}", "", fix, severity, (cluster.name,)) for where, what in told]


def _once(findings: Iterable[Finding]) -> list[Finding]:
    groups: dict[Finding, list[str]] = {}
    for finding in findings:
        groups.setdefault(replace(finding, clusters=()), []).extend(finding.clusters)
    return [_named(finding, groups[finding]) for finding in sorted(groups, key=_gravity)]


def _gravity(found: Finding) -> tuple[bool, str, str]:
    return found.severity is not Severity.ERROR, found.rule, found.what


def _named(finding: Finding, names: Sequence[str]) -> Finding:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    on = f"on {shown}" if names else ""
    return replace(finding, why="; ".join(filter(None, (finding.why, on))), clusters=tuple(names))


def ref(obj: Object) -> str:
    """`Deployment/airflow-scheduler`."""
    return f"{obj.get('kind')}/{(obj.get('metadata') or {}).get('name')}"


def pods_of(obj: Object) -> Iterator[Pod]:
    """The pods that an object makes, those of a ConfigMap with pod templates included."""
    path = _TEMPLATES.get(str(obj.get("kind")))
    if path:
        template: Any = obj
        for part in path[:-1]:
            template = template.get(part) or {}
        labels = (template.get("metadata") or {}).get("labels") or {}
        yield Pod(ref(obj), labels, template.get("spec") or {}, (obj.get("metadata") or {}).get("namespace") or "")
    elif obj.get("kind") == "ConfigMap":
        for name, inner in _manifests(obj):
            yield from (replace(pod, owner=f"{ref(obj)} {name}") for pod in pods_of(inner))


def _manifests(obj: Object) -> Iterator[tuple[str, Object]]:
    """Pods in a ConfigMap's files: templates that somebody makes pods of."""
    for name, text in (obj.get("data") or {}).items():
        if name.endswith((".yaml", ".yml")) and "\nkind: Pod\n" in f"\n{text}":
            yield from ((name, found) for found in helmyaml.objects(text) if found.get("kind") == "Pod")


def _schema_errors(
    cluster: Cluster, objects: Sequence[Object], seen: dict[tuple[int, str], list[tuple[str, str]]]
) -> Iterator[tuple[str, str]]:
    version = ".".join(cluster.spec.kubernetes.split(".")[:2])
    if version not in strict.versions():
        known = strict.versions()
        yield cluster.name, f"the schemas of Kubernetes {version} are not known; {known[0]} to {known[-1]} are"
        return
    for obj in objects:
        key = (id(obj), version)  # equal objects of many clusters are one object
        if key not in seen:
            parts = [
                (ref(obj), obj),
                *((f"{ref(obj)} {n}", p) for n, p in _manifests(obj) if obj.get("kind") == "ConfigMap"),
            ]
            seen[key] = [
                (where, f"{path}: {what}" if path else what)
                for where, part in parts
                for path, what in strict.errors(part, version)
            ]
        yield from seen[key]


def _twice(objects: Sequence[Object]) -> Iterator[tuple[str, str]]:
    names = Counter((obj.get("apiVersion"), ref(obj), (obj.get("metadata") or {}).get("namespace")) for obj in objects)
    yield from ((name, "there are two of this name") for (_, name, _), count in names.items() if count > 1)


def _nowhere(objects: Sequence[Object], pods: Sequence[Pod]) -> Iterator[tuple[str, str]]:
    """Names of the release's own things that lead to nothing. What users may bring, such as Secrets, is left out."""
    there = {ref(obj) for obj in objects}
    for obj in objects:
        spec = obj.get("spec") or {}
        if obj.get("kind") == "Service" and spec.get("selector"):
            if not any(spec["selector"].items() <= pod.labels.items() for pod in pods):
                yield ref(obj), "its selector matches no pod of the release"
        elif obj.get("kind") == "HorizontalPodAutoscaler":
            target = spec.get("scaleTargetRef") or {}
            if f"{target.get('kind')}/{target.get('name')}" not in there:
                yield ref(obj), f"there is no {target.get('kind')}/{target.get('name')} to scale"
        elif obj.get("kind") == "RoleBinding":
            role = obj.get("roleRef") or {}
            if role.get("kind") == "Role" and f"Role/{role.get('name')}" not in there:
                yield ref(obj), f"there is no Role/{role.get('name')}"
        elif obj.get("kind") == "PodDisruptionBudget":
            labels = (spec.get("selector") or {}).get("matchLabels") or {}
            if labels and not any(labels.items() <= pod.labels.items() for pod in pods):
                yield ref(obj), "its selector matches no pod of the release"


Check = Callable[[Rendering, Sequence[Pod]], list[Finding]]


def _policies(fleet: Fleet) -> tuple[list[Check], list[Finding]]:
    """The policies as functions, and what is wrong with those that can't be understood."""
    checks: list[Check] = []
    wrong: list[Finding] = []
    keys = {key for cluster in fleet.clusters.values() for key in cluster.labels}
    for policy in fleet.spec.policies:
        try:
            chosen = Selector.parse(policy.select, keys)
            where = expression(policy.where) if policy.where else None
            checks.append(partial(_check, policy, chosen, where, expression(policy.expect)))
        except (SelectorError, TemplateError) as e:
            what = f"the policy {policy.name} can't be understood"
            wrong.append(Finding(Place(fleet.place.file, 1), "policy", what, str(e), "correct it in fleet.yaml"))
    return checks, wrong


def _check(
    policy: Policy,
    chosen: Selector,
    where: Callable[[Mapping[str, Any]], Any] | None,
    expect: Callable[[Mapping[str, Any]], Any],
    rendering: Rendering,
    pods: Sequence[Pod],
) -> list[Finding]:
    cluster = rendering.resolved.cluster
    if not chosen.matches(cluster.labels):
        return []
    known = {"cluster": {"name": cluster.name, "labels": cluster.labels}, "values": rendering.resolved.public.values}
    found = []
    for name, subject in _subjects(policy.about, rendering, pods):
        variables = {**known, "it": subject}
        try:
            if (where is None or where(variables)) and not expect(variables):
                what = f"{name}: {policy.message}"
                found.append(Finding(None, policy.name, what, "", policy.fix, policy.severity, (cluster.name,)))
        except TemplateError as e:
            what = f"{name}: the policy can't be evaluated"
            found.append(
                Finding(
                    None,
                    policy.name,
                    what,
                    str(e),
                    "write `is defined` before what may be absent",
                    clusters=(cluster.name,),
                )
            )
    return found


def _subjects(about: str, rendering: Rendering, pods: Sequence[Pod]) -> Iterator[tuple[str, Any]]:
    """What a policy is about, with its name."""
    if about == "values":
        yield "values", rendering.resolved.public.values
    elif about == "pod":
        yield from ((pod.owner, pod.spec) for pod in pods)
    elif about == "container":
        yield from (
            (f"{pod.owner} container {c.get('name')}", c) for pod in pods for c in pod_security.containers(pod.spec)
        )
    else:
        yield from ((ref(obj), obj) for obj in rendering.public.objects if obj.get("kind") == about)

"""What each component may do with the Kubernetes API: exactly this."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chart_harness import catalogue
from chart_harness.objects import Rendered, ref_of
from chart_harness.rules.registry import rule
from chart_harness.rules.secrets import control_plane_secrets, makes_an_administrator

OVER_TASKS = ("api-server", "scheduler", "pod-cleanup")
Grant = tuple[str, str, str]  # resource, verb, name or "*"


def _grants(resource: str, verbs: str) -> set[Grant]:
    return {(resource, verb, "*") for verb in verbs.split()}


def expected(r: Rendered) -> dict[str, set[Grant]]:
    """ServiceAccount's component -> what it may do."""
    readable = control_plane_secrets(r)
    if not makes_an_administrator(r):
        readable -= {r.release.value("admin.secretName") or f"{r.release.fullname}-admin"}
    return {
        "api-server": _grants("pods", "list") | _grants("pods/log", "get"),
        "scheduler": _grants("pods", "create get list watch patch delete"),
        "pod-cleanup": _grants("pods", "list delete"),
        "bootstrap": _grants("secrets", "create") | {("secrets", "get", name) for name in readable},
    }


@rule
def rights_go_by_the_table(r: Rendered) -> Iterator[str]:
    """Each ServiceAccount has the rights of the table and no other: over pods where tasks run, over Secrets at home."""
    component_of = {
        s["metadata"]["name"]: s["metadata"]["labels"]["app.kubernetes.io/component"] for s in r.of("ServiceAccount")
    }
    tasks = catalogue.namespaces(r.release.values, r.release.namespace)
    for namespace in sorted(tasks | {r.release.namespace}):
        for account, component in component_of.items():
            here = namespace == r.release.namespace if component not in OVER_TASKS else namespace in tasks
            allowed = expected(r).get(component, set()) if here else set()
            has = _grants_of(r, account, namespace)
            for grant in sorted(has - allowed):
                yield f"{account} may {grant[1]} {grant[0]} {grant[2]} in {namespace}, which the table does not say"
            for grant in sorted(allowed - has):
                yield f"{account} may not {grant[1]} {grant[0]} {grant[2]} in {namespace}, which the table says"


def _grants_of(r: Rendered, account: str, namespace: str) -> set[Grant]:
    here = [b for b in r.of("RoleBinding") if b["metadata"]["namespace"] == namespace]
    bindings = [b for b in here if not r.users_own(b)]
    return {
        grant
        for binding in bindings
        if any(subject["name"] == account for subject in binding.get("subjects") or [])
        for entry in (r.find("Role", binding["roleRef"]["name"], namespace) or {}).get("rules") or []
        for grant in _granted(entry)
    }


@rule
def no_wildcards(r: Rendered) -> Iterator[str]:
    """No rule grants everything of something, and nobody may list Secrets or make more rights."""
    for role in r.of("Role"):
        for entry in role.get("rules") or []:
            for field in ("apiGroups", "resources", "verbs", "nonResourceURLs"):
                if "*" in (entry.get(field) or []):
                    yield f"{ref_of(role)}: {field} has a *"
            if "secrets" in entry["resources"] and {"list", "watch"} & set(entry["verbs"]):
                yield f"{ref_of(role)} may list Secrets"
            if {"escalate", "bind", "impersonate"} & set(entry["verbs"]):
                yield f"{ref_of(role)} may take more rights"


def _granted(entry: dict[str, Any]) -> set[Grant]:
    (group,) = (f".{name}" if name else "" for name in entry["apiGroups"])
    names = entry.get("resourceNames") or ["*"]
    return {
        (resource + group, verb, name) for resource in entry["resources"] for verb in entry["verbs"] for name in names
    }

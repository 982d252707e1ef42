"""What each component may do with the Kubernetes API: exactly this."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chart_harness.objects import Rendered, ref_of
from chart_harness.rules.registry import rule
from chart_harness.rules.secrets import control_plane_secrets

Grant = tuple[str, str, str]  # resource, verb, name or "*"


def _grants(resource: str, verbs: str) -> set[Grant]:
    return {(resource, verb, "*") for verb in verbs.split()}


def expected(r: Rendered) -> dict[str, set[Grant]]:
    """ServiceAccount's component -> what it may do."""
    readable = control_plane_secrets(r)
    if r.release.is_off("admin.create"):
        readable -= {r.release.value("admin.secretName") or f"{r.release.fullname}-admin"}
    return {
        "api-server": _grants("pods", "list") | _grants("pods/log", "get"),
        "scheduler": _grants("pods", "create get list watch patch delete"),
        "bootstrap": _grants("secrets", "create") | {("secrets", "get", name) for name in readable},
    }


@rule
def rights_go_by_the_table(r: Rendered) -> Iterator[str]:
    """Each ServiceAccount has the rights of the table and no other."""
    allowed = expected(r)
    component_of = {
        s["metadata"]["name"]: s["metadata"]["labels"]["app.kubernetes.io/component"] for s in r.of("ServiceAccount")
    }
    for account, component in component_of.items():
        has = {
            grant
            for binding in r.of("RoleBinding")
            if any(subject["name"] == account for subject in binding.get("subjects") or [])
            for entry in (r.find("Role", binding["roleRef"]["name"]) or {}).get("rules") or []
            for grant in _granted(entry)
        }
        for grant in sorted(has - allowed.get(component, set())):
            yield f"ServiceAccount/{account} may {grant[1]} {grant[0]} {grant[2]}, which the table does not say"
        for grant in sorted(allowed.get(component, set()) - has):
            yield f"ServiceAccount/{account} may not {grant[1]} {grant[0]} {grant[2]}, which the table says"


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

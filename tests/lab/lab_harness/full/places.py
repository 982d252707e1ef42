"""Tasks in two namespaces, and pod templates with a way out and an account of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airfleet.demo.install import RESTRICTED
from lab_harness import outside
from lab_harness.full import logs

if TYPE_CHECKING:
    from lab_harness.release import Release

# What pods of this release mount and the chart does not make: docs/guide/pod-templates.md says so.
BROUGHT = {"configmap": ("dags", outside.AUTHORITY), "secret": ("git-token", "log-keys")}
TEMPLATES = ("default", "elsewhere", "walled", "caller")


def elsewhere(release: Release) -> str:
    """The other namespace of tasks."""
    return f"{release.namespace}-tasks"


def bring(release: Release) -> None:
    """Copy what the owner of the other namespace has to put there."""
    for kind, names in BROUGHT.items():
        listed = release.kubectl("get", kind, *names, "--ignore-not-found", "--output", "json")
        assert listed.code == 0, listed.stderr
        for found in json.loads(listed.stdout or '{"items": []}')["items"]:
            own = {"metadata": {"name": found["metadata"]["name"]}}
            release.apply(
                {**{k: found[k] for k in ("apiVersion", "kind", "data")}, **own}, namespace=elsewhere(release)
            )


def prepare(release: Release) -> dict[str, Any]:
    """The namespace with what belongs into it, and the templates. The parts before this one made what is copied."""
    where = elsewhere(release)
    release.more_namespaces.append(where)
    release.cluster.ensure_namespace(where, RESTRICTED)
    bring(release)
    pods = lambda app, port: {"podSelector": {"matchLabels": {"app": app}}, "ports": [port]}
    templates = {
        "elsewhere": {"namespace": where},
        "walled": {"egress": {"proxy": pods("proxy", outside.PROXY_PORT), "logs": pods("s3", logs.PORT)}},
        "caller": {
            "namespace": where,
            "automountServiceAccountToken": True,
            "serviceAccount": {"create": True},
        },
    }
    names = {"metadata": {"name": "caller", "namespace": where}, "apiVersion": "rbac.authorization.k8s.io/v1"}
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["dags"], "verbs": ["get"]}]
    account = {"kind": "ServiceAccount", "name": f"{release.name}-worker-caller", "namespace": where}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "caller"}
    objects = {
        "caller": {**names, "kind": "Role", "rules": rules},
        "caller-binding": {**names, "kind": "RoleBinding", "roleRef": reference, "subjects": [account]},
    }
    return {"podTemplates": templates, "extraObjects": objects}

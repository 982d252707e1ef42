"""What OpenShift's security context constraint `restricted-v2` does to pods, done by the API server itself.

Two admission policies in CEL: one gives a pod that says nothing the first uid of its namespace's range, also as the
group of its volumes; the other refuses any other. Only namespaces with the label below are concerned.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airfleet.lab import Lab

UID = 1000700000
ANNOTATIONS = {"openshift.io/sa.scc.uid-range": f"{UID}/10000"}
LABELS = {"openshift.io/scc": "restricted-v2"}
NAME = "restricted-v2"
_GROUP = "admissionregistration.k8s.io/v1"
_MATCH = {
    "namespaceSelector": {"matchLabels": LABELS},
    "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
}
_RANGE = 'namespaceObject.metadata.annotations["openshift.io/sa.scc.uid-range"].split("/")'
_VARIABLES = [
    {"name": "first", "expression": f"int({_RANGE}[0])"},
    {"name": "last", "expression": f"variables.first + int({_RANGE}[1]) - 1"},
    {"name": "pod", "expression": "object.spec.?securityContext.?runAsUser"},
]


def _filled(containers: str) -> str:
    """Those that say nothing take the first uid of the range, as OpenShift writes it into each of them."""
    return f"""object.spec.?{containers}.orValue([])
        .filter(c, !variables.pod.hasValue() && !c.?securityContext.?runAsUser.hasValue())
        .map(c, Object.spec.{containers}{{name: c.name,
            securityContext: Object.spec.{containers}.securityContext{{runAsUser: variables.first}}}})"""


_MUTATION = f"""
Object{{
    metadata: Object.metadata{{annotations: {{"openshift.io/scc": "{NAME}"}}}},
    spec: Object.spec{{
        securityContext: Object.spec.securityContext{{
            fsGroup: object.spec.?securityContext.?fsGroup.orValue(variables.first)}},
        containers: {_filled("containers")},
        initContainers: {_filled("initContainers")}
    }}
}}
"""
_USER = "c.?securityContext.?runAsUser.orValue(variables.pod.orValue(0))"
_VALIDATION = f"""
(object.spec.containers + object.spec.?initContainers.orValue([])).all(c,
    {_USER} >= variables.first && {_USER} <= variables.last)
"""


def policies() -> list[dict[str, Any]]:
    """Both policies and their bindings."""
    shared = {"matchConstraints": _MATCH, "failurePolicy": "Fail", "variables": _VARIABLES}
    change = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": _MUTATION}}
    refusals = [
        {"expression": _VALIDATION, "message": f"{NAME}: runAsUser must be in the range of the namespace"},
        {
            "expression": "object.spec.?securityContext.?fsGroup.orValue(0) == variables.first",
            "message": f"{NAME}: fsGroup must be that of the namespace",
        },
    ]
    policy = lambda kind, spec: {"apiVersion": _GROUP, "kind": kind, "metadata": {"name": NAME}, "spec": spec}
    return [
        policy("MutatingAdmissionPolicy", {**shared, "reinvocationPolicy": "Never", "mutations": [change]}),
        policy("MutatingAdmissionPolicyBinding", {"policyName": NAME}),
        policy("ValidatingAdmissionPolicy", {**shared, "validations": refusals}),
        policy("ValidatingAdmissionPolicyBinding", {"policyName": NAME, "validationActions": ["Deny"]}),
    ]


@contextmanager
def admission(lab: Lab) -> Iterator[None]:
    """The policies are in the cluster meanwhile."""
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": policies()})
    lab.kubectl("apply", "--filename", "-", stdin=listed)
    try:
        yield
    finally:
        lab.kubectl("delete", "--filename", "-", stdin=listed)

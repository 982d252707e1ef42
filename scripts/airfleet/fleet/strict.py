"""Kubernetes' own schemas with unknown keys refused, for every version.

The schemas come with the package kubernetes-validate, whose own command reads them anew for every object and stops at
the first error; here a kind is compiled once and every error is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

_DEFINITIONS = "/api/_definitions.json"
_URI = "https://kubernetes.invalid/definitions.json"
# Groups of Kubernetes itself. Another group's kinds are custom resources, whose schemas only a cluster has.
_OWN = frozenset(
    [
        "admissionregistration",
        "apiextensions",
        "apiregistration",
        "authentication",
        "authorization",
        "certificates",
        "coordination",
        "discovery",
        "events",
        "flowcontrol.apiserver",
        "internal.apiserver",
        "networking",
        "node",
        "rbac.authorization",
        "resource",
        "scheduling",
        "storage",
        "storagemigration",
    ]
)
_PLAIN = frozenset({"", "apps", "autoscaling", "batch", "policy", "extensions"})


def versions() -> list[str]:
    """The versions whose schemas are known, `1.9` before `1.10`."""
    names = (re.fullmatch(r"v(1\.\d+)\.0-local-strict", each.name) for each in _root().iterdir())
    return sorted((name[1] for name in names if name), key=lambda version: int(version.partition(".")[2]))


def is_own(api_version: str) -> bool:
    """Whether a kind of this apiVersion is Kubernetes' own, and no custom resource."""
    group = api_version.rpartition("/")[0]
    return group in _PLAIN or (group.endswith(".k8s.io") and group.removesuffix(".k8s.io") in _OWN)


def errors(obj: Mapping[str, Any], kubernetes: str) -> Iterator[tuple[str, str]]:
    """What the API server of this version (`1.36`) would refuse of an object: the path, and what is wrong there."""
    api_version, kind = str(obj.get("apiVersion") or ""), str(obj.get("kind") or "")
    if not is_own(api_version):
        return
    validator = _validator(kubernetes, api_version, kind)
    if validator is None:
        yield "", f"Kubernetes {kubernetes} has no {api_version} {kind}"
        return
    for error in validator.iter_errors(obj):
        yield ".".join(map(str, error.instance_path)), error.message[:300]


@cache
def _validator(kubernetes: str, api_version: str, kind: str) -> jsonschema_rs.Draft202012Validator | None:
    group, _, version = api_version.rpartition("/")
    short_group = group.partition(".")[0]
    path = _folder(kubernetes) / ("-".join(filter(None, (kind.lower(), short_group, version))) + ".json")
    if not path.is_file():
        return None
    schema = json.loads(path.read_text().replace(_DEFINITIONS, _URI))
    return jsonschema_rs.Draft202012Validator(schema, registry=_registry(kubernetes))


@cache
def _registry(kubernetes: str) -> jsonschema_rs.Registry:
    text = (_folder(kubernetes) / "_definitions.json").read_text().replace(_DEFINITIONS, _URI)
    return jsonschema_rs.Registry([(_URI, {**json.loads(text), "$id": _URI})])


def _folder(kubernetes: str) -> Any:
    return _root() / f"v{kubernetes}.0-local-strict"


def _root() -> Any:
    return files("kubernetes_validate") / "kubernetes-json-schema"

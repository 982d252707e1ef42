"""Kubernetes' own schemas with unknown keys refused, for every version that the chart supports.

The schemas come with the package kubernetes-validate, whose own command reads them anew for every object and stops at
the first error; here a kind is compiled once and every error is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from chart_harness.objects import Rendered, load, ref_of

_DEFINITIONS = "/api/_definitions.json"
_URI = "https://kubernetes.invalid/definitions.json"
# Kinds of other projects: their schemas are not Kubernetes'. Anything else without a schema is an error.
CUSTOM_KINDS = frozenset({"ServiceMonitor", "PodMonitor", "PrometheusRule", "HTTPRoute"})


def violations(rendered: Rendered, kubernetes: str) -> Iterator[str]:
    """What the API server of this version (`1.36`) would refuse in any object or pod template, all of it."""
    for obj in rendered.objects:
        yield from errors(obj, kubernetes)
        if obj["kind"] == "ConfigMap" and obj["metadata"]["name"].endswith("-pod-templates"):
            for name, text in (obj.get("data") or {}).items():
                for pod in load(text):
                    yield from (f"{name}: {error}" for error in errors(pod, kubernetes))


def errors(obj: Mapping[str, Any], kubernetes: str) -> Iterator[str]:
    """What is wrong with one object."""
    if obj.get("kind") in CUSTOM_KINDS:
        return
    validator = _validator(kubernetes, str(obj.get("apiVersion")), str(obj.get("kind")))
    if validator is None:
        yield f"{ref_of(obj)}: Kubernetes {kubernetes} has no {obj.get('apiVersion')} {obj.get('kind')}"
        return
    for error in validator.iter_errors(obj):
        yield f"{ref_of(obj)}: {'.'.join(map(str, error.instance_path)) or 'object'}: {error.message[:300]}"


@cache
def _validator(kubernetes: str, api_version: str, kind: str) -> jsonschema_rs.Draft202012Validator | None:
    group, _, version = api_version.rpartition("/")
    short_group = group.partition(".")[0]
    name = "-".join(filter(None, (kind.lower(), short_group, version))) + ".json"
    path = _folder(kubernetes) / name
    if not path.is_file():
        return None
    schema = json.loads(path.read_text().replace(_DEFINITIONS, _URI))
    return jsonschema_rs.Draft202012Validator(schema, registry=_registry(kubernetes))


@cache
def _registry(kubernetes: str) -> jsonschema_rs.Registry:
    text = (_folder(kubernetes) / "_definitions.json").read_text().replace(_DEFINITIONS, _URI)
    return jsonschema_rs.Registry([(_URI, {**json.loads(text), "$id": _URI})])


def _folder(kubernetes: str) -> Any:
    return files("kubernetes_validate") / "kubernetes-json-schema" / f"v{kubernetes}.0-local-strict"

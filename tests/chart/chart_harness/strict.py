"""What the API server of a version of Kubernetes would refuse of a release, its pod templates included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airfleet.fleet import strict
from chart_harness.objects import Rendered, load, ref_of

# Kinds of other projects: their schemas are not Kubernetes'. Anything else without a schema is an error.
CUSTOM_KINDS = frozenset({"ServiceMonitor", "PodMonitor", "PrometheusRule", "HTTPRoute"})


def violations(rendered: Rendered, kubernetes: str) -> Iterator[str]:
    """All that is refused by this version (`1.36`) in any object or pod template."""
    for obj in rendered.objects:
        yield from errors(obj, kubernetes)
        if obj["kind"] == "ConfigMap" and obj["metadata"]["name"].endswith("-pod-templates"):
            for name, text in (obj.get("data") or {}).items():
                for pod in load(text):
                    yield from (f"{name}: {error}" for error in errors(pod, kubernetes))


def errors(obj: Mapping[str, Any], kubernetes: str) -> Iterator[str]:
    """What is wrong with one object."""
    if not strict.is_own(str(obj.get("apiVersion"))):
        if obj.get("kind") not in CUSTOM_KINDS:
            yield f"{ref_of(obj)}: no version of Kubernetes has {obj.get('apiVersion')} {obj.get('kind')}"
        return
    for path, what in strict.errors(obj, kubernetes):
        yield f"{ref_of(obj)}: {path or 'object'}: {what}"

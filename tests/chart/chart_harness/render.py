"""Rendering with the real Helm. The same input is rendered once in a test run, however many tests ask for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from airfleet.helm import run_helm
from chart_harness.objects import Release, Rendered, load

CHART = Path(__file__).resolve().parents[3] / "chart"
KUBERNETES = ("1.33", "1.34", "1.35", "1.36", "1.37")


class RefusedError(Exception):
    """Helm refused to render; its text is what Helm printed."""


def render(
    values: Mapping[str, Any] | None = None,
    *,
    release: str = "airflow",
    namespace: str = "data",
    chart: Path = CHART,
    kubernetes: str = KUBERNETES[-1],
    api_versions: tuple[str, ...] = (),
) -> Rendered:
    """Render the chart with these values. Raises RefusedError. The objects belong to the caller, to change at will."""
    canonical = json.dumps(values or {}, sort_keys=True, ensure_ascii=False)  # YAML has no surrogate pairs
    text = manifests(canonical, release, namespace, chart, kubernetes, api_versions)
    return Rendered(Release(release, namespace, json.loads(canonical)), load(text), text)


@lru_cache(maxsize=512)
def manifests(
    values: str, release: str, namespace: str, chart: Path, kubernetes: str, api_versions: tuple[str, ...]
) -> str:
    """The text that `helm template` prints for values given as canonical JSON."""
    return _template(values, release, namespace, chart, kubernetes, api_versions)


def render_again(rendered: Rendered, chart: Path = CHART) -> str:
    """The text of a second run with the same input, past the cache."""
    release = rendered.release
    values = json.dumps(release.values, sort_keys=True, ensure_ascii=False)
    return _template(values, release.name, release.namespace, chart, KUBERNETES[-1], ())


def _template(
    values: str, release: str, namespace: str, chart: Path, kubernetes: str, api_versions: tuple[str, ...]
) -> str:
    argv = ["template", release, str(chart), "--namespace", namespace, "--values", "-", "--kube-version", kubernetes]
    for api_version in api_versions:
        argv += ["--api-versions", api_version]
    done = run_helm(argv, stdin=values, check=False, timeout=60)
    if done.code != 0:
        raise RefusedError(done.stderr.strip())
    return done.stdout

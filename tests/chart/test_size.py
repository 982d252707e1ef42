"""How large and repetitive the chart may be; the measures themselves are tested first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airfleet.supply.package import package
from chart_harness import scorecard, sizes
from chart_harness.render import CHART

TEMPLATES = sizes.templates(CHART)


def test_duplication_is_measured() -> None:
    block = "\n".join(f"line {i}" for i in range(6))
    assert sizes.duplication({"a": block, "b": "\n".join(f"other {i}" for i in range(6))}) == 0
    assert sizes.duplication({"a": block, "b": block.replace("line", "line")}) == 1
    assert sizes.duplication({"a": f"{block}\nx: scheduler", "b": f"{block}\nx: triggerer"}) == 1
    assert sizes.duplication({"a": f"{block}\n1\n2\n3\n4\n5\n6", "b": block}) == pytest.approx(12 / 18)
    assert sizes.duplication({"a": "{{- /* " + block + " */ -}}", "b": "{{- /* " + block + " */ -}}"}) == 0


def test_templates_are_few_lines() -> None:
    assert sum(len(text.splitlines()) for text in TEMPLATES.values()) <= 2500


def test_templates_do_not_repeat_themselves() -> None:
    assert sizes.duplication(TEMPLATES) <= 0.05


@pytest.mark.parametrize("name", TEMPLATES)
def test_files_and_defines_are_short(name: str) -> None:
    text = TEMPLATES[name]
    assert len(text.splitlines()) <= 200
    assert {define: lines for define, lines in sizes.defines(text).items() if lines > 60} == {}


def test_the_schema_is_small() -> None:
    assert (CHART / "values.schema.json").stat().st_size <= 150_000


def test_what_helm_stores_of_a_release_is_small(tmp_path: Path) -> None:
    """Of the packed chart, which leaves comments out; production installs that one."""
    assert scorecard.secret_bytes(package(CHART, tmp_path), {}) <= 120_000


def test_the_chart_holds_only_what_is_rendered(tmp_path: object) -> None:
    """Everything in the chart's folder is in every release's Secret."""
    allowed = re.compile(
        r"(Chart\.yaml|values\.yaml|values\.schema\.json|\.helmignore|templates/.+"
        r"|files/(auth|boot|maintenance|alerts|dashboards|metrics|running)/.+)"
    )
    files = [p.relative_to(CHART).as_posix() for p in CHART.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert [name for name in files if not allowed.fullmatch(name)] == []

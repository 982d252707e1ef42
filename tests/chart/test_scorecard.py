"""docs/reference/scorecard.md is what the chart is, and sizes and scans meet their targets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from chart_harness import scorecard
from chart_harness.scenarios import EVERYTHING


@cache
def page() -> str:
    return scorecard.page()


def test_the_page_is_up_to_date() -> None:
    assert scorecard.PAGE.read_text() == page(), "fix: make bench-chart"


def rows() -> dict[str, list[str]]:
    """First cell -> the others, of every table of the page."""
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in page().splitlines() if line.startswith("| ")]
    return {first: rest for first, *rest in cells}


@pytest.mark.parametrize("name", scorecard.SCORED)
def test_scans_meet_their_targets(name: str) -> None:
    _, restricted, per_workload, checkov, kube_score = rows()[name]
    assert restricted == "100%"
    assert float(per_workload) <= 2
    assert set(re.findall(r"CKV_\w+", checkov)) <= set(scorecard.CHECKOV_REASONS)
    assert set(re.findall(r"([a-z-]+) x", kube_score)) <= set(scorecard.KUBE_SCORE_REASONS)


@pytest.mark.parametrize(("values", "target"), [({}, scorecard.TARGETS[0]), (EVERYTHING, scorecard.TARGETS[1])])
def test_rendering_meets_its_target(values: Mapping[str, Any], target: float) -> None:
    """The lowest of the rounds, since what else the machine does can only add to it."""
    assert scorecard.ratio(values, 7).low <= target

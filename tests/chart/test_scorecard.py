"""docs/reference/scorecard.md is what the chart is, and every target is met."""

from __future__ import annotations

import re
from functools import cache

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


def test_rendering_takes_little_longer_than_an_empty_chart() -> None:
    """The lowest of the rounds: what else the machine does can only add to it."""
    assert scorecard.ratio({}, 7).low <= 2.5
    assert scorecard.ratio(EVERYTHING, 7).low <= 4

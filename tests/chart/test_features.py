"""The features of the official chart that a KubernetesExecutor needs: each row of the comparison holds."""

from __future__ import annotations

import pytest

from chart_harness import features
from chart_harness.features import FEATURES, Feature
from chart_harness.render import render


@pytest.mark.parametrize("feature", [f for f in FEATURES if f.shown], ids=lambda f: f.name)
def test_it_is_as_the_table_says(feature: Feature) -> None:
    assert feature.shown is not None
    assert feature.shown(render(feature.values))


def test_the_table_is_in_the_documentation() -> None:
    assert features.table() in features.PAGE.read_text(), "fix: make bench-chart"

"""Every rule holds for every scenario, and Kubernetes' own schemas accept every object of it."""

from __future__ import annotations

import pytest

from chart_harness import strict
from chart_harness.render import KUBERNETES
from chart_harness.rules import RULES
from chart_harness.scenarios import SCENARIOS, rendered


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str, scenario: str) -> None:
    assert list(RULES[rule](rendered(scenario))) == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_kubernetes_accepts_every_object(scenario: str) -> None:
    release = rendered(scenario)
    assert [error for version in KUBERNETES for error in strict.violations(release, version)] == []

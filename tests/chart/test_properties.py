"""Any values that the schema allows render, are accepted by Kubernetes and hold every rule; or a guard says why not.

The same examples are drawn in every run. To look for new ones, set AIRFLEET_EXAMPLES to how many.
"""

from __future__ import annotations

import os
import re
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, given, settings

from chart_harness import strict
from chart_harness.render import KUBERNETES, RefusedError, render
from chart_harness.rules import violations
from chart_harness.strategies import SCHEMA, values

EXAMPLES = int(os.environ.get("AIRFLEET_EXAMPLES", "60"))
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)


@settings(
    max_examples=EXAMPLES,
    derandomize="AIRFLEET_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(values())
def test_any_values_render_and_hold_every_rule(drawn: dict[str, Any]) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(drawn)] == []
    try:
        release = render(drawn)
    except RefusedError as refused:
        assert re.search(r"Fix: ", str(refused)), refused
        return
    assert violations(release) == []
    assert [error for version in KUBERNETES for error in strict.violations(release, version)] == []

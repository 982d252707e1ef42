"""The registry of rules: a rule takes a release and says each place where it does not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chart_harness.objects import Rendered

Rule = Callable[[Rendered], Iterator[str]]
RULES: dict[str, Rule] = {}


def rule(function: Rule) -> Rule:
    """Register a rule under its function's name."""
    assert function.__name__ not in RULES
    RULES[function.__name__] = function
    return function


def violations(rendered: Rendered) -> list[str]:
    """Every violation of every rule, as `rule: place and reason`."""
    return [f"{name}: {text}" for name, check in RULES.items() for text in check(rendered)]

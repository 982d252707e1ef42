"""What becomes of each key of the official chart: the rule of its longest known prefix."""

from __future__ import annotations

import functools

from airfleet.migrate.migration import Rule
from airfleet.migrate.model import Path


@functools.cache
def _rules() -> dict[Path, Rule]:
    from airfleet.migrate.rules import access, config, dags, images, objects, operations, pods, secrets

    table: dict[Path, Rule] = {}
    for module in (pods, images, secrets, config, dags, access, operations, objects):
        for key, rule in module.RULES.items():
            table[tuple(key.split("."))] = rule  # a later module is more special
    return table


def rule_for(path: Path) -> Rule | None:
    """The rule for a key; None if no rule was written for it."""
    table = _rules()
    return next((table[path[:n]] for n in range(len(path), 0, -1) if path[:n] in table), None)

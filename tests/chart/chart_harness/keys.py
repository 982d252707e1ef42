"""Which test of test_keys.py shows the effect of each key of the values."""

from __future__ import annotations

from chart_harness.strategies import LEAVES, Leaf

# Options that every pod has: one test lays each of them over every block.
SHARED = sorted({leaf.path[1] for leaf in LEAVES if leaf.path[0] == "pod"})
# All others: one test for each of them.
OWN = [leaf for leaf in LEAVES if leaf.path[0] != "pod" and leaf.path[-1] not in SHARED]


def uncovered() -> list[Leaf]:
    """Keys that neither of them shows."""
    return [leaf for leaf in LEAVES if leaf not in OWN and not set(leaf.path) & set(SHARED)]

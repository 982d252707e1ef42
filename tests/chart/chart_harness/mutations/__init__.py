"""Broken releases: for every rule at least one change of a good release that the rule must notice.

A mutation changes rendered objects in place; mutations of the chart's templates stand in test_mutations.py.
"""

from chart_harness.mutations import edges, objects, pods, rights
from chart_harness.mutations.edit import Mutation

MUTATIONS = [*edges.MUTATIONS, *objects.MUTATIONS, *pods.MUTATIONS, *rights.MUTATIONS]

__all__ = ["MUTATIONS", "Mutation"]

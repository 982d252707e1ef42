"""Which clusters are changed together, and in which order."""

from __future__ import annotations

from airfleet.fleet.inventory import Cluster, Fleet
from airfleet.fleet.selector import Selector


def wave_names(fleet: Fleet) -> tuple[str, ...]:
    """The waves in their order; a fleet without any has one for all."""
    return tuple(wave.name for wave in fleet.spec.waves) or ("all",)


def wave_of(fleet: Fleet, cluster: Cluster) -> str:
    """The first wave that selects a cluster."""
    keys = {key for each in fleet.clusters.values() for key in each.labels}
    chosen = (wave for wave in fleet.spec.waves if Selector.parse(wave.select, keys).matches(cluster.labels))
    return next((wave.name for wave in chosen), "all")

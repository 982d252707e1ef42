"""The clusters of a fleet as its files describe them, in the order in which `apply` comes to them. Nothing is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from airfleet.fleet.apply import batch_size
from airfleet.fleet.inventory import Cluster, Fleet, axes
from airfleet.fleet.schema import Wave
from airfleet.fleet.waves import wave_names, wave_of


@dataclass(frozen=True)
class Listed:
    """One cluster: where it stands, what runs there, and how it is reached."""

    name: str
    wave: str
    axes: Mapping[str, str]
    owner: str
    release: str
    namespace: str
    kubernetes: str
    context: str
    pins: Mapping[str, str]


@dataclass(frozen=True)
class ListedWave:
    """A wave with the clusters that were chosen of it. batch is how many of these `apply` changes at a time."""

    name: str
    clusters: tuple[str, ...]
    batch: int
    soak: int
    max_failures: int


@dataclass(frozen=True)
class Listing:
    """The chosen clusters, by wave and then by name; and the waves that have any of them."""

    fleet: str
    waves: tuple[ListedWave, ...]
    clusters: tuple[Listed, ...]


def listing(fleet: Fleet, chosen: Sequence[Cluster]) -> Listing:
    """The chosen clusters of a fleet and their waves."""
    order = wave_names(fleet)
    rows = [_listed(fleet, cluster) for cluster in chosen]
    rows.sort(key=lambda row: (order.index(row.wave), row.name))
    return Listing(str(fleet.place.file), tuple(_waves(fleet, rows)), tuple(rows))


def _listed(fleet: Fleet, cluster: Cluster) -> Listed:
    return Listed(
        name=cluster.name,
        wave=wave_of(fleet, cluster),
        axes=dict(axes(fleet.spec, cluster.spec)),
        owner=cluster.owner,
        release=cluster.release,
        namespace=cluster.namespace,
        kubernetes=cluster.spec.kubernetes,
        context=cluster.spec.context,
        pins=fleet.pins(cluster).model_dump(exclude_none=True),
    )


def _waves(fleet: Fleet, rows: Sequence[Listed]) -> Iterator[ListedWave]:
    for spec in fleet.spec.waves or (Wave(name="all"),):
        names = tuple(row.name for row in rows if row.wave == spec.name)
        if names:
            yield ListedWave(spec.name, names, batch_size(spec.batch, len(names)), spec.soak, spec.max_failures)

"""Why a value is what it is: every layer that says something of it, and who wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airfleet.fleet.chartfiles import chart_files, effective
from airfleet.fleet.documents import Deleted, Leaf, Node, Table, leaves, plain
from airfleet.fleet.inventory import Fleet
from airfleet.fleet.model import KeyPath, Place, at_path
from airfleet.fleet.render import Charts
from airfleet.fleet.resolve import PINS, Resolved

ABSENT = object()
"""No value at all, which null is not."""
MASKED = "(secret)"


@dataclass(frozen=True, slots=True)
class Setting:
    """What one layer says: the place, the value as it stands there, and what it does to the layers below.

    how is `sets`, `adds to`, `replaces`, `deletes`, or `hides` if it sets something above the path.
    """

    layer: str
    place: Place
    value: Any
    how: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A path of one cluster. `settings` are in the order of the layers; `wins` is the number of the one that counts.

    value is what the chart's templates see: the default, `default`, where no layer says anything; ABSENT if nothing.
    """

    cluster: str
    path: KeyPath
    value: Any
    default: Any
    settings: tuple[Setting, ...]
    wins: int
    secret: bool


def explain(fleet: Fleet, resolved: Resolved, path: KeyPath, defaults: Mapping[str, Any]) -> Explanation:
    """Explain a path of a cluster; defaults are the chart's values, as chart_defaults() reads them."""
    settings = tuple(found for layer in resolved.layers if (found := _setting(fleet, layer, path)))
    value = _at(effective(defaults, resolved.values), path, fleet)
    secret = any(tainted[: len(path)] == path[: len(tainted)] for tainted in resolved.tainted)
    default = _at(defaults, path, fleet)
    return Explanation(resolved.cluster.name, path, value, default, settings, len(settings) - 1, secret)


def _at(values: Mapping[str, Any], path: KeyPath, fleet: Fleet) -> Any:
    try:
        return at_path(values, path, fleet.spec.list_keys)
    except KeyError:
        return ABSENT


def _setting(fleet: Fleet, layer: Table, path: KeyPath) -> Setting | None:
    found = _said(layer, path)
    own = fleet.layers.get(layer.layer)
    return replace(found, value=MASKED) if found and own and own.secret else found


def _said(layer: Table, path: KeyPath) -> Setting | None:
    """What a layer says of a path, or of a map above it that decides over it."""
    node: Node = layer
    decided: Setting | None = None
    for part in path:
        if isinstance(node, Leaf) and _numbered(node, part):
            node = node.items[int(part[1:-1])]
            continue
        if not isinstance(node, Table):
            return Setting(layer.layer, node.place, _shown(node), "hides")
        if node.replaces:
            decided = Setting(layer.layer, node.place, "$replace" if node is layer else plain(node), "hides")
        if part not in node.entries:
            return decided
        node = node.entries[part]
    how = "replaces" if decided and isinstance(node, Table) else _how(node)
    return Setting(layer.layer, node.place, _shown(node), how)


def _numbered(node: Leaf, part: str) -> bool:
    """Whether a part of a path is an item of a list that is one value."""
    return part[:1] == "[" and part[1:-1].isdecimal() and int(part[1:-1]) < len(node.items)


def _how(node: Node) -> str:
    if isinstance(node, Deleted):
        return "deletes"
    if isinstance(node, Table):
        return "replaces" if node.replaces else "adds to"
    return "sets"


def _shown(node: Node) -> Any:
    return "$delete" if isinstance(node, Deleted) else plain(node)


@dataclass(frozen=True, slots=True)
class Setter:
    """A line that sets the path that was asked for, or one below it, and the clusters where it wins or loses."""

    path: KeyPath
    layer: str
    place: Place
    value: Any
    wins: tuple[str, ...]
    shadowed: tuple[str, ...]


def who_sets(fleet: Fleet, clusters: Sequence[Resolved], path: KeyPath) -> list[Setter]:
    """Every line of every layer that sets a path, something below it, or a value that stands in its way.

    clusters are those that are asked about: each line is told with those of them where it wins or is shadowed.
    """
    found = [*_pins(clusters, path)]
    for name, layer in fleet.layers.items():
        users = [resolved for resolved in clusters if name in resolved.cluster.layers]
        for below, leaf in leaves(layer.values):
            if _concerns(below, path):
                value = MASKED if layer.secret else _shown(leaf)
                wins = tuple(r.cluster.name for r in users if _same(r.origin(below), leaf))
                shadowed = tuple(r.cluster.name for r in users if r.cluster.name not in wins)
                found.append(Setter(below, name, leaf.place, value, wins, shadowed))
    return found


def _pins(clusters: Sequence[Resolved], path: KeyPath) -> Iterator[Setter]:
    """The values that follow from pinned versions: the same line is one setter for all its clusters."""
    users: dict[tuple[KeyPath, Place], list[tuple[Resolved, Leaf | Deleted]]] = {}
    for resolved in clusters:
        for below, leaf in leaves(resolved.layers[0]):
            if _concerns(below, path):
                users.setdefault((below, leaf.place), []).append((resolved, leaf))
    for (below, place), pinned in users.items():
        wins = tuple(r.cluster.name for r, leaf in pinned if _same(r.origin(below), leaf))
        shadowed = tuple(r.cluster.name for r, _ in pinned if r.cluster.name not in wins)
        yield Setter(below, PINS, place, _shown(pinned[0][1]), wins, shadowed)


def _concerns(below: KeyPath, path: KeyPath) -> bool:
    return below[: len(path)] == path[: len(below)]


def _same(node: Node | None, leaf: Node) -> bool:
    return node is not None and (node.layer, node.place) == (leaf.layer, leaf.place)


def chart_defaults(fleet: Fleet, resolved: Resolved) -> Mapping[str, Any]:
    """The chart's own values. Raises AirfleetError if they can't be read."""
    return chart_files(Charts(fleet).of(resolved)).defaults

"""What is not wrong, but misleads: values that say nothing or stand in the wrong layer, overrides past their time."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from airfleet.fleet.documents import Deleted, Leaf, Node, Table, leaves, plain
from airfleet.fleet.inventory import CLUSTERS, Fleet, Layer
from airfleet.fleet.merge import merge
from airfleet.fleet.model import Finding, KeyPath, Place, Severity, at_path, dotted
from airfleet.fleet.resolve import Resolved

_UNTIL = re.compile(r"#.*?\buntil:\s*(\S+)")
_OWNER = re.compile(r"#.*?\bowner:\s*(\S+)")
_NOTHING = object()


def lint(fleet: Fleet, clusters: Sequence[Resolved], defaults: Mapping[str, Any], today: date) -> list[Finding]:
    """All findings, by file and line. defaults are the chart's values; today says which overrides are past their time.

    Rules: `says-nothing` (the value holds without the line), `shadowed` (the line wins on no cluster), `hoist` (several
    clusters say the same), `unused` (no cluster has the layer), `expired` and `until` (overrides that are to end).
    """
    found = [*_said_already(fleet, clusters, defaults), *_shadowed(fleet, clusters), *_to_hoist(fleet)]
    found += [*_unused(fleet), *_overdue(fleet, today)]
    return sorted(found, key=lambda f: (f.place or Place("", 0), f.rule, f.what))


def _own(fleet: Fleet) -> Iterator[tuple[Layer, KeyPath, Leaf | Deleted]]:
    """Every line that says something, but for secrets, which are nobody's business here."""
    for layer in fleet.layers.values():
        if not layer.secret:
            yield from ((layer, path, leaf) for path, leaf in leaves(layer.values))


def _said_already(fleet: Fleet, clusters: Sequence[Resolved], defaults: Mapping[str, Any]) -> Iterator[Finding]:
    below: dict[tuple[str, ...], Table] = {}
    for layer, path, leaf in _own(fleet):
        users = [each.cluster for each in clusters if layer.name in each.cluster.layers]
        sources = set()
        for cluster in users:
            lower = cluster.layers[: cluster.layers.index(layer.name)]
            if lower not in below:
                below[lower] = merge([fleet.layers[name].values for name in lower]) if lower else _EMPTY
            sources.add(_source(fleet, below[lower], path, leaf, defaults))
        if users and "" not in sources:
            where = " and ".join(sorted(sources))
            what = f"{dotted(path)} is {_shown(leaf)} without this line"
            yield _warning(leaf.place, "says-nothing", what, why=f"{where} says so", fix="remove it")


_EMPTY = Table({}, Place("", 0))


def _source(fleet: Fleet, below: Table, path: KeyPath, leaf: Leaf | Deleted, defaults: Mapping[str, Any]) -> str:
    """Who says the same without a layer: a place, or the chart; nothing if nobody does."""
    node = _node(below, path)
    if isinstance(leaf, Deleted):
        return "nobody" if node is None else ""
    if node is not None:
        return str(node.place) if not isinstance(node, Table | Deleted) and _alike(node.value, leaf.value) else ""
    try:
        default = at_path(defaults, path, fleet.spec.list_keys)
    except KeyError:
        default = _NOTHING
    return "the chart" if _alike(default, leaf.value) and leaf.value is not None else ""


def _node(table: Table, path: KeyPath) -> Node | None:
    """What is said at a path; a value above it hides the chart's."""
    node: Node = table
    for part in path:
        if not isinstance(node, Table):
            return node
        if part not in node.entries:
            return None
        node = node.entries[part]
    return node


def _shadowed(fleet: Fleet, clusters: Sequence[Resolved]) -> Iterator[Finding]:
    for layer, path, leaf in _own(fleet):
        users = [each for each in clusters if layer.name in each.cluster.layers]
        winners = [each.origin(path) for each in users]
        if users and all(node is not None and not _says_so(node, leaf) for node in winners):
            over = " and ".join(sorted({str(node.place) for node in winners if node}))
            yield _warning(
                leaf.place,
                "shadowed",
                f"{dotted(path)} wins on no cluster",
                why=f"{over} is laid over it",
                fix="remove it",
            )


def _says_so(node: Node, leaf: Leaf | Deleted) -> bool:
    """Whether a winner is this line, or one that says the same: then it is that one which says nothing."""
    same = isinstance(node, Leaf) and isinstance(leaf, Leaf) and _alike(node.value, leaf.value)
    return node.place == leaf.place or same


def _to_hoist(fleet: Fleet) -> Iterator[Finding]:
    said: dict[tuple[KeyPath, str], dict[str, Place]] = defaultdict(dict)
    for layer, path, leaf in _own(fleet):
        if layer.name.startswith(f"{CLUSTERS}/") and isinstance(leaf, Leaf):
            said[path, json.dumps(leaf.value, sort_keys=True)][layer.name.partition("/")[2]] = leaf.place
    for (path, value), places in said.items():
        if len(places) < fleet.spec.lint.hoist:
            continue
        for name in dict.fromkeys(n for c in fleet.clusters.values() for n in reversed(c.layers[:-1])):
            users = {c.name for c in fleet.clusters.values() if name in c.layers}
            if users and users <= set(places):
                first = min(places[each] for each in users)
                others = ", ".join(str(places[each]) for each in sorted(users) if places[each] != first)
                if len(users) >= fleet.spec.lint.hoist:
                    what = f"{dotted(path)} is {value} on every cluster of {name}"
                    yield _warning(
                        first,
                        "hoist",
                        what,
                        why=f"also {others}",
                        fix=f"say it once, in {fleet.layers[name].values.place.file}",
                    )
                    break


def _unused(fleet: Fleet) -> Iterator[Finding]:
    used = {name for cluster in fleet.clusters.values() for name in cluster.layers}
    for name, layer in fleet.layers.items():
        if name not in used:
            yield _warning(
                layer.values.place,
                "unused",
                f"no cluster has the layer {name}",
                fix="remove the file, or give it to a cluster",
            )


def _overdue(fleet: Fleet, today: date) -> Iterator[Finding]:
    for layer in fleet.layers.values():
        for number, line in enumerate(layer.lines, 1):
            if until := _UNTIL.search(line):
                yield from _about_time(
                    Place(layer.values.place.file, number), until[1], bool(_OWNER.search(line)), today
                )


def _about_time(place: Place, text: str, owned: bool, today: date) -> Iterator[Finding]:
    try:
        until = date.fromisoformat(text.rstrip(".,;"))
    except ValueError:
        yield Finding(place, "until", f"until: {text} is no date", fix="write it as 2027-03-31")
        return
    if not owned:
        yield Finding(place, "until", "an override that ends has no owner", fix="add `owner: TEAM` to the comment")
    if until < today:
        why = f"it was to end on {until}, {(today - until).days} days ago"
        yield Finding(place, "expired", "an override has outlived its time", why, "remove it, or agree on a later date")


def _warning(place: Place, rule: str, what: str, *, why: str = "", fix: str = "") -> Finding:
    return Finding(place, rule, what, why, fix, Severity.WARNING)


def _alike(one: Any, other: Any) -> bool:
    """Equal, and of the same kind: true is not 1."""
    return json.dumps(one, sort_keys=True, default=repr) == json.dumps(other, sort_keys=True, default=repr)


def _shown(leaf: Leaf | Deleted) -> str:
    return "not set" if isinstance(leaf, Deleted) else json.dumps(plain(leaf))

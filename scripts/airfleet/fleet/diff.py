"""What differs on each cluster -> what a person reads: equal changes of many clusters told once. Pure.

A change is a field of an object. The clusters on which it is the same, word for word or but for the cluster's own name,
are found for every change; changes of the same clusters then stand together.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import yaml

from airfleet.fleet.changes import Change, Field, Kind, Ref, compare, fields, ref_of, with_replaced
from airfleet.fleet.consequences import Effect, Purpose, What, effects, is_digest
from airfleet.fleet.model import KeyPath, Place, dotted
from airfleet.fleet.resolve import Resolved
from airfleet.fleet.taint import is_secret, masked, seals

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NAME = "${{ cluster.name }}"
"""What stands for the cluster's own name in a change that is the same on many."""
_FOLD = 3  # from so many clusters on, values that are another one on each of them are told as one change
_DIGESTS = ("(a digest)", "(another digest)")


@dataclass(frozen=True, slots=True)
class Edit:
    """A value that differs, and the line that says so. before and after are None where there is none.

    by_cluster: it is another one on each cluster, as (name, before, after). unseen: a secret that differs while its
    placeholder does not, as every boolean's; what it changes is seen only by whoever has the key.
    """

    path: str
    kind: Kind
    before: Any
    after: Any
    place: Place | None
    unseen: bool = False
    by_cluster: tuple[tuple[str, Any, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """What became of a cluster itself: `added`, `removed`, `renamed` (from was) or `changed`."""

    cluster: str
    kind: str
    was: str = ""
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """All that differs on one cluster. Nothing in it is secret."""

    cluster: str
    changes: tuple[Change, ...] = ()
    effects: tuple[Effect, ...] = ()
    edits: tuple[Edit, ...] = ()
    move: Move | None = None
    ignored: tuple[str, ...] = ()
    """Fields that differ and belong to somebody else, in words."""


@dataclass(frozen=True, slots=True)
class Line:
    """A field of an object that differs. by_cluster: in another way on each cluster, as (name, before, after)."""

    path: KeyPath
    kind: Kind
    before: Any
    after: Any
    by_cluster: tuple[tuple[str, Any, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """An object that differs on all clusters of a group."""

    ref: Ref
    kind: Kind
    was: Ref | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Changes that are the same on these clusters, and on no others."""

    clusters: tuple[str, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True)
class FleetDiff:
    """What differs between two states of a fleet. clusters are all that were compared.

    effects, edits and ignored come with the names of the clusters that they are about.
    """

    before: str
    after: str
    clusters: tuple[str, ...]
    groups: tuple[Group, ...]
    effects: tuple[tuple[Effect, tuple[str, ...]], ...]
    edits: tuple[tuple[Edit, tuple[str, ...]], ...]
    moves: tuple[Move, ...]
    ignored: tuple[tuple[str, tuple[str, ...]], ...] = ()
    notes: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    """Clusters that could not be compared, and why."""

    @cached_property
    def changed(self) -> tuple[str, ...]:
        """The clusters on which something is going to change."""
        found = {name for group in self.groups for name in group.clusters} | {move.cluster for move in self.moves}
        return tuple(sorted(found | set(self.unseen)))

    @cached_property
    def unseen(self) -> tuple[str, ...]:
        """The clusters where a secret changes in a way that only its key can show."""
        return tuple(sorted({name for edit, names in self.edits if edit.unseen for name in names}))

    @cached_property
    def patterns(self) -> tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]:
        """The clusters that change in the same way, with the numbers of their groups; the most frequent way first."""
        groups: dict[str, list[int]] = {}
        for number, group in enumerate(self.groups):
            for name in group.clusters:
                groups.setdefault(name, []).append(number)
        ways: dict[tuple[int, ...], list[str]] = {}
        for name, numbers in groups.items():
            ways.setdefault(tuple(numbers), []).append(name)
        found = [(tuple(sorted(names)), numbers) for numbers, names in ways.items()]
        return tuple(sorted(found, key=lambda way: (-len(way[0]), way)))


def delta(
    cluster: str,
    before: str,
    after: str,
    *,
    edits: Iterable[Edit] = (),
    move: Move | None = None,
    purpose: Purpose = lambda _: "",
) -> Delta:
    """What differs between two texts of manifests of a cluster."""
    old, new = documents(before), documents(after)
    both = set(old) & set(new)  # what is the same to the letter needs no look
    pair = [[obj for text in texts if text not in both for obj in parsed(text)] for texts in (old, new)]
    changes = with_replaced(compare(*without_secrets(*pair)))
    everything = (obj for text in new for obj in parsed(text))
    found = effects(changes, everything, purpose)
    return Delta(cluster, tuple(map(without_digests, changes)), tuple(found), tuple(edits), move)


def documents(text: str) -> list[str]:
    """The YAML documents of a text, each as a text."""
    return [part for part in re.split(r"^---[ \t]*$", text, flags=re.MULTILINE) if part.strip()]


@lru_cache(maxsize=20000)
def parsed(document: str) -> tuple[Mapping[str, Any], ...]:
    """The object of a document, if it has one; those of many clusters are the same, and are read once."""
    found = yaml.load(document, _LOADER)  # noqa: S506
    return (found,) if isinstance(found, dict) and found else ()


Objects = Sequence[Mapping[str, Any]]


def without_secrets(before: Objects, after: Objects) -> tuple[Objects, Objects]:
    """Two sets of objects without the data of Secrets, but so that differences stay."""
    old, new = ({ref_of(obj).same: obj for obj in objects} for objects in (before, after))
    for name in {*old, *new}:
        one, other = old.get(name), new.get(name)
        if is_secret(one or other or {}):
            one, other = masked(one, other)
            old |= {name: one} if one is not None else {}
            new |= {name: other} if other is not None else {}
    return list(old.values()), list(new.values())


def without_digests(change: Change) -> Change:
    """A digest only says that something else changed; it is another one on every cluster."""
    lines = [
        replace(each, before=_DIGESTS[0], after=_DIGESTS[1]) if is_digest(each) else each for each in change.fields
    ]
    return replace(change, fields=tuple(lines))


def edits_between(before: Resolved, after: Resolved) -> Iterator[Edit]:
    """The values that differ, and the line that sets or no longer sets each. Secrets are their placeholders."""
    told = set()
    for each in fields(before.values, after.values):
        told.add(each.path)
        old = each.before if each.kind is Kind.ADDED else _shown(before, each.path, each.before)
        new = each.after if each.kind is Kind.REMOVED else _shown(after, each.path, each.after)
        side = before if each.kind is Kind.REMOVED else after
        yield Edit(dotted(each.path), each.kind, old, new, _place(side, each.path))
    for path in sorted(before.tainted & after.tainted):
        old, new = _seal(before, path), _seal(after, path)
        if old != new and not any(path[: len(known)] == known for known in told):
            one, other = (f"(secret {mark[:6]})" for mark in (old, new))
            yield Edit(dotted(path), Kind.CHANGED, one, other, _place(after, path), unseen=True)


def _shown(side: Resolved, path: KeyPath, value: Any) -> Any:
    secret = next((path[: len(tainted)] for tainted in side.tainted if path[: len(tainted)] == tainted), None)
    return value if secret is None else f"(secret {_seal(side, secret)[:6]})".replace("(secret )", "(secret)")


def _seal(side: Resolved, path: KeyPath) -> str:
    node = side.origin(path)
    return "".join(seals(node)) if node is not None else ""


def _place(side: Resolved, path: KeyPath) -> Place | None:
    for depth in range(len(path), 0, -1):
        if (node := side.origin(path[:depth])) is not None:
            return node.place
    return None


def fleet_diff(
    before: str,
    after: str,
    deltas: Sequence[Delta],
    notes: Sequence[str] = (),
    failed: Sequence[tuple[str, str]] = (),
) -> FleetDiff:
    """What differs on many clusters, equal things told once."""
    differing = [each for each in deltas if each.changes or each.effects or each.edits or each.move]
    order = list(What)
    found = _shared((each.cluster, effect) for each in differing for effect in each.effects)
    return FleetDiff(
        before,
        after,
        tuple(sorted(each.cluster for each in deltas)),
        tuple(_groups(differing)),
        tuple(sorted(found, key=lambda row: (order.index(row[0].what), -len(row[1]), row[0].ref, row[0].text))),
        tuple(_edits(differing)),
        tuple(sorted((each.move for each in differing if each.move), key=lambda move: move.cluster)),
        tuple(_shared((each.cluster, text) for each in deltas for text in each.ignored)),
        tuple(notes),
        tuple(sorted(failed)),
    )


def _shared(rows: Iterable[tuple[str, Any]]) -> list[tuple[Any, tuple[str, ...]]]:
    """What clusters have, with the names of those that have it."""
    found: dict[Any, list[str]] = {}
    for cluster, thing in rows:
        found.setdefault(thing, []).append(cluster)
    return [(thing, tuple(sorted(names))) for thing, names in found.items()]


def _edits(deltas: Sequence[Delta]) -> Iterator[tuple[Edit, tuple[str, ...]]]:
    rows: list[_Row] = []
    for each in deltas:
        own = _own_name(each.cluster)
        for edit in each.edits:
            place = [edit.place.file, edit.place.line] if edit.place else None
            what = [place, edit.path, edit.kind, edit.unseen]
            rows.append(_row(each.cluster, own, what, edit.before, edit.after))
    for text, before, after, names, by_cluster in sorted(_gathered(rows), key=lambda row: (-len(row[3]), row[0])):
        line, path, kind, unseen = json.loads(text)
        yield Edit(path, Kind(kind), before, after, Place(*line) if line else None, unseen, by_cluster), names


def _groups(deltas: Sequence[Delta]) -> Iterator[Group]:
    rows: list[_Row] = []
    order: dict[str, int] = {}
    for each in deltas:
        own = _own_name(each.cluster)
        for change in each.changes:
            for what, before, after in _atoms(change):
                rows.append(_row(each.cluster, own, what, before, after))
                order.setdefault(rows[-1].what, len(order))
                order.setdefault(rows[-1].normal[0], len(order))
    groups: dict[tuple[str, ...], list[_Found]] = {}
    for found in _gathered(rows):
        groups.setdefault(found[3], []).append(found)
    for names, members in sorted(groups.items(), key=lambda row: (-len(row[0]), row[0])):
        yield Group(names, tuple(_items(sorted(members, key=lambda found: order[found[0]]))))


def _atoms(change: Change) -> Iterator[tuple[list[Any], Any, Any]]:
    """The single changes of an object, each with its two values; that of an added or a removed one is the object."""
    was = _names(change.was) if change.was and change.kind is not Kind.REPLACED else None
    ref = _names(change.ref)
    if change.kind is Kind.REPLACED and change.was:
        ref, was = _stem(change.ref), _stem(change.was)
    if not change.fields:
        yield [ref, change.kind, was, None, None], change.before, change.after
    for each in change.fields:
        yield [ref, change.kind, was, list(each.path), each.kind], each.before, each.after


def _names(ref: Ref) -> list[str]:
    return [ref.kind, ref.namespace, ref.name, ref.api_version]


def _stem(ref: Ref) -> list[str]:
    """The hash at the end of a name is another one on every cluster."""
    return [ref.kind, ref.namespace, ref.name.rpartition("-")[0], ref.api_version]


def _items(members: Sequence[_Found]) -> Iterator[Item]:
    items: dict[str, tuple[Ref, Kind, Ref | None, list[Line]]] = {}
    for what, before, after, _, by_cluster in members:
        ref, kind, was, path, of_field = json.loads(what)
        key = json.dumps([ref, kind, was])
        own = items.setdefault(key, (_ref(ref), Kind(kind), _ref(was) if was else None, []))
        if path is not None:
            own[3].append(Line(tuple(path), Kind(of_field), before, after, by_cluster))
    for ref_, kind_, was_, lines in items.values():
        yield Item(ref_, kind_, was_, tuple(lines))


def _ref(names: Sequence[str]) -> Ref:
    kind, namespace, name, api_version = names
    return Ref(kind, namespace, name, api_version)


@dataclass(frozen=True, slots=True)
class _Row:
    """A change of one cluster: what differs and its two values as texts, and the same without the cluster's name."""

    cluster: str
    what: str
    values: str
    normal: tuple[str, str]


Normal = Callable[[str], str]


def _own_name(cluster: str) -> Normal:
    """Puts NAME in the place of a cluster's name."""
    pattern = re.compile(rf"(?<![A-Za-z0-9]){re.escape(cluster)}(?![A-Za-z0-9])")
    return lambda text: pattern.sub(lambda _: NAME, text) if cluster in text else text


def _row(cluster: str, own: Normal, what: Any, before: Any, after: Any) -> _Row:
    text, values = _json(what), _json([before, after])
    return _Row(cluster, text, values, (own(text), own(values)))


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


_Found = tuple[str, Any, Any, tuple[str, ...], tuple[tuple[str, Any, Any], ...]]


def _gathered(rows: Sequence[_Row]) -> Iterator[_Found]:
    """Each change once, with its clusters: as it is, or without the name if there are more of those."""
    exact, normal = Counter((row.what, row.values) for row in rows), Counter(row.normal for row in rows)
    groups: dict[tuple[str, str], list[_Row]] = {}
    for row in rows:
        own = (row.what, row.values)
        groups.setdefault(row.normal if normal[row.normal] > exact[own] else own, []).append(row)
    alone = Counter(what for (what, _), members in groups.items() if len(members) == 1)
    folded: dict[str, list[_Row]] = {}
    for (what, values), members in groups.items():
        if len(members) == 1 and alone[what] >= _FOLD:
            folded.setdefault(what, []).extend(members)
            continue
        before, after = json.loads(values)
        yield what, before, after, tuple(sorted(row.cluster for row in members)), ()
    for what, members in folded.items():
        each = [(row.cluster, *json.loads(row.values)) for row in sorted(members, key=lambda row: row.cluster)]
        yield what, None, None, tuple(name for name, _, _ in each), tuple(each)

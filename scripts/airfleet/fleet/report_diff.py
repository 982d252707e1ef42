"""What every form of a diff's report says in the same words. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airfleet.fleet.changes import Field, Kind, Ref, shown
from airfleet.fleet.consequences import What, is_digest
from airfleet.fleet.diff import Edit, FleetDiff, Group, Item, Line, Move
from airfleet.fleet.model import dotted

_COMMON = 3  # from so many objects on, the same line is told once
GRAVE = (What.REFUSED, What.LOST)


def count(number: int, noun: str) -> str:
    """`1 cluster`, `2 clusters`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def headline(diff: FleetDiff) -> str:
    """The whole in one sentence."""
    if not diff.clusters:
        return "no cluster was compared"
    if not diff.changed:
        return f"nothing changes on {count(len(diff.clusters), 'cluster')}"
    number, of = len(diff.changed), len(diff.clusters)
    return f"{number} of {count(of, 'cluster')} change{'s' * (number == 1)}"


def alike(diff: FleetDiff) -> str:
    """How many clusters change in the same way, and which of them do not; empty where there is nothing to say."""
    if not diff.patterns or len(diff.patterns[0][0]) < 2:
        return ""
    most = diff.patterns[0][0]
    others = sorted(name for names, _ in diff.patterns[1:] for name in names)
    if not others:
        return f"all {len(most)} in the same way"
    return f"{len(most)} in the same way; {names_of(others)} {'differs' if len(others) == 1 else 'differ'}"


def names_of(names: Sequence[str], limit: int = 6) -> str:
    """`a, b and 39 more`."""
    if len(names) <= limit + 1:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"


def where(names: Sequence[str], diff: FleetDiff, limit: int = 6) -> str:
    """On which clusters something is so."""
    if len(names) > 1 and tuple(names) == diff.clusters:
        return f"all {len(names)} clusters"
    if len(names) > 2 and tuple(names) == diff.changed:
        return f"all {len(names)} clusters that change"
    return f"{count(len(names), 'cluster')}: {names_of(names, limit)}" if len(names) > 2 else " and ".join(names)


def title(group: Group, diff: FleetDiff, limit: int = 6) -> str:
    """What a group's clusters have in common, as a heading; the first one that names all that change, names them."""
    only = "the same on " if len(group.clusters) > 1 else "on "
    names = f": {names_of(group.clusters, limit)}" if group.clusters == diff.changed != diff.clusters else ""
    return f"{only}{where(group.clusters, diff, limit)}{names if len(group.clusters) > 2 else ''}"


@dataclass(frozen=True)
class Common:
    """A line that is the same in many objects."""

    line: Line
    refs: tuple[Ref, ...]


def condensed(group: Group) -> tuple[list[Common], list[Item]]:
    """A group's changes without noise: what is the same in many objects once, and digests not at all."""
    refs: dict[str, list[tuple[Ref, Line]]] = {}
    for item in group.items:
        for line in item.lines:
            if item.kind is Kind.CHANGED:
                refs.setdefault(_identity(line), []).append((item.ref, line))
    often = {key: found for key, found in refs.items() if len(found) >= _COMMON}
    common = [Common(found[0][1], tuple(ref for ref, _ in found)) for found in often.values()]
    items = []
    for item in group.items:
        rest = [line for line in item.lines if not digest(line) and (_identity(line) not in often or not_common(item))]
        if rest or not item.lines:
            items.append(replace(item, lines=tuple(rest)))
    return [each for each in common if not digest(each.line)], items


def not_common(item: Item) -> bool:
    """Whether an object's lines are told with it in any case."""
    return item.kind is not Kind.CHANGED


def _identity(line: Line) -> str:
    return repr((line.path, line.kind, line.before, line.after, line.by_cluster))


def digest(line: Line) -> bool:
    """Whether a line only says that something else changed."""
    return line.before == "(a digest)" or is_digest(Field(line.path, line.kind, line.before, line.after))


def whole(items: Sequence[Item]) -> Iterator[tuple[Kind, str, list[str]]]:
    """The objects that came or went: what happened, the kind and the names."""
    found: dict[tuple[Kind, str], list[str]] = {}
    for item in items:
        if item.kind in (Kind.ADDED, Kind.REMOVED):
            found.setdefault((item.kind, item.ref.kind), []).append(item.ref.name)
    for (kind, name), objects in found.items():
        yield kind, name, objects


def texts(line: Line | Edit) -> tuple[str, str] | None:
    """The two texts, if a line is about one with several lines."""
    before, after = line.before, line.after
    if isinstance(before, str) and isinstance(after, str) and ("\n" in before.strip() or "\n" in after.strip()):
        return before, after
    return None


def text_diff(before: str, after: str, limit: int = 60) -> list[str]:
    """Two texts as a unified diff, without its head."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))[2:]
    return lines if len(lines) <= limit else [*lines[:limit], f"... and {len(lines) - limit} more lines"]


def sides(line: Line | Edit | Field, width: int = 160) -> tuple[str, str]:
    """Both values of a line, each in one line; empty where there is none."""
    if line.kind is Kind.MOVED and isinstance(line.before, list):
        return f"in the order {shortened(line.before, width)}", f"in the order {shortened(line.after, width)}"
    before = "" if line.kind is Kind.ADDED else shortened(line.before, width)
    after = "" if line.kind is Kind.REMOVED else shortened(line.after, width)
    return before, after


def shortened(value: Any, width: int) -> str:
    """A value in one line of so many characters."""
    text = shown(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."


def path_of(line: Line | Field) -> str:
    """A line's path as one types it."""
    return dotted(line.path)


def moved(move: Move) -> str:
    """What became of a cluster, in words."""
    if move.kind == "added":
        return f"{move.cluster} is new"
    if move.kind == "removed":
        return f"{move.cluster} is no longer in the fleet"
    what = f"{move.cluster} was {move.was}" if move.kind == "renamed" else move.cluster
    parts = [f"{path_of(each)} {' -> '.join(filter(None, sides(each)))}" for each in move.fields]
    return f"{what}: {', '.join(parts)}" if parts else what

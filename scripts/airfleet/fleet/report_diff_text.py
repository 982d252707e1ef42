"""A diff as text, for people at a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from airfleet.fleet import report_diff as words
from airfleet.fleet.changes import Kind
from airfleet.fleet.consequences import Effect
from airfleet.fleet.diff import Edit, FleetDiff, Group, Item, Line

_SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~", Kind.MOVED: "~", Kind.REPLACED: "~"}


def text(diff: FleetDiff) -> str:
    """All of it."""
    return "\n".join(_lines(diff))


def _lines(diff: FleetDiff) -> Iterator[str]:
    alike = words.alike(diff)
    yield f"{diff.before} -> {diff.after}: {words.headline(diff)}{', ' if alike else ''}{alike}"
    yield from diff.notes
    yield from _section("not compared", (f"{name}: {why}" for name, why in diff.failed))
    grave = [row for row in diff.effects if row[0].grave]
    yield from _section("somebody has to decide", (line for row in grave for line in _effect(diff, *row)))
    yield from _section("clusters", map(words.moved, diff.moves))
    others = [row for row in diff.effects if not row[0].grave]
    yield from _section("consequences", (line for row in others for line in _effect(diff, *row)))
    yield from _section("values", (line for row in diff.edits for line in _edit(diff, *row)))
    for group in diff.groups:
        yield from _section(words.title(group, diff), _group(group))
    ignored = (f"{text}  ({words.where(names, diff)})" for text, names in diff.ignored)
    yield from _section("left alone, since somebody else owns it", ignored)


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield title
        yield from (f"  {line}" for line in found)


def _effect(diff: FleetDiff, effect: Effect, names: tuple[str, ...]) -> Iterator[str]:
    why = f" ({effect.why})" if effect.why else ""
    yield f"{effect.what}: {effect.text}{why}  on {words.where(names, diff)}"
    if effect.fix:
        yield f"  fix: {effect.fix}"


def _edit(diff: FleetDiff, edit: Edit, names: tuple[str, ...]) -> Iterator[str]:
    place = f"{edit.place}  " if edit.place else ""
    if edit.unseen:
        yield f"{place}{edit.path}: another secret; what it changes is seen only with its key"
        return
    before, after = words.sides(edit)
    arrow = f"{before} -> {after}" if before and after else f"{'now' if after else 'was'} {after or before}"
    if edit.by_cluster:
        arrow = "another value on each cluster"
    yield f"{place}{edit.path}: {arrow}  on {words.where(names, diff)}"


def _group(group: Group) -> Iterator[str]:
    common, items = words.condensed(group)
    for kind, name, objects in words.whole(items):
        yield f"{_SIGNS[kind]} {name} {', '.join(objects)}"
    for item in items:
        if item.kind not in (Kind.ADDED, Kind.REMOVED):
            yield from _item(item)
    for each in common:
        yield f"~ {len(each.refs)} objects ({words.names_of([str(ref) for ref in each.refs], 3)})"
        yield from (f"    {line}" for line in _line(each.line))


def _item(item: Item) -> Iterator[str]:
    made_anew = ", made anew" if item.kind is Kind.REPLACED else ""
    yield f"{_SIGNS[item.kind]} {item.ref}{made_anew}"
    for line in item.lines:
        yield from (f"    {text}" for text in _line(line))


def _line(line: Line) -> Iterator[str]:
    path = words.path_of(line)
    if line.by_cluster:
        yield f"~ {path}: another value on each cluster"
        yield from (
            f"    {name}: {' -> '.join(words.shortened(v, 70) for v in pair)}" for name, *pair in line.by_cluster[:3]
        )
        if len(line.by_cluster) > 3:
            yield f"    and {len(line.by_cluster) - 3} more"
        return
    if texts := words.texts(line):
        yield f"~ {path}:"
        yield from (f"    {text}" for text in words.text_diff(*texts))
        return
    before, after = words.sides(line)
    values = f"{before} -> {after}" if line.kind in (Kind.CHANGED, Kind.MOVED) else after or before
    yield f"{_SIGNS[line.kind]} {path}: {values}"

"""A diff as Markdown for a pull request. Pure.

GitHub takes 65,536 characters, so that is what there is room for, counted in bytes to be on the safe side. Where it is
not enough, the longest part says less, again and again: first values are shortened, then left out, then fields, then
objects; at the end it is said what was left out and how to see all of it.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from airfleet.fleet import report_diff as words
from airfleet.fleet.changes import Kind
from airfleet.fleet.consequences import Effect
from airfleet.fleet.diff import Edit, FleetDiff, Group, Item, Line

LIMIT = 65_535
MARK = "<!-- airfleet diff -->"
"""By which a CI job finds the comment that it wrote before."""
_ALL, _SHORT, _NAMES, _OBJECTS, _COUNTS = range(5)
_LEFT_OUT = {
    _SHORT: "long values are shortened",
    _NAMES: "values are left out",
    _OBJECTS: "fields are left out",
    _COUNTS: "only numbers are left",
}
_WIDTHS = {_ALL: 160, _SHORT: 60}


@dataclass
class _Part:
    """A piece of the page at a level of detail."""

    write: Callable[[int], str]
    group: bool
    level: int = _ALL
    text: str = ""

    def __post_init__(self) -> None:
        self.text = self.write(self.level)

    @property
    def size(self) -> int:
        return len(self.text.encode())

    def at(self, level: int) -> None:
        """Say it at another level."""
        self.level, self.text = level, self.write(level)


def markdown(diff: FleetDiff, limit: int = LIMIT) -> str:
    """All of it, or as much as there is room for."""
    parts = [
        _Part(lambda level: _consequences(diff, level), False),
        _Part(lambda level: _moves(diff, level), False),
        _Part(lambda level: _edits(diff, level), False),
        *(_Part(lambda level, group=group: _group(diff, group, level), True) for group in diff.groups),  # type: ignore[misc]
        _Part(lambda level: _ignored(diff, level), False),
    ]
    head = _head(diff)
    room = limit - len(head.encode()) - 1000  # for the last section
    _fit(parts, room)
    dropped = _drop(parts, room)
    return "\n".join(part for part in (head, *(p.text for p in parts), _tail(diff, parts, dropped)) if part)


def _fit(parts: Sequence[_Part], room: int) -> None:
    total = sum(part.size + 1 for part in parts)
    largest = [(-part.size, number) for number, part in enumerate(parts)]
    heapq.heapify(largest)
    while total > room and largest:
        _, number = heapq.heappop(largest)
        part = parts[number]
        total -= part.size
        part.at(part.level + 1)
        total += part.size
        if part.level < _COUNTS:
            heapq.heappush(largest, (-part.size, number))
    for part in parts:  # the last step may have freed more than was needed
        while part.level > _ALL:
            before = part.size
            part.at(part.level - 1)
            if total - before + part.size > room:
                part.at(part.level + 1)
                break
            total += part.size - before


def _drop(parts: list[_Part], room: int) -> int:
    """Leave whole groups out, those of the fewest clusters first; how many."""
    total = sum(part.size + 1 for part in parts)
    dropped = 0
    for part in reversed([part for part in parts if part.group]):
        if total <= room:
            break
        total -= part.size + 1
        parts.remove(part)
        dropped += 1
    return dropped


def _head(diff: FleetDiff) -> str:
    alike = _cut(words.alike(diff), 800)
    lines = [MARK, f"### {_text(words.headline(diff))}"]
    sides = (_code(_cut(side, 100)) for side in (diff.before, diff.after))
    lines.append(f"{' → '.join(sides)}{' · ' if alike else ''}{_text(alike)}")
    notes = [*diff.notes[:3], *(f"{name} was not compared: {why}" for name, why in diff.failed[:20])]
    more = [f"{len(diff.failed) - 20} more clusters were not compared"] if len(diff.failed) > 20 else []
    return "\n".join([*lines, *(f"> {_text(_cut(note, 300))}" for note in [*notes, *more])])


def _tail(diff: FleetDiff, parts: Sequence[_Part], dropped: int) -> str:
    said = []
    for level, text in _LEFT_OUT.items():
        if number := sum(part.level == level for part in parts):
            said.append(f"in {words.count(number, 'section')} {text}")
    if dropped:
        said.append(f"{words.count(dropped, 'group')} of changes {'is' if dropped == 1 else 'are'} not shown at all")
    if not said:
        return ""
    text = f"To fit into a comment, {'; '.join(said)}."
    return f"\n{_text(text)} All of it: `airfleet diff --html diff.html` with the same arguments."


def _consequences(diff: FleetDiff, level: int) -> str:
    if not diff.effects:
        return ""
    if level >= _COUNTS:
        kinds: dict[str, int] = {}
        for effect, _ in diff.effects:
            kinds[effect.what] = kinds.get(effect.what, 0) + 1
        return f"\n**Consequences**: {', '.join(f'{number} of {what}' for what, number in kinds.items())}"
    rows = list(diff.effects)
    limit = {_ALL: len(rows), _SHORT: 100, _NAMES: 40}.get(level, 15)
    shown = rows[:limit]
    lines = ["", "| | consequence | where |", "|---|---|---|"]
    lines += [_effect(diff, effect, names, level) for effect, names in shown]
    return "\n".join([*lines, *_more(len(rows) - len(shown))])


def _effect(diff: FleetDiff, effect: Effect, names: Sequence[str], level: int) -> str:
    what = f"**{effect.what}**" if effect.grave else str(effect.what)
    why = f"<br>because of {_cell(effect.why)}" if effect.why and level <= _SHORT else ""
    fix = f"<br>fix: {_cell(effect.fix)}" if effect.fix and (level <= _SHORT or effect.grave) else ""
    return f"| {what} | {_cell(effect.text)}{why}{fix} | {_where(diff, names, level)} |"


def _where(diff: FleetDiff, names: Sequence[str], level: int) -> str:
    return _cell(words.where(names, diff, 6 if level <= _SHORT else 2))


def _moves(diff: FleetDiff, level: int) -> str:
    if not diff.moves:
        return ""
    if level >= _COUNTS:
        return f"\n**Clusters**: {len(diff.moves)} are new, gone or changed themselves"
    limit = {_ALL: len(diff.moves), _SHORT: 100, _NAMES: 40}.get(level, 15)
    lines = [f"- {_text(_cut(words.moved(move), 400))}" for move in diff.moves[:limit]]
    return "\n".join(["", "**Clusters**", "", *lines, *_more(len(diff.moves) - limit)])


def _edits(diff: FleetDiff, level: int) -> str:
    if not diff.edits:
        return ""
    if level >= _COUNTS:
        return f"\n**Values**: {words.count(len(diff.edits), 'edited value')}"
    limit = {_ALL: len(diff.edits), _SHORT: 100, _NAMES: 40}.get(level, 15)
    lines = ["", "| value | from | to | set by | where |", "|---|---|---|---|---|"]
    lines += [_edit(diff, edit, names, level) for edit, names in diff.edits[:limit]]
    return "\n".join([*lines, *_more(len(diff.edits) - limit)])


def _edit(diff: FleetDiff, edit: Edit, names: Sequence[str], level: int) -> str:
    before, after = (_code(side) if side else "" for side in words.sides(edit, _WIDTHS.get(level, 30)))
    if edit.by_cluster:
        before, after = "", "another one on each cluster"
    if edit.unseen:
        before, after = "", "another secret; what it changes is seen only with its key"
    place = _code(str(edit.place)) if edit.place else ""
    return f"| {_code(edit.path)} | {before} | {after} | {place} | {_where(diff, names, level)} |"


def _group(diff: FleetDiff, group: Group, level: int) -> str:
    title = f"<b>{_text(words.title(group, diff, 6 if level <= _SHORT else 3))}</b>"
    common, items = words.condensed(group)
    number = words.count(len(items) + sum(len(each.refs) for each in common), "object")
    if not items and not common:
        return f"\n- {title}: nothing but digests of what else changes"
    if level >= _COUNTS:
        return f"\n- {title}: {number}"
    lines = list(_changes(common, items, level))
    fence = "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0))
    body = "\n".join([f"{fence}diff", *lines, fence])
    opened = " open" if len(diff.groups) == 1 else ""
    return f"\n<details{opened}><summary>{title} ({number})</summary>\n\n{body}\n\n</details>"


def _changes(common: Sequence[words.Common], items: Sequence[Item], level: int) -> Iterator[str]:
    for kind, name, objects in words.whole(items):
        sign = "+" if kind is Kind.ADDED else "-"
        shown = objects if level <= _NAMES else objects[:3]
        yield f"{sign} {name} {words.names_of(shown, len(objects))}{_rest(len(objects) - len(shown))}"
    for item in items:
        if item.kind not in (Kind.ADDED, Kind.REMOVED):
            yield f"  {item.ref}{' (made anew)' if item.kind is Kind.REPLACED else ''}"
            if level < _OBJECTS:
                yield from (line for each in item.lines for line in _line(each, level))
    for found in common:
        yield f"  {len(found.refs)} objects: {words.names_of([str(ref) for ref in found.refs], 3)}"
        if level < _OBJECTS:
            yield from _line(found.line, level)


def _rest(number: int) -> str:
    return f" and {number} more" if number > 0 else ""


def _line(line: Line, level: int) -> Iterator[str]:
    path = words.path_of(line)
    if level >= _NAMES or line.by_cluster:
        yield f"!   {path}{': another value on each cluster' if line.by_cluster else ''}"
        return
    if texts := words.texts(line):
        yield f"!   {path}:"
        for text in words.text_diff(*texts, 60 if level == _ALL else 10):
            head = text[:1] if text[:1] in "+-" else " "
            yield _cut(f"{head}     {text[1:] if head != ' ' else text}", 300 if level == _ALL else 100)
        return
    before, after = words.sides(line, _WIDTHS[level])
    if before or line.kind in (Kind.CHANGED, Kind.REMOVED):
        yield f"-   {path}: {before}"
    if after or line.kind in (Kind.CHANGED, Kind.ADDED):
        yield f"+   {path}: {after}"


def _ignored(diff: FleetDiff, level: int) -> str:
    if not diff.ignored:
        return ""
    limit = {_ALL: 100, _SHORT: 40}.get(level, 0 if level >= _COUNTS else 10)
    lines = [f"- {_text(text)} ({_where(diff, names, level)})" for text, names in diff.ignored[:limit]]
    head = f"{words.count(len(diff.ignored), 'field')} left alone, since somebody else owns it"
    return "\n".join(["", f"**{head}**", "", *lines, *_more(len(diff.ignored) - limit)])


def _more(number: int) -> Iterable[str]:
    return [f"\n… and {number} more"] if number > 0 else []


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _text(text: str) -> str:
    """Text that Markdown and HTML leave as it is, and that mentions nobody."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    return re.sub(r"([\\`*_{}\[\]|#~@!])", lambda match: f"&#{ord(match[1])};", text)


def _cell(text: str) -> str:
    return _text(_cut(text, 500))


def _code(text: str) -> str:
    """A code span, whatever is in the text; also inside of a table."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "\\n")
    return f"<code>{re.sub(r'([`|*_~@#])', lambda match: f'&#{ord(match[1])};', escaped)}</code>"

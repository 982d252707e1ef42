"""A diff as one page that needs nothing else: no server, no other file, no network. Pure.

Without JavaScript everything is there and can be read, folded and printed; with it, it can be searched.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from airfleet.fleet import report_diff as words
from airfleet.fleet.changes import Kind, Ref
from airfleet.fleet.consequences import Effect
from airfleet.fleet.diff import Edit, FleetDiff, Group, Line

_VALUE = 2000  # characters of a value


def page(diff: FleetDiff) -> str:
    """The page."""
    style, script = _file("diff.css"), _file("diff.js")
    policy = f"default-src 'none'; style-src 'sha256-{_hash(style)}'; script-src 'sha256-{_hash(script)}'"
    title = escape(f"airfleet: {words.headline(diff)}")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            f'<head><meta charset="utf-8"><title>{title}</title>',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{style}</style></head>",
            "<body>",
            *_body(diff),
            f"<script>{script}</script>",
            "</body></html>",
            "",
        ]
    )


@cache
def _file(name: str) -> str:
    return (Path(__file__).parent / "page" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _body(diff: FleetDiff) -> Iterator[str]:
    alike = words.alike(diff)
    yield f"<header><h1>{escape(words.headline(diff))}</h1>"
    yield f'<p><code>{escape(diff.before)}</code> → <code>{escape(diff.after)}</code> <span class="quiet">'
    yield f"{escape(alike)}</span></p>"
    yield from (f'<p class="quiet">{escape(note)}</p>' for note in diff.notes)
    yield "</header>"
    yield from _tools(diff)
    yield "<main>"
    failed = (_row((escape(name), escape(why)), (name,), ' class="grave"') for name, why in diff.failed)
    yield from _table("Not compared", ("cluster", "why"), failed)
    yield from _table("Consequences", ("", "what", "where"), (_effect(diff, *row) for row in diff.effects))
    yield from _table("Clusters", ("what became of them",), (_moved(words.moved(m), m.cluster) for m in diff.moves))
    yield from _table("Values", ("value", "from", "to", "set by", "where"), (_edit(diff, *row) for row in diff.edits))
    if diff.groups:
        yield "<section><h2>Manifests</h2>"
        for group in diff.groups:
            yield from _group(diff, group)
        yield "</section>"
    ignored = ("field", "where")
    yield from _table("Left alone, since somebody else owns it", ignored, (_left(diff, *row) for row in diff.ignored))
    yield "</main>"


def _tools(diff: FleetDiff) -> Iterator[str]:
    yield '<div class="tools" role="search">'
    yield '<input id="search" type="search" placeholder="Search objects, fields, values" aria-label="Search">'
    yield '<select id="cluster" aria-label="Cluster"><option value="">every cluster</option>'
    yield from (f"<option>{escape(name)}</option>" for name in diff.changed)
    yield "</select>"
    buttons = (("open", "Open all"), ("close", "Close all"), ("theme", "Light or dark"))
    yield from (f'<button id="{name}" type="button">{label}</button>' for name, label in buttons)
    yield '<span id="shown" class="quiet" role="status"></span></div>'


def _table(title: str, head: Sequence[str], rows: Iterable[str]) -> Iterator[str]:
    found = list(rows)
    if found:
        yield f"<section><h2>{escape(title)}</h2><table><thead><tr>"
        yield from (f'<th scope="col">{escape(name)}</th>' for name in head)
        yield "</tr></thead><tbody>"
        yield from found
        yield "</tbody></table></section>"


def _row(cells: Iterable[str], names: Sequence[str], css: str = "") -> str:
    body = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr data-row data-clusters="{_names(names)}"{css}>{body}</tr>'


def _names(names: Sequence[str]) -> str:
    return escape(json.dumps(names))


def _where(diff: FleetDiff, names: Sequence[str]) -> str:
    if len(names) <= 6:
        return escape(", ".join(names))
    summary = escape(f"{len(names)} of {len(diff.clusters)} clusters")
    return f'<details class="inner"><summary>{summary}</summary>{escape(", ".join(names))}</details>'


def _effect(diff: FleetDiff, effect: Effect, names: Sequence[str]) -> str:
    text = escape(effect.text)
    text += f'<br><span class="quiet">because of {escape(effect.why)}</span>' if effect.why else ""
    text += f'<br><span class="quiet">fix: {escape(effect.fix)}</span>' if effect.fix else ""
    return _row((escape(effect.what), text, _where(diff, names)), names, ' class="grave"' if effect.grave else "")


def _moved(text: str, name: str) -> str:
    return _row((escape(text),), (name,))


def _left(diff: FleetDiff, text: str, names: Sequence[str]) -> str:
    return _row((escape(text), _where(diff, names)), names)


def _edit(diff: FleetDiff, edit: Edit, names: Sequence[str]) -> str:
    before, after = (escape(side) for side in words.sides(edit, _VALUE))
    cells = [f"<del>{before}</del>" if before else "", f"<ins>{after}</ins>" if after else ""]
    if edit.unseen:
        cells = ["", "another secret; what it changes is seen only with its key"]
    if edit.by_cluster:
        cells = ["", "".join(_by_cluster(edit))]
    place = f"<code>{escape(str(edit.place))}</code>" if edit.place else ""
    return _row((f"<code>{escape(edit.path)}</code>", *cells, place, _where(diff, names)), names)


def _group(diff: FleetDiff, group: Group) -> Iterator[str]:
    common, items = words.condensed(group)
    yield f'<details class="group" open data-clusters="{_names(group.clusters)}">'
    yield f"<summary>{escape(words.title(group, diff, 12))}</summary>"
    if len(group.clusters) > 13:
        yield f'<div class="item quiet">{escape(", ".join(group.clusters))}</div>'
    for item in items:
        yield from _item(item.ref, item.kind, item.lines)
    for each in common:
        yield f'<div class="item" data-row><h3>{len(each.refs)} objects</h3>'
        yield from _line(each.line)
        yield f'<details class="inner"><summary>which</summary>{escape(", ".join(map(str, each.refs)))}</details></div>'
    if not items and not common:
        yield '<div class="item quiet" data-row>nothing but digests of what else changes</div>'
    yield "</details>"


def _item(ref: Ref, kind: Kind, lines: Sequence[Line]) -> Iterator[str]:
    note = {Kind.REPLACED: " (made anew)", Kind.ADDED: " is new", Kind.REMOVED: " is removed"}.get(kind, "")
    yield f'<div class="item {kind}" data-row><h3>{escape(str(ref))}{note}</h3>'
    for line in lines:
        yield from _line(line)
    yield "</div>"


def _line(line: Line) -> Iterator[str]:
    yield f'<div class="field {line.kind}"><span class="path">{escape(words.path_of(line))}</span> '
    if line.by_cluster:
        yield from _by_cluster(line)
    elif texts := words.texts(line):
        yield "<pre>"
        yield "".join(_text_line(text) for text in words.text_diff(*texts, 400))
        yield "</pre>"
    else:
        before, after = words.sides(line, _VALUE)
        yield f'<del class="value">{escape(before)}</del> ' if before else ""
        yield f'<ins class="value">{escape(after)}</ins>' if after else ""
    yield "</div>"


def _text_line(text: str) -> str:
    tag = {"+": "ins", "-": "del"}.get(text[:1])
    return f"<{tag}>{escape(text)}</{tag}>" if tag else f"{escape(text)}\n"


def _by_cluster(line: Line | Edit) -> Iterator[str]:
    yield f'<details class="inner"><summary>another value on each of {len(line.by_cluster)} clusters</summary><table>'
    for name, *pair in line.by_cluster:
        values = [f"<{tag}>{_value(side)}</{tag}>" for tag, side in zip(("del", "ins"), pair, strict=True) if side]
        yield f"<tr><td>{escape(name)}</td><td>{' '.join(values)}</td></tr>"
    yield "</table></details>"


def _value(value: Any) -> str:
    return escape(words.shortened(value, _VALUE))

"""A diff's forms: Markdown that always fits into a comment, JSON that has everything, text that folds what is alike."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airfleet.fleet.changes import Change, Field, Kind, Ref
from airfleet.fleet.consequences import Effect, What
from airfleet.fleet.diff import Delta, Edit, FleetDiff, Move, fleet_diff
from airfleet.fleet.model import Place
from airfleet.fleet.report_diff_html import page
from airfleet.fleet.report_diff_json import as_json
from airfleet.fleet.report_diff_markdown import LIMIT, MARK, markdown
from airfleet.fleet.report_diff_text import text

NASTY = "`</details>|<script>alert(1)</script>\n```\n@everyone #1 [a](http://b) <!-- --> &amp; ü𝔘"


def ref(name: str, kind: str = "ConfigMap") -> Ref:
    return Ref(kind, "n", name, "v1")


def change(name: str, *fields: tuple[str, Any, Any], kind: str = "ConfigMap") -> Change:
    return Change(ref(name, kind), Kind.CHANGED, tuple(Field(("data", f), Kind.CHANGED, b, a) for f, b, a in fields))


def large(clusters: int, objects: int, fields: int, width: int, alike: bool = False) -> FleetDiff:
    deltas = []
    for c in range(clusters):
        name = f"cluster-{c:04}"
        mark = "" if alike else str(c % 7)
        found = [
            change(f"object-{o}", *((f"field-{o}-{f}{mark}", "a" * width, "b" * width + str(f)) for f in range(fields)))
            for o in range(objects)
        ]
        effects = tuple(
            Effect(What.RESTART, ref(f"e{o}{mark}"), f"Deployment/e{o}{mark} restarts " + "x" * width)
            for o in range(objects)
        )
        edits = tuple(
            Edit(f"v{f}{mark}", Kind.CHANGED, "a" * width, f, Place(f"values/{f}.yaml", f + 1)) for f in range(fields)
        )
        deltas.append(Delta(name, tuple(found), effects, edits, Move(name, "added") if c % 5 == 0 else None))
    return fleet_diff("main (123456789)", "the working tree", deltas)


@pytest.mark.parametrize(
    "shape",
    [
        (1, 1, 1, 10),
        (3, 400, 3, 40),
        (500, 3, 3, 10),
        (500, 10, 3, 10),
        (7, 100, 9, 300),
        (10, 20, 20, 5000),
        (2, 1500, 1, 5),
    ],
)
def test_markdown_always_fits_and_says_what_it_left_out(shape: tuple[int, int, int, int]) -> None:
    diff = large(*shape)
    found = markdown(diff)
    assert len(found.encode()) < 65_536
    assert found.startswith(MARK)
    assert f"{len(diff.changed)} of {shape[0]} cluster" in found
    short = len(markdown(diff, 10**9)) > LIMIT - 1000
    assert ("To fit into a comment" in found) == short
    if short:
        assert "All of it: `airfleet diff --html diff.html`" in found


def test_room_is_used_before_something_is_left_out() -> None:
    diff = large(3, 400, 3, 40)
    assert len(markdown(diff).encode()) > 0.5 * LIMIT


TEXTS = st.one_of(st.sampled_from([NASTY, "", "x" * 3000, "a\nb\n```\n````", "1", "~~~"]), st.text(max_size=20))
VALUES = st.one_of(TEXTS, st.integers(), st.none(), st.booleans(), st.lists(TEXTS, max_size=2))
NAMES = st.one_of(st.sampled_from(["a", "b", NASTY]), st.text(min_size=1, max_size=10))


@st.composite
def diffs(draw: st.DrawFn) -> FleetDiff:
    deltas = []
    row = st.tuples(NAMES, NAMES, st.sampled_from(list(Kind)), VALUES, VALUES)
    for name in draw(st.lists(NAMES, max_size=5, unique=True)):
        rows = draw(st.lists(row, max_size=6, unique_by=lambda row: row[:2]))
        changes = [
            Change(ref(obj), kind if kind is not Kind.MOVED else Kind.CHANGED, (Field((field,), kind, before, after),))
            for obj, field, kind, before, after in rows
        ]
        effects = [Effect(draw(st.sampled_from(list(What))), ref(obj), obj, field, field) for obj, field, *_ in rows]
        edits = [
            Edit(field, kind, before, after, None) for _, field, kind, before, after in rows if kind is not Kind.MOVED
        ]
        deltas.append(Delta(name, tuple(changes), tuple(effects), tuple(edits), None, (NASTY,)))
    return fleet_diff(draw(TEXTS), draw(TEXTS), deltas, [draw(TEXTS)])


class Balanced(HTMLParser):
    """Reads a page; fails where an element is not closed or closes another one. Collects scripts and what they say."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: dict[str, int] = {}
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(html: str) -> Balanced:
    reader = Balanced()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@settings(max_examples=60, deadline=None, derandomize=True)
@given(diffs(), st.sampled_from([LIMIT, 6000]))
def test_no_text_can_break_out_of_any_form(diff: FleetDiff, limit: int) -> None:
    found = markdown(diff, limit)
    assert len(found.encode(errors="surrogatepass")) <= limit
    outside = re.sub(r"^(`{3,})diff\n.*?^\1$", "", found, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in outside
    assert "@everyone" not in outside
    assert outside.count("<details") == outside.count("</details>")
    tags = set(re.findall(r"</?([a-z]+)", outside))
    assert tags <= {"details", "summary", "b", "code", "br"}
    reader = checked(page(diff))
    assert reader.seen["script"] == 1
    names = {name for name, _ in reader.attributes}
    assert not names & {"src", "href", "onclick", "onload", "style"}
    json.loads(as_json(diff))
    text(diff)


def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing_but_its_own_script() -> None:
    html = page(large(3, 3, 3, 10))
    assert "http" not in html.replace("http-equiv", "")
    assert "url(" not in html
    assert re.search(r"default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'", html)


def test_json_has_all_that_the_others_fold() -> None:
    deltas = [Delta(f"c{n}", (change("x", ("f", "old", f"new {n}")),)) for n in range(5)]
    found = json.loads(as_json(fleet_diff("a", "b", deltas)))
    ((group,),) = (found["groups"],)
    (field,) = group["objects"][0]["fields"]
    assert field["byCluster"]["c3"] == {"before": "old", "after": "new 3"}


def test_a_text_of_many_lines_is_shown_as_its_difference() -> None:
    before = "\n".join(map(str, range(30)))
    diff = fleet_diff("a", "b", [Delta("c", (change("x", ("s.sh", before, before.replace("\n7\n", "\nseven\n"))),))])
    for found in (text(diff), markdown(diff)):
        assert "seven" in found
        assert "\n29" not in found


def test_the_same_line_of_many_objects_is_told_once() -> None:
    changes = tuple(change(f"x{n}", ("f", "1", "2")) for n in range(38))
    shown = text(fleet_diff("a", "b", [Delta("c", (*changes, change("y", ("g", 1, 2))))]))
    assert "~ 38 objects (ConfigMap/x0, ConfigMap/x1, ConfigMap/x2 and 35 more)" in shown
    assert shown.count("data.f") == 1
    assert "ConfigMap/y" in shown


def test_what_somebody_has_to_decide_stands_before_everything_else() -> None:
    effects = (
        Effect(What.RESTART, ref("b", "Deployment"), "Deployment/b restarts", "image"),
        Effect(What.REFUSED, ref("a", "Job"), "Job/a is refused", "", "do this"),
    )
    diff = fleet_diff("a", "b", [Delta("c", effects=effects)])
    assert text(diff).splitlines()[2:5] == [
        "somebody has to decide",
        "  refused: Job/a is refused  on c",
        "    fix: do this",
    ]
    table = [line for line in markdown(diff).splitlines() if line.startswith("| ") and "consequence" not in line]
    assert table[0] == "| **refused** | Job/a is refused<br>fix: do this | c |"
    assert re.search(r'<tr [^>]*class="grave"><td>refused', page(diff))


@pytest.mark.parametrize("form", [text, markdown, page, as_json])
def test_nothing_is_a_form_too(form: Any) -> None:
    found = form(fleet_diff("a", "b", [Delta("c"), Delta("d")]))
    assert form is as_json or "nothing changes on 2 clusters" in found


def test_clusters_that_change_alike_are_counted() -> None:
    deltas = [Delta(f"c{n}", (change("x", ("f", 1, 2)),)) for n in range(41)]
    deltas += [Delta(f"d{n}", (change("x", ("f", 1, 2)), change("y", ("g", 1, n)))) for n in range(2)]
    assert text(fleet_diff("a", "b", deltas)).splitlines()[0] == (
        "a -> b: 43 of 43 clusters change, 41 in the same way; d0, d1 differ"
    )

"""Every rule of lint finds what it is for, and is silent where the line does something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

import pytest

from airfleet.fleet.explain import chart_defaults
from airfleet.fleet.inventory import Fleet
from airfleet.fleet.lint import lint
from airfleet.fleet.resolve import resolve

Write = Callable[[Mapping[str, str]], Fleet]
TODAY = date(2026, 11, 26)
C = "axes: {env: prod}\nkubernetes: '1.36'\ncontext: c\nvalues:\n  colour: blue\n"


def told(write: Write, files: Mapping[str, str]) -> list[tuple[str, str, str]]:
    fleet = write({"fleet/base.yaml": "colour: red\n", **files})
    clusters = resolve(fleet, fleet.select())
    found = lint(fleet, clusters, chart_defaults(fleet, clusters[0]), TODAY)
    return [(found.rule, str(found.place), found.what) for found in found]


def test_nothing_is_wrong_with_files_whose_every_line_counts(write: Write) -> None:
    assert told(write, {}) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"fleet/base.yaml": "colour: grey\n"}, 'colour is "grey" without this line'),
        ({"fleet/env/dev.yaml": "colour: red\n"}, 'colour is "red" without this line'),
        ({"fleet/env/dev.yaml": "other: $delete\n"}, "other is not set without this line"),
    ],
)
def test_a_line_that_changes_nothing(write: Write, files: dict[str, str], expected: str) -> None:
    (file,) = files
    assert told(write, files) == [("says-nothing", f"{file}:1", expected)]


@pytest.mark.parametrize(
    "files",
    [
        {"fleet/base.yaml": "colour: null\n"},  # removes the chart's default
        {"fleet/base.yaml": "size: 2\n", "fleet/env/dev.yaml": "size: $delete\n", "fleet/env/prod.yaml": ""},
        {"fleet/base.yaml": "size: true\n"},  # which is not 1
        {"fleet/env/dev.yaml": "more: {a: 1}\n"},
    ],
)
def test_a_line_that_changes_something(write: Write, files: dict[str, str]) -> None:
    assert told(write, files) == []


def test_a_line_that_wins_nowhere(write: Write) -> None:
    files = {"fleet/env/prod.yaml": "colour: green\nsize: 3\n"}
    assert told(write, files) == [("shadowed", "fleet/env/prod.yaml:1", "colour wins on no cluster")]


def test_what_all_clusters_of_a_layer_say(write: Write) -> None:
    files = {"fleet/clusters/c.yaml": C, "fleet/clusters/d.yaml": C.replace("context: c", "context: d")}
    found = told(write, files)
    assert [each for each in found if each[0] == "hoist"] == [
        ("hoist", "fleet/clusters/b.yaml:5", 'colour is "blue" on every cluster of env/prod')
    ]
    files["fleet/clusters/d.yaml"] = C.replace("blue", "green").replace("context: c", "context: d")
    assert [each for each in told(write, files) if each[0] == "hoist"] == []


def test_a_layer_that_no_cluster_has(write: Write) -> None:
    files = {"fleet/env/test.yaml": "colour: blue\n"}
    assert told(write, files) == [("unused", "fleet/env/test.yaml:1", "no cluster has the layer env/test")]


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# until: 2026-11-26 owner: data", []),
        ("# until: 2026-11-25 owner: data", [("expired", "an override has outlived its time")]),
        ("# for the migration; owner: data, until: 2026-11-25.", [("expired", "an override has outlived its time")]),
        ("# until: 2026-12-01", [("until", "an override that ends has no owner")]),
        ("# until: Christmas owner: data", [("until", "until: Christmas is no date")]),
        ("# valid until further notice", []),
    ],
)
def test_overrides_that_end(write: Write, comment: str, expected: list[tuple[str, str]]) -> None:
    found = told(write, {"fleet/env/prod.yaml": f"{comment}\nsize: 3\n"})
    assert found == [(rule, "fleet/env/prod.yaml:1", what) for rule, what in expected]

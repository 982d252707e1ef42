"""Layers: what Helm does with several `-f`, and what is promised beyond it, for any values."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airfleet.fleet.documents import Leaf, Table, leaves, parse, plain
from airfleet.fleet.merge import keyed, merge, overlay
from airfleet.fleet.model import dotted, parse_path
from airfleet.helm import helm

KEYS = st.sampled_from(["a", "b", "c"])
SCALARS = st.sampled_from([1, "x", True, None])
ITEMS = st.lists(st.sampled_from(["p", "q", "r"]), unique=True, max_size=3).map(
    lambda names: [{"name": name, "v": len(names)} for name in names]
)
LIST_KEYS = {("list",): "name"}


def tree(leaf: st.SearchStrategy[Any], depth: int = 2) -> st.SearchStrategy[Any]:
    below = leaf if depth == 0 else leaf | st.deferred(lambda: tree(leaf, depth - 1))
    return st.dictionaries(KEYS, below, max_size=3)


def with_directives(values: Any) -> st.SearchStrategy[Any]:
    """The same map, some of whose keys are deleted and some of whose maps begin anew."""
    if not isinstance(values, dict):
        return st.sampled_from([values, "$delete"])
    entries = st.fixed_dictionaries({key: with_directives(value) for key, value in values.items()})
    return st.tuples(entries, st.booleans()).map(lambda p: {**p[0], "$replace": True} if p[1] else p[0])


LAYERS = tree(SCALARS | st.just([1, 2])).flatmap(with_directives)
KEYED = st.tuples(LAYERS, st.none() | ITEMS).map(lambda p: p[0] if p[1] is None else {**p[0], "list": p[1]})


def table(values: Any, name: str = "f") -> Table:
    document = parse(yaml.safe_dump(values), name, name)
    assert document.findings == ()
    found, findings = keyed(document.root, LIST_KEYS)
    assert findings == []
    return found


@given(KEYED, KEYED, KEYED)
@example({"a": {"b": 1}}, {"a": 2}, {"a": {"c": 3}})
@example({"a": {"b": 1}}, {"a": "$delete"}, {"a": {"c": 3}})
@settings(max_examples=300, deadline=None)
def test_merging_is_associative(one: Any, two: Any, three: Any) -> None:
    a, b, c = table(one), table(two), table(three)
    assert plain(overlay(overlay(a, b), c)) == plain(overlay(a, overlay(b, c)))


@given(KEYED, KEYED)
@settings(max_examples=200, deadline=None)
def test_every_value_has_one_place_which_holds_it(one: Any, two: Any) -> None:
    layers = {"one": table(one, "one"), "two": table(two, "two")}
    merged = merge(layers.values())
    sources = {name: dict(leaves(layer)) for name, layer in layers.items()}
    for path, leaf in leaves(merged):
        if isinstance(leaf, Leaf) and leaf.value not in ({}, []):
            source = sources[leaf.layer][path]
            assert isinstance(source, Leaf)
            assert (source.value, source.place) == (leaf.value, leaf.place)


@given(tree(SCALARS | st.just([1, 2])), tree(SCALARS | st.just([1, 2])))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example({"a": {"b": 1}}, {"a": None})
@example({"a": None}, {"a": {"b": 1}})
@example({"a": {"b": None, "c": 1}}, {"a": {"c": None}})
def test_without_directives_it_is_what_helm_does(tmp_path: Path, one: Any, two: Any) -> None:
    (tmp_path / "templates").mkdir(exist_ok=True)
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: x, version: 0.1.0}\n")
    (tmp_path / "templates" / "a.yaml").write_text("values: {{ toJson .Values }}\n")

    def rendered(*files: Any) -> Any:
        argv = [str(helm()), "template", str(tmp_path)]
        for number, values in enumerate(files):
            (tmp_path / f"{number}.values").write_text(json.dumps(values))
            argv += ["--values", str(tmp_path / f"{number}.values")]
        text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        return yaml.safe_load(text)["values"]

    assert rendered(plain(overlay(table(one), table(two)))) == rendered(one, two)


def test_keyed_lists_are_merged_item_by_item() -> None:
    below = {"list": [{"name": "p", "v": 1, "w": 1}, {"name": "q", "v": 2}]}
    above = {"list": [{"name": "q", "$delete": True}, {"name": "p", "v": 3}, {"name": "r"}]}
    assert plain(overlay(table(below), table(above))) == {"list": [{"name": "p", "v": 3, "w": 1}, {"name": "r"}]}
    anew = {"list": [{"$replace": True}, {"name": "s"}]}
    assert plain(overlay(table(below), table(anew))) == {"list": [{"name": "s"}]}


def test_an_item_without_its_key_is_told_with_its_line() -> None:
    document = parse("list:\n  - name: p\n  - v: 1\n  - name: p\n", "x.yaml")
    _, findings = keyed(document.root, LIST_KEYS)
    assert [(str(f.place), f.why) for f in findings] == [
        ("x.yaml:3", "this item has no name"),
        ("x.yaml:4", "there are two whose name is p"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\na: 2\n", 2, "the key a is there twice"),
        ("a: [1\n", 2, "is not YAML"),
        ("- 1\n", 1, "is not a map of keys"),
        ("a: !thing x\n", 1, "the tag !thing is not supported"),
        ("a: {$replace: 1}\n", 1, "$replace takes nothing but true"),
        ("a: {b: 1}\n? [c]\n: 1\n", 2, "a key is a list or a map"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(text: str, line: int, what: str) -> None:
    findings = parse(text, "x.yaml").findings
    assert [(str(f.place), f.what) for f in findings] == [(f"x.yaml:{line}", what)]


def test_anchors_merge_keys_and_yaml_1_1() -> None:
    text = "base: &base {x: 1, y: yes}\nuser:\n  <<: *base\n  x: 2\nday: 2026-01-01\n1: one\n"
    found = {"base": {"x": 1, "y": True}, "user": {"y": True, "x": 2}, "day": "2026-01-01", "1": "one"}
    assert plain(parse(text, "x").root) == found


@given(st.lists(st.text(min_size=1).filter(lambda part: not part.startswith("[")), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_a_path_is_read_back_as_it_is_written(parts: list[str]) -> None:
    assert parse_path(dotted(tuple(parts))) == tuple(parts)


@pytest.mark.parametrize("text", ["", ".", "a.", "a..b", ".a", "a[b", 'a"b"'])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no path of keys"):
        parse_path(text)

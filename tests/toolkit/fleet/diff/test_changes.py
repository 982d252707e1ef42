"""What is reported of two sets of objects is all that differs: put into the old ones, it gives the new ones."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from airfleet.fleet import changes as library
from airfleet.fleet.changes import Field, Kind, compare, fields, with_replaced

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 2), st.sampled_from(["", "a", "b", "1", "true", "1.0"]), st.just(1.0)
)
NAMES = st.sampled_from(["a", "b", "c", "a-b", "[a]", "x.y"])
FILES = st.sampled_from(
    [
        "a: 1\nb: {c: 2}\n",
        "a: 1\nb: {c: 3}\n",
        "# said\na: 1\nb: {c: 2}\n",
        "{not yaml",
        "[core]\nx = 1\ny = 2\n",
        "[core]\nx = 1\n[other]\ny = 3\n",
        '{"a": [1, 2]}',
        '{"a": [2, 1]}',
        "",
    ]
)


def items(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Lists as Kubernetes has them: of named things, of things with another key, of words, of anything."""
    named = st.fixed_dictionaries({"name": NAMES}, optional={"value": inner})
    mounts = st.fixed_dictionaries({"mountPath": NAMES}, optional={"name": NAMES})
    return st.one_of(
        *(st.lists(each, max_size=4) for each in (named, mounts, st.sampled_from(["--a", "--b", "1"]), inner))
    )


DATA = st.dictionaries(st.sampled_from(["a.yaml", "b.cfg", "c.json", "d.txt"]), FILES, max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.dictionaries(NAMES, inner, max_size=3) | items(inner) | DATA, max_leaves=8
)
OBJECTS = st.fixed_dictionaries(
    {
        "apiVersion": st.sampled_from(["v1", "apps/v1", "apps/v1beta1"]),
        "kind": st.sampled_from(["ConfigMap", "Deployment"]),
        "metadata": st.fixed_dictionaries({"name": st.sampled_from(["x", "y", "z"])}),
    },
    optional={"spec": VALUES, "data": DATA},
)
SETS = st.lists(OBJECTS, max_size=4, unique_by=lambda obj: library.ref_of(obj).same)


def edited(value: Any, random: Random) -> Any:
    """A value as somebody might have edited it: a bit of it is another one, or in another order."""
    chance = random.random()
    if isinstance(value, dict):
        kept = {key: edited(entry, random) for key, entry in value.items() if chance > 0.1 or random.random() > 0.3}
        return kept if chance < 0.8 else {**kept, "new": random.choice([1, True, "x"])}
    if isinstance(value, list):
        found = [edited(item, random) for item in value]
        if chance < 0.3:
            random.shuffle(found)
        elif chance < 0.6:
            found.insert(random.randint(0, len(found)), random.choice(["--c", 1, True, {"name": "new"}]))
        return found
    if chance < 0.8:
        return value
    return bool(value) if isinstance(value, int) and not isinstance(value, bool) else "other"


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """Objects, and what they were edited to."""
    old, random = draw(SETS), draw(st.randoms(use_true_random=False))
    kept = [obj for obj in old if random.random() < 0.9]
    return old, [
        {key: edited(part, random) if key in ("spec", "data") else part for key, part in o.items()} for o in kept
    ]


class Parsed:
    """A file's content: its text is not reported, only what it says."""

    def __init__(self, content: Any) -> None:
        self.content = content


def put(old: Any, new: Any, found: list[tuple[tuple[str, ...], Field]]) -> Any:
    """The old value with the changes in it. Of the new one only the names of its lists' items are used."""
    here = [each for path, each in found if path == () and each.kind is not Kind.MOVED]
    if here:
        (only,) = here
        return only.after
    if not found:
        return old
    if isinstance(old, str):
        name = found[0][1].path[len(found[0][1].path) - len(found[0][0]) - 1]
        return Parsed(put(library._parsed(name, old), library._parsed(name, new), found))
    below: dict[str, list[tuple[tuple[str, ...], Field]]] = {}
    for path, each in found:
        if path:
            below.setdefault(path[0], []).append((path[1:], each))
    if isinstance(old, dict):
        return put_all(dict(old), new, below)
    names, others = library.item_names(old, new)
    entries = put_all(dict(zip(names, old, strict=True)), dict(zip(others, new, strict=True)), below)
    kept = [name for name in names if name in entries]
    for path, each in found:
        if path == ():
            kept = each.after
    for each in sorted((f for path, f in found if len(path) == 1 and f.kind is Kind.ADDED), key=lambda f: f.at):
        kept.insert(each.at, each.path[-1])
    return [entries[name] for name in kept]


def put_all(entries: dict[str, Any], new: dict[str, Any], below: dict[str, Any]) -> dict[str, Any]:
    for name, found in below.items():
        path, each = found[0]
        if path == () and each.kind is Kind.REMOVED:
            del entries[name]
        elif path == () and each.kind is Kind.ADDED:
            entries[name] = each.after
        else:
            entries[name] = put(entries[name], new.get(name), found)
    return entries


def means(value: Any, new: Any, name: str = "") -> bool:
    if isinstance(value, Parsed):
        return means(value.content, library._parsed(name, new))
    if isinstance(value, dict) and isinstance(new, dict):
        return set(value) == set(new) and all(means(value[key], new[key], key) for key in value)
    if isinstance(value, list) and isinstance(new, list):
        return len(value) == len(new) and all(means(*pair) for pair in zip(value, new, strict=True))
    return json.dumps(value) == json.dumps(new)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.one_of(st.tuples(SETS, SETS), pairs(), pairs()))
def test_the_changes_put_into_the_old_objects_give_the_new_ones(sides: tuple[list[Any], list[Any]]) -> None:
    old, new = sides
    result = {library.ref_of(obj).same: obj for obj in old}
    wanted = {library.ref_of(obj).same: obj for obj in new}
    before = json.dumps(old)
    for change in compare(old, new):
        key = change.ref.same
        if change.kind is Kind.REMOVED:
            del result[key]
        elif change.kind is Kind.ADDED:
            result[key] = change.after
        else:
            assert change.fields
            result[key] = put(result[key], wanted[key], [(each.path, each) for each in change.fields])
    assert json.dumps(old) == before
    assert set(result) == set(wanted)
    assert all(means(result[key], wanted[key]) for key in wanted)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(SETS)
def test_what_is_the_same_is_no_change(objects: list[Any]) -> None:
    assert compare(objects, json.loads(json.dumps(objects))) == []


@pytest.mark.parametrize(
    ("before", "after"), [(1, True), (1, 1.0), (0, False), ("1", 1), (None, ""), ([], {}), ({}, None)]
)
def test_values_that_python_or_yaml_would_confuse_are_told_apart(before: Any, after: Any) -> None:
    (found,) = fields({"a": before}, {"a": after})
    assert (found.before, found.after) == (before, after)


def test_arguments_in_another_order_are_a_change() -> None:
    (found,) = fields({"args": ["--once", "--quiet"]}, {"args": ["--quiet", "--once"]})
    assert (found.kind, found.before, found.after) == (Kind.MOVED, ["[--once]", "[--quiet]"], ["[--quiet]", "[--once]"])


def test_an_item_in_the_middle_is_one_change_and_says_where() -> None:
    (found,) = fields({"env": [{"name": "A"}, {"name": "C"}]}, {"env": [{"name": "A"}, {"name": "B"}, {"name": "C"}]})
    assert (found.kind, found.path, found.at) == (Kind.ADDED, ("env", "[B]"), 1)


def test_another_version_of_the_api_is_a_change_of_the_object_and_not_another_object() -> None:
    old, new = ({"apiVersion": f"autoscaling/{v}", "kind": "HPA", "metadata": {"name": "x"}} for v in ("v1", "v2"))
    (change,) = compare([old], [new])
    assert (change.kind, [each.path for each in change.fields]) == (Kind.CHANGED, [("apiVersion",)])


def job(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def test_an_object_under_another_hash_is_replaced() -> None:
    (change,) = with_replaced(compare([job("setup-0a1b2c3d", a=1)], [job("setup-ffffffff", a=2)]))
    assert change.kind is Kind.REPLACED
    assert str(change.was) == "Job/setup-0a1b2c3d"
    assert [(each.path, each.before, each.after) for each in change.fields] == [(("spec", "a"), 1, 2)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["setup-0a1b2c3d"], ["other-ffffffff"]),
        (["setup-0a1b2c3d"], ["setup-ffffff"]),
        (["setup-0a1b2c3d"], ["setup-backup"]),
        (["setup-0a1b2c3d", "setup-0a1b2c3e"], ["setup-ffffffff"]),
    ],
)
def test_objects_that_are_no_such_pair_come_and_go(old: list[str], new: list[str]) -> None:
    found = with_replaced(compare([job(name) for name in old], [job(name) for name in new]))
    assert {change.kind for change in found} == {Kind.ADDED, Kind.REMOVED}


def test_a_file_in_a_config_map_is_compared_by_what_it_says() -> None:
    old, new = ({"data": {"x.yaml": yaml.safe_dump({"a": {"b": n, "c": 1}})}} for n in (1, 2))
    (found,) = fields(old, new)
    assert (found.path, found.before, found.after) == (("data", "x.yaml", "a", "b"), 1, 2)

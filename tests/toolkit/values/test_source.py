"""Reading values.yaml: what a comment gives, and that every mistake is told with its line, all in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from airfleet.errors import InvalidError
from airfleet.values.model import Key, ValuesFile
from airfleet.values.source import read_values

SAMPLE = Path(__file__).with_name("sample.yaml")


def read(tmp_path: Path, text: str) -> ValuesFile:
    path = tmp_path / "values.yaml"
    path.write_text(text)
    return read_values(path, shown="values.yaml")


def key(values: ValuesFile, dotted: str) -> Key:
    return next(k for k in values.walk() if k.dotted == dotted)


def test_description_joins_its_lines_and_keeps_the_example_apart() -> None:
    values = read_values(SAMPLE)
    assert key(values, "scheduler.mode").text == "How it starts. It has two sentences."
    assert key(values, "pod.env").text == "Environment variables by name."
    assert key(values, "pod.env").example == "FOO: bar"


def test_a_comment_on_the_keys_own_line_documents_it() -> None:
    assert key(read_values(SAMPLE), "pod.replicas").text.startswith("How many pods.")


@pytest.mark.parametrize(
    "line", ['a: "x # y"  # -- Text.', "a: 'it''s # y'  # -- Text.", "a: 1 # -- Text.", "a: [b, c] # -- Text."]
)
def test_a_hash_within_quotes_is_no_comment(tmp_path: Path, line: str) -> None:
    text = line + "\n" if "[" not in line else "# @schema items: string\n" + line + "\n"
    assert key(read(tmp_path, text), "a").text == "Text."


def test_sections_cut_the_file_and_keep_their_introduction() -> None:
    titles = [(s.title, s.intro, [k.name for k in s.keys]) for s in read_values(SAMPLE).sections]
    assert titles == [
        ("", "", ["fullnameOverride"]),
        ("Pods", "What every pod has in common.", ["pod", "scheduler", "config", "size"]),
        ("Tasks", "", ["podTemplates", "bundles"]),
    ]


def test_a_definition_in_comments_has_keys_with_their_real_lines() -> None:
    values = read_values(SAMPLE)
    refresh = key(values, "<bundle>.refresh")
    assert refresh.text == "Seconds."
    assert "refresh: null" in SAMPLE.read_text().splitlines()[refresh.line - 1]


def test_single_keys_make_a_definition(tmp_path: Path) -> None:
    text = (
        "# -- A.\n# @schema define: x\na: 1\n# -- B.\n# @schema define: x\nb: 2\n# -- C.\n# @schema map: ref:x\nc: {}\n"
    )
    values = read(tmp_path, text)
    assert set(values.inherited(("x",))) == {"a", "b"}


def test_a_component_inherits_the_documentation_of_shared_keys() -> None:
    values = read_values(SAMPLE)
    assert set(values.inherited(("podTemplate",))) == {"env", "affinity", "resources", "replicas", "queues"}
    assert key(values, "scheduler.replicas").text == ""


A = "# -- A.\n"  # what documents the key `a`
MISTAKES = {
    "no description": ("a: 1\n", ":1: a has no description"),
    "no description below": (A + "a:\n  b: 1\n", ":3: a.b has no description"),
    "null without a type": (A + "a: null\n", ":2: a is null by default"),
    "map without its values": (A + "a: {}\n", ":2: a is {} by default"),
    "list without its items": (A + "a: []\n", ":2: a is a list"),
    "unknown word": (A + "# @schema minimun: 1\na: 1\n", ":3: `@schema minimun:` is not known"),
    "unknown type": (A + "# @schema type: text\na: b\n", ":3: `text` is not a type"),
    "no form": (A + "# @schema integer\na: 1\n", ":3: `@schema integer` is not of the form"),
    "said twice": (A + "# @schema type: integer; type: string\na: 1\n", ":3: `@schema type:` is said twice"),
    "says nothing": (A + "# @schema type:\na: 1\n", ":3: `@schema type:` says nothing"),
    "open quote": (A + '# @schema pattern: "x\na: b\n', ':3: `@schema pattern: "x` has a quote'),
    "enum that is no list": (A + "# @schema enum: a\na: a\n", ":3: `@schema enum: a` must be a list"),
    "minimum that is no number": (A + "# @schema minimum: x\na: 1\n", ":3: `@schema minimum: x` must be"),
    "unknown definition": (
        A + "# @schema ref: pod\na: {}\n",
        ":3: a: `pod` is not defined anywhere (defined are",
    ),
    "unknown definition of entries": (A + "# @schema map: ref:pod\na: {}\n", ":3: a: `pod` is not defined"),
    "extends itself": (A + "# @schema define: x; extends: x\na:\n  # -- B.\n  b: 1\n", ":3: a: `x` extends"),
    "defined twice": (
        A + "# @schema define: x\na:\n  # -- B.\n  b: 1\n# -- C.\n# @schema define: x\nc:\n  # -- D.\n  d: 1\n",
        ":8: `x` is defined twice",
    ),
    "one key of a block": (
        A + "# @schema define: x\na:\n  # -- B.\n  b: 1\n# -- C.\n# @schema define: x\nc: 1\n",
        ":8: `x` is a whole block already",
    ),
    "key twice": (A + "a: 1\n# -- A.\na: 2\n", ":4: a: is there twice"),
    "not YAML": ("a: [1\n", ":2: not YAML"),
    "not a map": ("- a\n", ":1: is not a map of keys"),
    "in a commented definition": (A + "# @schema map: ref:x\n# @define x\n#   b: 1\na: {}\n", ":4: <x>.b has no"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidError) as refused:
        read(tmp_path, text)
    assert f"values.yaml{message}" in refused.value.why


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidError) as refused:
        read(tmp_path, "a: 1\nb: {}\n# -- C.\nc: []\n# @schema typ: x\nd: 1\n")
    assert [line.split(":")[1] for line in refused.value.why.splitlines()] == ["1", "2", "2", "4", "6", "6"]
    assert "6 problems" in refused.value.what


def test_entries_of_a_flow_map_do_not_take_the_comment_of_their_map(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("# -- What it asks for.\n# @schema map: integer\ntargets: {cpu: 80}\n")
    (key,) = read_values(file).keys
    assert key.text == "What it asks for."
    assert [child.text for child in key.children] == [""]

"""YAML files with the line of every value. All that is wrong in a file is told at once, with its line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from airfleet.fleet import helmyaml
from airfleet.fleet.model import Finding, KeyPath, Place

_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # YAML's, which are fewer than str.splitlines() knows

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar, or a list that counts as one value; the items of a list have places of their own."""

    value: Any
    place: Place
    layer: str = ""
    items: tuple[Node, ...] = ()
    sealed: str = ""
    """Of a secret: a digest of its encrypted text, which tells two secrets apart and tells nothing of them."""


@dataclass(frozen=True, slots=True)
class Table:
    """A map of keys. replaces: it begins anew instead of being laid over the map below it."""

    entries: dict[str, Node]
    place: Place
    layer: str = ""
    replaces: bool = False
    item_key: str = ""
    """Of a list that is merged by key: that key. Its entries are the items, `[name]` -> item."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """`$delete`: what lower layers say is forgotten."""

    place: Place
    layer: str = ""


Node: TypeAlias = Leaf | Table | Deleted


@dataclass(frozen=True)
class Document:
    """A file's top map, its text's lines, and what is wrong with it."""

    root: Table
    lines: tuple[str, ...]
    findings: tuple[Finding, ...]


def parse(text: str, file: str, layer: str = "") -> Document:
    """Read YAML whose top is a map. Never raises for what the text says: the findings do."""
    lines = tuple(_LINE_BREAK.split(text))
    reader = _Reader(file, layer)
    root = Table({}, Place(file, 1), layer)
    try:
        node = yaml.compose(text, helmyaml.Loader)
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 1
        why = " ".join(str(part) for part in (e.context, e.problem) if part)
        reader.problem(line, "yaml", "is not YAML", why=why)
        node = None
    except yaml.YAMLError as e:
        reader.problem(1, "yaml", "is not YAML", why=str(e))
        node = None
    except RecursionError:
        reader.problem(1, "yaml", "is not YAML", why="lists or maps are nested too deeply")
        node = None
    if isinstance(node, yaml.MappingNode):
        root = reader.table(node)
    elif node is not None and not (isinstance(node, yaml.ScalarNode) and node.tag == helmyaml.NULL):
        reader.problem(1, "yaml", "is not a map of keys", fix="write `key: value` lines at its top")
    return Document(root, lines, tuple(dict.fromkeys(reader.findings)))  # an alias repeats what its anchor says


class _Reader:
    """Turns YAML's nodes into ours."""

    def __init__(self, file: str, layer: str) -> None:
        self.file, self.layer = file, layer
        self.findings: list[Finding] = []
        self._open: set[int] = set()

    def problem(self, line: int, rule: str, what: str, *, why: str = "", fix: str = "") -> None:
        self.findings.append(Finding(Place(self.file, line), rule, what, why, fix))

    def table(self, node: yaml.MappingNode) -> Table:
        self.plain_tag(node)
        place = Place(self.file, node.start_mark.line + 1)
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        replaces = False
        for name, line, value in self.pairs(node):
            if name in lines:
                self.problem(line, "twice", f"the key {name} is there twice", why=f"first on line {lines[name]}")
            lines[name] = line
            if name == "$replace":
                replaces = self.directive(value, line)
            else:
                entries[name] = self.node(value, line)
        return Table(entries, place, self.layer, replaces)

    def pairs(self, node: yaml.MappingNode) -> Iterator[tuple[str, int, yaml.Node]]:
        """A map's own entries, and those of the maps that `<<` names: what comes first wins, as YAML says."""
        own = {str(name.value) for name, _ in node.value if name.tag != helmyaml.MERGE}
        for name, value in node.value:
            if name.tag != helmyaml.MERGE:
                yield self.key(name), name.start_mark.line + 1, value
                continue
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(merged, yaml.MappingNode):
                    self.problem(name.start_mark.line + 1, "yaml", "`<<` takes a map or a list of maps")
                elif self.enter(merged, name.start_mark.line + 1):
                    found = [pair for pair in self.pairs(merged) if pair[0] not in own]
                    own |= {pair[0] for pair in found}
                    yield from found
                    self._open.discard(id(merged))

    def key(self, node: yaml.Node) -> str:
        """Helm's keys are texts. One that it would read as something else, and write otherwise, is refused."""
        if not isinstance(node, yaml.ScalarNode):
            self.problem(node.start_mark.line + 1, "yaml", "a key is a list or a map")
            return ""
        text = str(node.value)
        if node.tag != helmyaml.STR:
            value = helmyaml.scalar(text)
            called = "nothing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            if called != text:
                what = f"the key {text} is no text: Helm would call it {called}"
                self.problem(node.start_mark.line + 1, "yaml", what, fix=f'write it in quotes: `"{text}":`')
        return text

    def node(self, node: yaml.Node, line: int) -> Node:
        place = Place(self.file, line)
        if isinstance(node, yaml.ScalarNode):
            value = self.scalar(node)
            return Deleted(place, self.layer) if value == "$delete" else Leaf(value, place, self.layer)
        if not self.enter(node, line):
            return Leaf(None, place, self.layer)
        try:
            if isinstance(node, yaml.MappingNode):
                table = self.table(node)
                return Table(table.entries, place, self.layer, table.replaces)
            self.plain_tag(node)
            items = tuple(self.node(item, item.start_mark.line + 1) for item in node.value)
            return Leaf([plain(item) for item in items], place, self.layer, items)
        finally:
            self._open.discard(id(node))

    def enter(self, node: yaml.Node, line: int) -> bool:
        """Whether a list or a map does not hold itself, by way of an anchor."""
        if id(node) in self._open:
            self.problem(line, "yaml", "an anchor's value holds itself")
            return False
        self._open.add(id(node))
        return True

    def directive(self, node: yaml.Node, line: int) -> bool:
        if isinstance(node, yaml.ScalarNode) and self.scalar(node) is True:
            return True
        fix = "write `$replace: true`; SOPS leaves it as it is with `encrypted_regex` or `unencrypted_regex`"
        self.problem(line, "directive", "$replace takes nothing but true", fix=fix)
        return False

    def scalar(self, node: yaml.Node) -> Scalar:
        if node.tag == helmyaml.STR:
            return str(node.value)
        line = node.start_mark.line + 1
        value: Scalar = helmyaml.scalar(node.value)
        if node.tag == helmyaml.FLOAT and isinstance(value, int | float) and not isinstance(value, bool):
            if math.isfinite(value):
                return value
            self.problem(line, "yaml", f"{node.value} is not a value", why="Helm's values can't hold it")
        elif node.tag in (helmyaml.NULL, helmyaml.BOOL, helmyaml.INT, helmyaml.FLOAT):
            if helmyaml.tag(node.value) == node.tag:
                return value
            name = node.tag.rpartition(":")[2]
            self.problem(line, "yaml", f"{node.value} is not a value", why=f"the tag !!{name} does not fit it")
        else:
            self.plain_tag(node)
        return None

    def plain_tag(self, node: yaml.Node) -> None:
        if node.tag in _COLLECTIONS:
            return
        self.problem(node.start_mark.line + 1, "yaml", f"the tag {node.tag} is not supported", fix="write plain YAML")


def leaves(node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Leaf | Deleted]]:
    """Every value below a node with its path, in the file's order. An empty map is a leaf of its own."""
    if not isinstance(node, Table):
        yield path, node
    elif not node.entries and path:
        yield path, Leaf([] if node.item_key else {}, node.place, node.layer)
    else:
        for name, entry in node.entries.items():
            yield from leaves(entry, (*path, name))


def plain(node: Node) -> Any:
    """The values without their places; what is deleted is left out."""
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Deleted):
        return None
    entries = {name: plain(entry) for name, entry in node.entries.items() if not isinstance(entry, Deleted)}
    return list(entries.values()) if node.item_key else entries

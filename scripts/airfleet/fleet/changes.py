"""Two sets of manifests -> what is different, field by field. Pure; knows Kubernetes' objects and nothing else.

Items of lists are known by what names them (`name`, `mountPath` ...), so an inserted one is one change. A ConfigMap's
files that are YAML, JSON or INI are compared field by field, too. Nothing that differs is left out: put into the old
object, the fields give the new one (but for comments in such files).
"""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import yaml

from airfleet.fleet import helmyaml
from airfleet.fleet.model import KeyPath, dotted

_HASHED = re.compile(r"(.+)-([0-9a-f]{6,64})")
_NAMES = ("name", "mountPath", "containerPort", "port", "key", "topologyKey", "path", "type")
ABSENT = "(absent)"


class Kind(StrEnum):
    """What happened to an object or a field.

    A list is moved if its items are in another order: before and after are their names. An object is replaced if
    another one takes its place, under a name that ends in another hash.
    """

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """An object of a cluster: kind, namespace and name."""

    kind: str
    namespace: str
    name: str
    api_version: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def group(self) -> str:
        """The API's group; empty for the core one."""
        return self.api_version.rpartition("/")[0]

    @property
    def same(self) -> tuple[str, str, str, str]:
        """What is equal of two versions of one object: all but the API's version."""
        return self.group, self.kind, self.namespace, self.name


@dataclass(frozen=True, slots=True)
class Field:
    """A field that differs. before and after are JSON values; None where there is none.

    at is the number that an added item has in its list.
    """

    path: KeyPath
    kind: Kind
    before: Any
    after: Any
    at: int | None = None

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {shown(self.before, self.kind is Kind.ADDED)} -> {shown(self.after)}"


@dataclass(frozen=True, slots=True)
class Change:
    """An object that differs; an added or a removed one has no fields. was is the one that a replaced one replaces."""

    ref: Ref
    kind: Kind
    fields: tuple[Field, ...] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    was: Ref | None = None


def compare(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> list[Change]:
    """What became of each object."""
    old, new = ({ref_of(obj).same: obj for obj in objects} for objects in (before, after))
    return [change for name in sorted({*old, *new}) if (change := _change(old.get(name), new.get(name)))]


def with_replaced(changes: Iterable[Change]) -> list[Change]:
    """The same; an object that went and one that came, named alike but for a hash at the end, are one change."""
    changes = list(changes)
    pairs: dict[tuple[str, ...], list[Change]] = {}
    for change in changes:
        match = _HASHED.fullmatch(change.ref.name)
        if match and change.kind in (Kind.ADDED, Kind.REMOVED):
            stem = (change.ref.group, change.ref.kind, change.ref.namespace, match[1], str(len(match[2])))
            pairs.setdefault(stem, []).append(change)
    instead: dict[Ref, Change | None] = {}
    for pair in pairs.values():
        gone, new = ([each for each in pair if each.kind is kind] for kind in (Kind.REMOVED, Kind.ADDED))
        if len(gone) == len(new) == 1:
            differ = [each for each in fields(gone[0].before, new[0].after) if each.path != ("metadata", "name")]
            instead[gone[0].ref] = None
            instead[new[0].ref] = replace(
                new[0], kind=Kind.REPLACED, fields=tuple(differ), before=gone[0].before, was=gone[0].ref
            )
    return [found for change in changes if (found := instead.get(change.ref, change))]


def ref_of(obj: Mapping[str, Any]) -> Ref:
    """What names an object."""
    metadata = obj.get("metadata") or {}
    namespace, name = str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
    return Ref(str(obj.get("kind")), namespace, name, str(obj.get("apiVersion")))


def _change(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Change | None:
    if before is None or after is None:
        there = after or before or {}
        return Change(ref_of(there), Kind.REMOVED if after is None else Kind.ADDED, (), before, after)
    if same(before, after):
        return None
    return Change(ref_of(after), Kind.CHANGED, tuple(fields(before, after)), before, after)


def same(before: Any, after: Any) -> bool:
    """Whether two values are one to Kubernetes: 1 and true, which are equal in Python, are not."""
    return before == after and _json(before) == _json(after)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def fields(before: Any, after: Any, path: KeyPath = ()) -> Iterator[Field]:
    """The fields that differ, down to single values."""
    if same(before, after):
        return
    if isinstance(before, str) and isinstance(after, str) and path:
        parsed = (_parsed(path[-1], before), _parsed(path[-1], after))
        if None not in parsed and not same(*parsed):
            yield from fields(*parsed, path)
            return
    entries = _entries(before, after)
    if entries is None:
        yield Field(path, Kind.CHANGED, before, after)
        return
    old, new = entries
    listed = list(new) if isinstance(after, list) else []
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in old:
            yield Field((*path, name), Kind.ADDED, None, new[name], listed.index(name) if listed else None)
        elif name not in new:
            yield Field((*path, name), Kind.REMOVED, old[name], None)
        else:
            yield from fields(old[name], new[name], (*path, name))
    if listed:
        stayed = [name for name in old if name in new], [name for name in listed if name in old]
        if stayed[0] != stayed[1]:
            yield Field(path, Kind.MOVED, *stayed)


def _entries(before: Any, after: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The entries of two maps, or the items of two lists by their names; None if they are neither."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return dict(before), dict(after)
    if isinstance(before, list) and isinstance(after, list):
        old, new = item_names(before, after)
        return dict(zip(old, before, strict=True)), dict(zip(new, after, strict=True))
    return None


def item_names(*lists: Sequence[Any]) -> list[list[str]]:
    """Names for the items of lists: by the first key that tells them apart in each of the lists."""
    for key in _NAMES:
        named = [[item.get(key) if isinstance(item, Mapping) else None for item in items] for items in lists]
        if all(None not in names and len(set(map(str, names))) == len(names) for names in named):
            return [[f"[{name}]" for name in names] for names in named]
    if all(_is_set(items) for items in lists):
        return [[f"[{item}]" for item in items] for items in lists]
    return [[f"[{number}]" for number in range(len(items))] for items in lists]


def _is_set(items: Sequence[Any]) -> bool:
    return all(isinstance(item, str) for item in items) and len(set(items)) == len(items)


def _parsed(name: str, text: str) -> Any:
    """The content of a file in a ConfigMap, or None if it is only text."""
    try:
        if name.endswith((".yaml", ".yml", ".json")):
            found = json.loads(text) if name.endswith(".json") else helmyaml.load(text)
            return found if isinstance(found, dict | list) else None
        if name.endswith((".cfg", ".ini")):
            parser = configparser.RawConfigParser(strict=False)
            parser.optionxform = str  # type: ignore[assignment,method-assign]
            parser.read_string(text)
            return {section: dict(parser[section]) for section in parser.sections()}
    except (ValueError, yaml.YAMLError, configparser.Error):
        return None
    return None


def shown(value: Any, absent: bool = False) -> str:
    """A value in one line, as JSON; strings without their quotes."""
    if value is None and absent:
        return ABSENT
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    text = text.replace("\n", "\\n")
    return text if len(text) <= 160 else f"{text[:157]}..."

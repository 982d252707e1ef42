"""docs/reference/values.md from a documented values.yaml: one section each for the parts of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import yaml

from airfleet.values.model import KUBERNETES, Key, Section, ValuesFile
from airfleet.values.rules import Rules, ValueType

_LONG = 72
_HEAD = """\
# Values of the chart

<!-- Generated from chart/values.yaml by `airfleet values docs`; edit that file instead. -->

Every key of `chart/values.yaml`. `null` unsets a default, and removes an entry of a map. A key that is not listed here
is refused, by name, before anything is rendered.
"""


def reference_text(values: ValuesFile) -> str:
    """The whole page as Markdown."""
    parts = [_HEAD]
    for section in values.sections:
        parts += _section(values, section)
    if shared := [d for d in values.definitions.values() if not d.is_block]:
        parts.append("## Definitions\n\nThe form of what several keys above hold.\n")
        for definition in sorted(shared, key=lambda d: d.name):
            parts.append(f'<a id="{definition.name.lower()}"></a>\n\n### {definition.name}\n')
            parts += _table(values, definition.block)
    return "\n".join(parts).rstrip() + "\n"


def _section(values: ValuesFile, section: Section) -> Iterator[str]:
    if section.title:
        yield f"## {section.title}\n"
    if section.intro:
        yield f"{section.intro}\n"
    for is_small, keys in groupby(section.keys, key=lambda key: not isinstance(key.default, dict)):
        if is_small:
            yield from _rows(values, list(keys))
        else:
            for key in keys:
                yield from _chapter(values, key)


def _chapter(values: ValuesFile, key: Key) -> Iterator[str]:
    """A map at the top of the file has a heading of its own."""
    anchor = f'<a id="{key.rules.define.lower()}"></a>\n\n' if key.rules.define else ""
    yield f"{anchor}### {key.name}\n"
    if key.is_block:
        yield f"{key.text}\n"
        yield from _table(values, key)
    else:
        yield from _rows(values, [key])


def _table(values: ValuesFile, block: Key) -> Iterator[str]:
    """A block's own keys, those of blocks inside it included, and a link to what it extends."""
    if block.rules.extends:
        links = " and ".join(f"[`{name}`](#{name.lower()})" for name in block.rules.extends)
        yield f"It takes every key of {links} as well.\n"
    yield from _rows(values, list(_leaves(values, block)))


def _leaves(values: ValuesFile, block: Key) -> Iterator[Key]:
    inherited = values.inherited(block.rules.extends)
    for child in block.children:
        if child.is_block and child.name not in inherited and not child.rules.define:
            yield child
            yield from _leaves(values, child)
        else:
            yield child


def _rows(values: ValuesFile, keys: list[Key]) -> Iterator[str]:
    rows, below = [], []
    for key in keys:
        default = _flow(key.default)
        if key.is_block:
            default = ""
        elif len(default) > _LONG:
            below.append((f"Default of `{_name(key)}`:", _block(key.default)))
            default = "see below"
        else:
            default = f"`{default}`"
        if key.example:
            below.append((f"Example of `{_name(key)}`:", key.example))
        text = _cell(_text(values, key))
        rows.append(f"| `{_name(key)}` | {_cell(_type(key))} | {_cell(default)} | {text} |")
    if rows:
        yield "\n".join(["| Key | Type | Default | What it is |", "|---|---|---|---|", *rows]) + "\n"
    for title, code in below:
        yield f"{title}\n\n```yaml\n{code}\n```\n"


def _name(key: Key) -> str:
    return ".".join(part for part in key.path if not part.startswith("<"))


def _text(values: ValuesFile, key: Key) -> str:
    if key.text or len(key.path) < 2:
        return key.text
    for definition in values.definitions.values():
        for shared in definition.block.children:
            if shared.name == key.name:
                return f"This component's own default of [`{definition.name}.{key.name}`](#{definition.name.lower()})."
    return ""


def _type(key: Key) -> str:
    rules = key.rules
    if rules.open:
        return f"Kubernetes {rules.open}"
    if rules.ref:
        return _link(rules.ref)
    if rules.map is not None:
        return f"map of name to {_value_type(rules.map)}"
    if rules.items is not None:
        return f"list of {_value_type(rules.items)}"
    if "enum" in rules.constraints:
        return "one of " + ", ".join(f"`{v}`" for v in rules.constraints["enum"] if v is not None)
    if key.is_block:
        return "keys below"
    return " or ".join(t for t in rules.types if t != "null") + _limits(rules) if rules.types else _plain(key)


def _plain(key: Key) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "list", dict: "map"}
    return names.get(type(key.default), "") + _limits(key.rules)


def _limits(rules: Rules) -> str:
    low, high = rules.constraints.get("minimum"), rules.constraints.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", at least {low}"
    return f", at most {high}" if high is not None else ""


def _value_type(value: ValueType) -> str:
    if value.ref:
        return _link(value.ref)
    if value.map is not None:
        return f"map of name to {_value_type(value.map)}"
    return " or ".join(value.types) or "anything"


def _link(name: str) -> str:
    return f"Kubernetes {name}" if name in KUBERNETES else f"[{name}](#{name.partition('.')[0].lower()})"


def _flow(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _block(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110).rstrip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n\n", "<br><br>").replace("\n", "<br>")

"""values.schema.json from a documented values.yaml.

Two things are said here, once, for every key:
- `null` is allowed wherever there is a default, since that is how Helm unsets one; a block of documented keys is not a
  default, and setting it to null would leave nothing for the templates to read, so it is refused.
- Every object of our own is closed, so a misspelt key is refused by name. Helm itself puts `global` into the values of
  a subchart, so that is open. What is handed to Kubernetes as it stands is open as well: it is checked against
  Kubernetes' own schema where it is rendered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airfleet.values.model import KUBERNETES, Key, ValuesFile
from airfleet.values.rules import ValueType

_TYPE_OF = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
_QUANTITIES = {"type": ["object", "null"], "additionalProperties": {"$ref": "#/definitions/quantity"}}
_KUBERNETES: dict[str, dict[str, Any]] = {
    "quantity": {"type": ["string", "number", "null"], "pattern": _QUANTITY},
    "resources": {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {
            "requests": {"description": "What the node keeps free for the container.", **_QUANTITIES},
            "limits": {"description": "What the container can have at most.", **_QUANTITIES},
        },
    },
}


def schema_of(values: ValuesFile, title: str) -> dict[str, Any]:
    """The JSON schema of a chart's values, of draft 7: Helm checks a schema itself before every rendering, which takes
    twice as long for a later draft."""
    build = _Build(values)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "global": {
                "description": "Helm shares this with subcharts; this chart does not read it.",
                "type": "object",
            },
            **{key.name: build.key(key) for key in values.keys},
        },
        "definitions": {name: build.definition(name) for name in sorted(values.definitions)} | _kubernetes(values),
    }


def schema_text(values: ValuesFile, title: str) -> str:
    """The schema as the text of values.schema.json: one line a key where it fits, so that diffs stay readable."""
    return _compact(schema_of(values, title)) + "\n"


class _Build:
    def __init__(self, values: ValuesFile) -> None:
        self.values = values

    def key(self, key: Key, ref: str = "") -> dict[str, Any]:
        """One key's schema; `ref` is where the definition that has this key too says what it is."""
        text = {"description": _brief(key.text)} if key.text else {}
        rules = key.rules
        if ref and not rules.says_what:
            return {**text, "$ref": ref}
        if rules.define and key.is_block:
            return {**text, "$ref": f"#/definitions/{rules.define}"}
        if key.is_block:
            return {**text, **self.closed(key)}
        if rules.ref:
            return {**text, **self.reference(rules.ref)}
        return {**text, **self.open_or_plain(key)}

    def open_or_plain(self, key: Key) -> dict[str, Any]:
        rules = key.rules
        if rules.map is not None:
            names = {"propertyNames": {"pattern": rules.keys}} if rules.keys else {}
            values = _nullable_entry(self.value_type(rules.map))
            return {"type": ["object", "null"], **names, "additionalProperties": values, **rules.constraints}
        if rules.items is not None:
            return {"type": ["array", "null"], "items": self.value_type(rules.items), **rules.constraints}
        types = rules.types or ((_TYPE_OF[type(key.default)],) if type(key.default) in _TYPE_OF else ())
        if not types and "enum" in rules.constraints:
            types = ("string",)
        result: dict[str, Any] = {"type": _one_or_list((*types, "null"))} if types else {}
        if "enum" in rules.constraints:
            result = {"enum": list(dict.fromkeys([*rules.constraints["enum"], None]))}
        return result | {name: value for name, value in rules.constraints.items() if name != "enum"}

    def definition(self, name: str) -> dict[str, Any]:
        """A definition; null is allowed where it is a value or an entry of a map, and removes that."""
        block = self.values.definitions[name].block
        is_value = any(key.rules.ref == name or key.rules.map == ValueType(ref=name) for key in self.values.walk())
        return self.closed(block) | ({"type": ["object", "null"]} if is_value else {})

    def closed(self, key: Key) -> dict[str, Any]:
        """An object of exactly the block's own keys and those of the definitions that it extends."""
        inherited = self.values.inherited(key.rules.extends)
        refs = {name: f"#/definitions/{definition}/properties/{name}" for name, (definition, _) in inherited.items()}
        own = {child.name: self.key(child, refs.get(child.name, "")) for child in key.children}
        properties = {name: {"$ref": ref} for name, ref in refs.items()} | own
        return {"type": "object", "additionalProperties": False, "properties": dict(sorted(properties.items()))}

    def value_type(self, value: ValueType) -> dict[str, Any]:
        if value.ref:
            return self.reference(value.ref)
        if value.map is not None:
            return {"type": "object", "additionalProperties": _nullable_entry(self.value_type(value.map))}
        return {"type": _one_or_list(value.types)} if value.types else {}

    def reference(self, name: str) -> dict[str, Any]:
        definition, _, rest = name.partition(".")
        path = "".join(f"/properties/{part}" for part in rest.split(".") if part)
        return {"$ref": f"#/definitions/{definition}{path}"}


def _kubernetes(values: ValuesFile) -> dict[str, dict[str, Any]]:
    """The definitions of Kubernetes' own types that the values name, and that those need."""
    named = {name for key in values.walk() for name in key.rules.refs}
    return {
        name: _KUBERNETES[name] for name in KUBERNETES if name in named or (name == "quantity" and "resources" in named)
    }


def _brief(text: str) -> str:
    """What a key is, without the details: Helm keeps the schema in every release's Secret. The reference has it all."""
    end = re.search(r"(?<=.{8})[.;:,] (?![^(]*\))", text)
    return f"{text[: end.start()]}." if end else text


def _nullable_entry(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of a map may be null, which removes it (a definition says so itself: see `definition`)."""
    if "type" not in schema:
        return dict(schema)
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": _one_or_list((*types, "null"))}


def _one_or_list(types: tuple[str, ...]) -> str | list[str]:
    unique = list(dict.fromkeys(types))
    return unique[0] if len(unique) == 1 else unique


def _compact(value: Any, indent: int = 0, width: int = 150) -> str:
    flat = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not isinstance(value, dict) or len(flat) + indent <= width:
        return flat
    rows = (f"{json.dumps(k)}:{_compact(v, indent + 1, width)}" for k, v in value.items())
    return "{\n" + ",\n".join(rows) + "\n}"

"""The `# @schema` lines above a key of values.yaml: what they may say, and reading them.

# @schema type: [string, integer]; enum: [a, b]; minimum: 0; pattern: "^[a-z]+$"
# @schema map: string              any name -> string (or null, which removes the entry)
# @schema map: ref:podTemplate     any name -> a value of the definition `podTemplate`
# @schema items: integer           a list of integers
# @schema open: Affinity           that Kubernetes type, left open here and checked where it is rendered
# @schema define: podOptions       the keys of this block are a definition that others may use
# @schema ref: podOptions          the value is what `podOptions` defines
# @schema extends: podOptions      the keys of this block, and those of `podOptions`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
CONSTRAINTS = (
    "enum",
    "minimum",
    "maximum",
    "pattern",
    "format",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
)
_NAMES = ("type", "items", "map", "keys", "open", "ref", "extends", "define", *CONSTRAINTS)


class RuleError(ValueError):
    """A `# @schema` line that cannot be understood; its text says why and what would be right."""


@dataclass(frozen=True)
class ValueType:
    """What the values of a map, or the items of a list, are: JSON types, a definition, a map, or (none) anything."""

    types: tuple[str, ...] = ()
    ref: str = ""
    map: ValueType | None = None

    @property
    def refs(self) -> tuple[str, ...]:
        """The definitions that it names."""
        return (self.ref,) if self.ref else self.map.refs if self.map else ()


@dataclass(frozen=True)
class Rules:
    """Everything that the `# @schema` lines of one key said.

    `map`, `items` and `open` are None (or "") where they were not said; `keys` is a pattern for a map's names.
    """

    types: tuple[str, ...] = ()
    constraints: Mapping[str, Any] = field(default_factory=dict)
    items: ValueType | None = None
    map: ValueType | None = None
    keys: str = ""
    open: str = ""
    ref: str = ""
    extends: tuple[str, ...] = ()
    define: str = ""

    @property
    def refs(self) -> tuple[str, ...]:
        """The definitions that it names, each without the path into it."""
        names = (self.ref, *(self.map.refs if self.map else ()), *(self.items.refs if self.items else ()))
        return tuple(name.partition(".")[0] for name in (*self.extends, *names) if name)

    @property
    def says_what(self) -> bool:
        """Whether the value's type is told, so that nothing needs to be inferred from the default."""
        return bool(self.types or self.items or self.map or self.open or self.ref or "enum" in self.constraints)


def parse_rules(lines: list[str]) -> Rules:
    """Read the texts after `# @schema`. Raises RuleError."""
    said: dict[str, str] = {}
    for name, text in (pair for line in lines for pair in _pairs(line)):
        if name not in _NAMES:
            raise RuleError(f"`@schema {name}:` is not known; known are {', '.join(_NAMES)}")
        if name in said:
            raise RuleError(f"`@schema {name}:` is said twice")
        if not text:
            raise RuleError(f"`@schema {name}:` says nothing")
        said[name] = text
    return Rules(
        types=_types(_value("type", said["type"])) if "type" in said else (),
        constraints={name: _constraint(name, said[name]) for name in CONSTRAINTS if name in said},
        items=_value_type("items", said["items"]) if "items" in said else None,
        map=_value_type("map", said["map"]) if "map" in said else None,
        keys=_unquoted(said.get("keys", "")),
        open=_unquoted(said.get("open", "")),
        ref=said.get("ref", ""),
        extends=_names("extends", said["extends"]) if "extends" in said else (),
        define=said.get("define", ""),
    )


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """`a: x; b: y` -> ("a", "x"), ("b", "y"); a `;` within quotes or brackets does not separate."""
    start, depth, quote = 0, 0, ""
    for i, char in enumerate(line + ";"):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "[{(":
            depth += 1
        elif char in "]})":
            depth -= 1
        elif char == ";" and depth <= 0:
            if part := line[start:i].strip():
                name, colon, text = part.partition(":")
                if not colon:
                    raise RuleError(f"`@schema {part}` is not of the form `name: value; name: value`")
                yield name.strip(), text.strip()
            start = i + 1
    if quote:
        raise RuleError(f"`@schema {line}` has a quote that is not closed")


def _value(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise RuleError(f"`@schema {name}: {text}` is not YAML; put it in quotes") from e


def _unquoted(text: str) -> str:
    return str(_value("", text)) if text[:1] in ('"', "'") else text


def _constraint(name: str, text: str) -> Any:
    if name in ("pattern", "format"):
        return _unquoted(text)
    value = _value(name, text)
    if name == "enum" and not isinstance(value, list):
        raise RuleError(f"`@schema enum: {text}` must be a list, like `enum: [a, b]`")
    if name not in ("enum", "uniqueItems") and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise RuleError(f"`@schema {name}: {text}` must be a number")
    return value


def _types(value: Any) -> tuple[str, ...]:
    names = tuple("null" if v is None else str(v) for v in (value if isinstance(value, list) else [value]))
    for name in names:
        if name not in TYPES:
            raise RuleError(f"`{name}` is not a type; types are {', '.join(TYPES)}")
    return names


def _names(name: str, text: str) -> tuple[str, ...]:
    value = _value(name, text)
    return tuple(str(v).strip() for v in (value if isinstance(value, list) else str(value).split(",")))


def _value_type(name: str, text: str) -> ValueType:
    head, colon, rest = text.partition(":")
    if colon and head.strip() == "ref":
        return ValueType(ref=rest.strip())
    if colon and head.strip() == "map":
        return ValueType(map=_value_type(name, rest.strip()))
    return ValueType() if text == "any" else ValueType(types=_types(_value(name, text)))

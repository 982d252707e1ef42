"""YAML as Helm and Kubernetes read it, which is not how PyYAML does.

To Go's reader `12:30` is text, `y`, `1e3` and `08` are not; to PyYAML it is the other way round. Files are read here by
Go's rules, and written so that both read the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml

MERGE = "tag:yaml.org,2002:merge"
NULL, BOOL, INT, FLOAT, STR = (f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str"))

_BASE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BASE_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WORDS: dict[str, Any] = {
    **{word: True for text in ("y", "yes", "true", "on") for word in (text, text.capitalize(), text.upper())},
    **{word: False for text in ("n", "no", "false", "off") for word in (text, text.capitalize(), text.upper())},
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_FIRST = frozenset("+-.0123456789") | {word[0] for word in _WORDS if word}
_INT = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|0[bB]([01]+)|(0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DOCUMENT = re.compile(r"^---[ \t]*(?:#.*)?$", re.MULTILINE)
_ONLY_COMMENTS = re.compile(r"(?:\s*(?:#.*)?\n)*\s*(?:#.*)?")


def scalar(text: str) -> Any:
    """What Go's reader makes of a plain scalar: None, a bool, a number, or the text itself."""
    if text and text[0] not in _FIRST:
        return text
    if text in _WORDS:
        return _WORDS[text]
    digits = text.replace("_", "") if text[0] != "." else text
    if match := _INT.fullmatch(digits):
        sign, *groups = match.groups()
        base, number = next((base, group) for base, group in zip((16, 8, 2, 10), groups, strict=True) if group)
        value = int(sign + number, base)
        if -(2**63) <= value < 2**64:
            return value
    return float(digits) if _FLOAT.fullmatch(digits) else text


def tag(text: str) -> str:
    """The tag of a plain scalar."""
    if text == "<<":
        return MERGE
    return _tag(scalar(text))


def _tag(value: Any) -> str:
    if value is None:
        return NULL
    return {bool: BOOL, int: INT, float: FLOAT, str: STR}[type(value)]


class Loader(_BASE_LOADER):  # type: ignore[misc]
    """Reads as Go does."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """The tag of a node that has none."""
        if kind is yaml.ScalarNode:
            return tag(value) if implicit[0] else STR
        return super().resolve(kind, value, implicit)


def _constructed(_: Any, node: Any) -> Any:
    return scalar(node.value)


for _name in (NULL, INT, FLOAT):
    Loader.add_constructor(_name, _constructed)
Loader.add_constructor(BOOL, lambda loader, node: bool(scalar(node.value)))


class Dumper(_BASE_DUMPER):  # type: ignore[misc]
    """Puts a text in quotes if either reader would take it for something else."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """The tag that a plain scalar would be read with."""
        found = super().resolve(kind, value, implicit)
        return tag(value) if kind is yaml.ScalarNode and implicit[0] and found == STR else found

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors: the same value twice is written twice."""
        return True


def load(text: str) -> Any:
    """The content of one document. Raises yaml.YAMLError."""
    return yaml.load(text, Loader)  # noqa: S506 - it is a safe loader


def dump(content: Any) -> str:
    """The text of one document, the same bytes every time."""
    return str(yaml.dump(content, Dumper=Dumper, sort_keys=True, allow_unicode=True, width=120))


def documents(text: str) -> Iterator[str]:
    """The texts of the documents of a stream of maps; empty ones are left out."""
    return (part for part in _DOCUMENT.split(text) if not _ONLY_COMMENTS.fullmatch(part))


@lru_cache(maxsize=5_000)
def parsed(text: str) -> Any:
    """load(), once for each text. What is given out is shared: nobody may change it."""
    return load(text)


def objects(text: str) -> list[dict[str, Any]]:
    """The objects of a stream of manifests. They are shared between streams: nobody may change them."""
    return [found for part in documents(text) if (found := parsed(part))]

"""Values files with the line of every key, merged as Helm merges several `-f`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

import yaml

from airfleet.errors import InvalidError
from airfleet.migrate.model import Origin, Path


@dataclass
class Values:
    """Merged values, and for each path the place that set it last."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)


def read_values(files: Iterable[File]) -> Values:
    """Read files and lay each over those before it. Raises InvalidError that names every unreadable file."""
    merged, problems = Values(), []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
            data, lines = _parse(text)
        except (OSError, UnicodeError, yaml.YAMLError, ValueError) as e:
            mark = getattr(e, "problem_mark", None)
            place = f"{file}:{mark.line + 1}" if mark else str(file)
            problems.append(f"{place}: {getattr(e, 'problem', None) or getattr(e, 'strerror', None) or e}")
            continue
        merged.data = merge(merged.data, data)
        merged.origins.update({path: Origin(str(file), line) for path, line in lines.items()})
    if problems:
        raise InvalidError(
            "values can't be read", why="\n".join(problems), fix="a values file is YAML with a map at its top"
        )
    return merged


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Maps are merged, everything else is replaced; null stays, since it removes a chart's default in the end."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _parse(text: str) -> tuple[dict[str, Any], dict[Path, int]]:
    data = yaml.safe_load(text)
    if data is None:
        return {}, {}
    if not isinstance(data, dict):
        raise ValueError("is not a map of keys")
    lines: dict[Path, int] = {}
    _lines(yaml.compose(text, yaml.SafeLoader), (), lines)
    return _string_keys(data), lines


def _lines(node: yaml.Node | None, path: Path, lines: dict[Path, int]) -> None:
    for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if name.tag == "tag:yaml.org,2002:merge":  # `<<: *anchor`: its keys have lines of their own
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                _lines(merged, path, lines)
            continue
        below = (*path, str(name.value))
        lines[below] = name.start_mark.line + 1
        _lines(value, below, lines)


def _string_keys(value: Any) -> Any:
    """Helm's keys are strings: a key that YAML reads as a number or a boolean keeps its text as far as it can."""
    if isinstance(value, dict):
        return {
            str(key).lower() if isinstance(key, bool) else str(key): _string_keys(item) for key, item in value.items()
        }
    return value

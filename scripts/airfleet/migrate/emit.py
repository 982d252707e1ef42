"""Our values as YAML, with a comment at each value that says which key it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

import yaml

from airfleet.migrate.model import Conversion, Path


def values_text(conversion: Conversion, defaults: dict[str, Any]) -> str:
    """The file to keep: keys in the order of our values.yaml, and nothing that is a default."""
    head = ["# Values of airfleet, converted from values of the official Apache Airflow chart."]
    if not conversion.values:
        return "\n".join([*head, "{}", ""])
    return "\n".join([*head, *_lines(conversion, conversion.values, (), defaults), ""])


def _lines(conversion: Conversion, values: dict[str, Any], path: Path, defaults: Any) -> Iterator[str]:
    known = list(defaults) if isinstance(defaults, dict) else []
    indent = "  " * len(path)
    for key in sorted(values, key=lambda key: known.index(key) if key in known else len(known)):
        below, value = (*path, key), values[key]
        origin = _origin(conversion, below)
        name = _scalar(key)
        if isinstance(value, dict) and value:
            yield f"{indent}{name}:{origin}"
            yield from _lines(conversion, value, below, defaults.get(key) if isinstance(defaults, dict) else None)
        elif (isinstance(value, list) and value) or (isinstance(value, str) and "\n" in value):
            dumped = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=1000).splitlines()
            yield f"{indent}{dumped[0]}{origin}"
            yield from (f"{indent}{line}" for line in dumped[1:])
        else:
            yield f"{indent}{name}: {_scalar(value)}{origin}"


def _origin(conversion: Conversion, path: Path) -> str:
    found = [
        f"{finding.key} ({File(finding.origin.file).name}:{finding.origin.line})"
        for finding in conversion.sources.get(path, ())
    ]
    return f"  # {', '.join(found)}" if found else ""


def _scalar(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    return text.removesuffix("...\n").strip()

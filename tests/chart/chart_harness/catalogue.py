"""The catalogue of pod templates as the values tell it, computed without the chart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def templates(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Pod template -> the options that its values, what it extends and `workers` give it; abstract ones left out."""
    said: dict[str, Any] = {"default": {}, "highmem": {}, **(values.get("podTemplates") or {})}
    found = {}
    for name, own in said.items():
        if own is not None and not own.get("abstract"):
            options = dict(values.get("workers") or {})
            for layer in chain(said, name):
                options = _laid_over(options, {k: v for k, v in said[layer].items() if k not in ("extends", "queues")})
            found[name] = options
    return found


def chain(said: Mapping[str, Any], name: str) -> list[str]:
    """What a template extends, each once at its first place, and itself."""
    names = [ancestor for extended in said[name].get("extends") or [] for ancestor in chain(said, extended)]
    return list(dict.fromkeys([*names, name]))


def namespaces(values: Mapping[str, Any], release: str) -> set[str]:
    """Where tasks run."""
    return {options.get("namespace") or release for options in templates(values).values()}


def _laid_over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _laid_over(base[key], value) if both else value
    return {key: value for key, value in merged.items() if value is not None}

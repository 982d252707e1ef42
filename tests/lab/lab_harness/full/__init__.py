"""The parts of the live release `full`: one module for each, which runs the real server that the part needs.

A part is a module with

    def prepare(release: Release) -> dict[str, Any]

that makes what the part needs in the cluster (without waiting for it: the chart waits for what is late) and returns the
values that turn it on. The values of all parts are merged, so none may contradict another.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab_harness.release import Release

ALL = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def chosen(names: str) -> tuple[str, ...]:
    """The parts in a comma-separated list, or all of them if it is empty."""
    return tuple(name for name in names.split(",") if name) or ALL


def values(release: Release, names: Iterable[str]) -> dict[str, Any]:
    """Prepare these parts and merge their values."""
    merged: dict[str, Any] = {}
    for name in names:
        _merge(merged, importlib.import_module(f"{__name__}.{name}").prepare(release), name)
    return merged


def _merge(into: dict[str, Any], own: Mapping[str, Any], part: str) -> None:
    for key, value in own.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value, part)
        else:
            assert into.get(key, value) == value, f"{part} sets {key} to {value!r}, another part to {into[key]!r}"
            into[key] = dict(value) if isinstance(value, Mapping) else value

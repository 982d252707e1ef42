"""Which rendered fields depend on a value: it is changed, the release is rendered again, and what differs is told.

That is the truth and not a guess from the templates' text; it costs one more rendering, which is cached like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from airfleet.fleet.changes import Change, compare
from airfleet.fleet.explain import chart_defaults
from airfleet.fleet.inventory import Fleet
from airfleet.fleet.model import FleetError, KeyPath, at_path, item_number, list_key
from airfleet.fleet.render import Rendering, render
from airfleet.fleet.resolve import Resolved

_NUMBER = re.compile(r"(\d+)(.*)", re.DOTALL)
_MARK = "airfleet-marker"


@dataclass(frozen=True)
class Dependents:
    """What was put in the value's place (None: nothing, the chart's default), and what became different."""

    instead: Any
    changes: tuple[Change, ...]


def dependents(fleet: Fleet, rendering: Rendering, path: KeyPath) -> Dependents | str:
    """The rendered fields that depend on a path; or, in words, why no other value can be tried.

    Raises AirfleetError if the chart can't be read.
    """
    refused = ""
    for other in _others(fleet, rendering.resolved, path):
        try:
            values = with_value(rendering.resolved.values, path, other, fleet.spec.list_keys)
        except KeyError:
            return "no layer has such an item"
        if values == rendering.resolved.values:
            continue
        try:
            (changed,) = render(fleet, [replace(rendering.resolved, values=values)])
        except FleetError as e:
            refused = e.findings[0].why.splitlines()[-1] if e.findings else str(e)
            continue
        return Dependents(other, tuple(compare(rendering.objects, changed.objects)))
    return f"the chart takes no other value: {refused}" if refused else "there is nothing to change"


def _others(fleet: Fleet, resolved: Resolved, path: KeyPath) -> Iterator[Any]:
    """Values to try instead, the likeliest first; None stands for no value at all."""
    list_keys = fleet.spec.list_keys
    value = None
    try:
        value = at_path(resolved.values, path, list_keys)
    except KeyError:
        with suppress(KeyError):
            value = at_path(chart_defaults(fleet, resolved), path, list_keys)
        # to say nothing, or an empty map, would leave the chart's default as it is
        yield from [_other_leaves(value)] if isinstance(value, dict) and value else _unlike(value)
    else:
        yield from _unlike(value)
        yield None
    if value is None:
        yield from (True, 1, _MARK, {"airfleet": "marker"}, [_MARK])


def _other_leaves(value: Any) -> Any:
    """A map with another value for each of its keys."""
    if isinstance(value, dict) and value:
        return {name: _other_leaves(entry) for name, entry in value.items()}
    return next(_unlike(value), value)


def _unlike(value: Any) -> Iterator[Any]:
    """Values of the same kind."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
        if value > 1:
            yield value - 1
    elif isinstance(value, str):
        if match := _NUMBER.fullmatch(value):
            yield f"{int(match[1]) + 1}{match[2]}"
        yield f"{value}-{_MARK}"
        yield _MARK
    elif isinstance(value, dict) and value:
        yield {}
    elif isinstance(value, list) and value:
        yield value[1:]


def with_value(
    values: Mapping[str, Any], path: KeyPath, value: Any, list_keys: Mapping[KeyPath, str]
) -> dict[str, Any]:
    """A copy of values with another value at a path; None takes it away. Raises KeyError if an item is not there."""
    return dict(_with(values, path, value, list_keys, ()))


def _with(node: Any, path: KeyPath, value: Any, keys: Mapping[KeyPath, str], above: KeyPath) -> Any:
    part, rest = path[0], path[1:]
    if isinstance(node, list) and part.startswith("["):
        at = item_number(node, part[1:-1], list_key(above, keys))
        inner = [_with(node[at], rest, value, keys, (*above, part))] if rest else [] if value is None else [value]
        return [*node[:at], *inner, *node[at + 1 :]]
    entries = dict(node) if isinstance(node, Mapping) else {}
    if rest:
        entries[part] = _with(entries.get(part, {}), rest, value, keys, (*above, part))
    elif value is None:
        entries.pop(part, None)
    else:
        entries[part] = value
    return entries

"""Overrides of a chart's default that is another one by now: whoever wrote them may have had the old one in mind."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from airfleet.errors import AirfleetError, UsageError
from airfleet.fleet.changes import shown
from airfleet.fleet.chartfiles import chart_files
from airfleet.fleet.documents import Leaf, leaves
from airfleet.fleet.inventory import Fleet
from airfleet.fleet.model import Finding, KeyPath, Place, Severity, at_path, dotted
from airfleet.fleet.render import Charts
from airfleet.fleet.resolve import Resolved
from airfleet.fleet.revisions import Repository, Revision

RULE = "moved-default"
# A text without a unit may be a version, 3.10, and counts only if it is a whole number.
_QUANTITY = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?)([numk]|Ki|[MGTPE]i?)|[+-]?[0-9]+")
_SCALES = {unit: Decimal(1000) ** power for power, unit in enumerate(("n", "u", "m", "", "k", *"MGTPE"), -3)}
_SCALES |= {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)}


@dataclass(frozen=True)
class _Override:
    """A line that sets a value, and the chart's defaults of then and now; None where there is none."""

    place: Place
    path: KeyPath
    value: Any
    before: Any
    now: Any

    @property
    def moved(self) -> bool:
        """Whether the default did. A map with nothing in it leaves the chart's as it is."""
        return _text(self.before) != _text(self.now) and not (self.value == {} and isinstance(self.now, Mapping))

    def finding(self, since: str, on: str, clusters: tuple[str, ...]) -> Finding:
        what = f"{dotted(self.path)} is {shown(self.value)}"
        if _is_lower(self.value, self.now):
            now = "" if _is_lower(self.value, self.before) else "now "
            what += f", {now}lower than the chart's default of {shown(self.now)}"
            fix = "raise it, or remove the line to follow the chart"
        else:
            what += ", over a default of the chart that moved"
            fix = "hold it against the new default, or remove the line to follow the chart"
        why = f"the default was {_default(self.before)} at {since} and is {_default(self.now)}{on}"
        return Finding(self.place, RULE, what, why, fix, Severity.WARNING, clusters)


def moved(fleet: Fleet, clusters: Sequence[Resolved], before: Fleet, since: str) -> list[Finding]:
    """Warn of every line that sets a value whose default in the chart is not what it was, by file and line.

    before is the fleet as it was: it says where the chart was then and, of a chart in a registry, which version each
    cluster had. since is what to call that state. A line is judged for the clusters where it wins; secrets are left
    out, and so are clusters of which nobody knows what chart they had. Rule: `moved-default`.
    Raises AirfleetError if either chart can't be read.
    """
    groups: dict[tuple[Place, KeyPath, str, str], tuple[_Override, list[str]]] = {}
    for resolved, was, now in _defaults(fleet, clusters, before, since):
        for override in _overrides(fleet, resolved, was, now):
            key = (override.place, override.path, _text(override.before), _text(override.now))
            groups.setdefault(key, (override, []))[1].append(resolved.cluster.name)
    lines = [key[:2] for key in groups]
    found = [
        override.finding(since, f" (on {', '.join(names)})" if lines.count(key[:2]) > 1 else "", tuple(names))
        for key, (override, names) in groups.items()
    ]
    return sorted(found, key=lambda each: (each.place or Place("", 0), each.what, each.why))


def fleet_at(repository: Repository, name: str, fleet: Fleet) -> tuple[Fleet, Revision]:
    """The fleet as a revision of its repository has it, to compare charts with today's.

    Raises UsageError if there is no such revision, no fleet in it, or if it can't say what the chart was; FleetError if
    its files are wrong.
    """
    revision = repository.revision(name)
    before = repository.read(revision)
    if before is None:
        raise UsageError(f"{revision} has no {repository.fleet}", fix="name a revision that has the fleet")
    if "://" not in fleet.chart and Path(before.chart).resolve() == Path(fleet.chart).resolve():
        raise UsageError(
            f"what the chart's defaults were at {revision} is not known",
            where=fleet.chart,
            why="the chart is outside of the repository that the fleet is in",
            fix="keep it in the repository, or in a registry with its version in `pins`",
        )
    return before, revision


def _defaults(
    fleet: Fleet, clusters: Sequence[Resolved], before: Fleet, since: str
) -> Iterator[tuple[Resolved, Mapping[str, Any], Mapping[str, Any]]]:
    """Each cluster with its chart's defaults of then and now."""
    then, today = Charts(before), Charts(fleet)
    for resolved in clusters:
        was = before.clusters.get(resolved.cluster.name)
        if was is None and "://" in before.chart:
            continue
        pins = before.pins(was) if was else resolved.pins
        try:
            old = chart_files(then.pinned(pins)).defaults
        except AirfleetError as e:
            raise AirfleetError(
                f"the chart of {since} can't be read", before.spec.chart, f"{e.what}\n{e.why}".strip(), e.fix
            ) from e
        yield resolved, old, chart_files(today.of(resolved)).defaults


def _overrides(fleet: Fleet, resolved: Resolved, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[_Override]:
    """The lines that win on a cluster over a default that moved."""
    for name in resolved.cluster.layers:
        layer = fleet.layers[name]
        for path, leaf in () if layer.secret else leaves(layer.values):
            winner = resolved.origin(path)
            if isinstance(leaf, Leaf) and winner and (winner.layer, winner.place) == (name, leaf.place):
                old, new = (_at(defaults, path, fleet) for defaults in (was, now))
                override = _Override(leaf.place, path, leaf.value, old, new)
                if override.moved:
                    yield override


def _at(defaults: Mapping[str, Any], path: KeyPath, fleet: Fleet) -> Any:
    try:
        return at_path(defaults, path, fleet.spec.list_keys)
    except KeyError:
        return None


def _default(value: Any) -> str:
    return "nothing" if value is None else shown(value)


def _text(value: Any) -> str:
    """Equal for what is equal and of the same kind: true is not 1."""
    return json.dumps(value, sort_keys=True, default=repr)


def _is_lower(value: Any, than: Any) -> bool:
    one, other = _amount(value), _amount(than)
    return one is not None and other is not None and one < other


def _amount(value: Any) -> Decimal | None:
    """A number or one of Kubernetes' quantities, such as 500m and 2Gi; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value)) if math.isfinite(value) else None
    quantity = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    return quantity and Decimal(quantity[1] or value) * _SCALES[quantity[2] or ""]

"""What commands print: text for people, JSON for programs. Pure: results in, strings out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from airfleet.fleet.apply import Outcome
from airfleet.fleet.changes import Change, Kind
from airfleet.fleet.changes import shown as shown_value
from airfleet.fleet.dependents import Dependents
from airfleet.fleet.explain import ABSENT, MASKED, Explanation, Setter
from airfleet.fleet.inventory import Cluster
from airfleet.fleet.listing import Listing
from airfleet.fleet.model import dotted
from airfleet.fleet.plan import Plan
from airfleet.fleet.status import Row
from airfleet.fleet.verify import Verdict


def explanation(found: Explanation, fields: Dependents | str | None) -> str:
    """Why a value is what it is, for people."""
    return "\n".join([*_explained(found), *(_depending(fields) if fields is not None else ())])


def _explained(found: Explanation) -> Iterator[str]:
    yield f"{dotted(found.path)} on {found.cluster}: {_value(found, found.value)}"
    places = [f"{setting.place}" for setting in found.settings]
    width = max(map(len, places), default=0)
    for number, (place, setting) in enumerate(zip(places, found.settings, strict=True)):
        verdict = "wins" if number == found.wins else "shadowed"
        if setting.how in ("adds to", "hides", "deletes", "replaces"):
            verdict = f"{setting.how} {'it' if setting.how == 'hides' else 'what is below'}"
        yield f"  {place:<{width}}  {_value(found, setting.value)}  ({verdict})"
    yield f"  {'the chart':<{width}}  {_value(found, found.default)}  (default)"


def _value(found: Explanation, value: Any) -> str:
    if value is ABSENT:
        return "nothing"
    return MASKED if found.secret else shown_value(value)


def _depending(fields: Dependents | str) -> Iterator[str]:
    yield ""
    if isinstance(fields, str):
        yield f"what depends on it is not known: {fields}"
        return
    if not fields.changes:
        yield "nothing rendered depends on it"
        return
    yield "rendered fields that depend on it:"
    for change in fields.changes:
        if change.kind is not Kind.CHANGED:
            yield f"  {change.ref}"
        for each in change.fields:
            yield f"  {change.ref}  {dotted(each.path)}"


def explanation_json(found: Explanation, fields: Dependents | str | None) -> str:
    """The same for programs."""
    row: dict[str, Any] = {"cluster": found.cluster, "path": dotted(found.path), "secret": found.secret}
    row |= {name: _json(found, getattr(found, name)) for name in ("value", "default")}
    row["settings"] = [
        {"layer": s.layer, "place": str(s.place), "value": _json(found, s.value), "how": s.how, "wins": n == found.wins}
        for n, s in enumerate(found.settings)
    ]
    if isinstance(fields, Dependents):
        row["fields"] = [entry for change in fields.changes for entry in _fields(change)]
    return json.dumps(row, indent=2, ensure_ascii=False)


def _fields(change: Change) -> list[dict[str, str]]:
    if change.kind is not Kind.CHANGED:
        return [{"object": str(change.ref), "field": ""}]
    return [{"object": str(change.ref), "field": dotted(each.path)} for each in change.fields]


def _json(found: Explanation, value: Any) -> Any:
    return None if value is ABSENT else MASKED if found.secret else value


def setters(found: Sequence[Setter]) -> str:
    """Who sets a value, for people."""
    if not found:
        return "no layer sets it"
    lines = []
    for each in found:
        lines.append(f"{each.place}  {dotted(each.path)}: {shown_value(each.value)}")
        for what, names in (("wins on", each.wins), ("shadowed on", each.shadowed)):
            if names:
                lines.append(f"    {what} {', '.join(names)}")
    return "\n".join(lines)


def setters_json(found: Sequence[Setter]) -> str:
    """The same for programs."""
    rows = [
        {
            "layer": each.layer,
            "place": str(each.place),
            "path": dotted(each.path),
            "value": each.value,
            "wins": each.wins,
            "shadowed": each.shadowed,
        }
        for each in found
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)


def clusters(found: Listing) -> str:
    """The clusters as the files describe them, for people."""
    axes = list(found.clusters[0].axes)
    table = [("cluster", "wave", *axes, "owner", "release", "namespace", "kubernetes", "context", "pins")]
    for row in found.clusters:
        pins = ", ".join(f"{name} {version}" for name, version in row.pins.items())
        place = (row.owner, row.release, row.namespace, row.kubernetes, row.context or "-", pins or "-")
        table.append((row.name, row.wave, *(row.axes[axis] for axis in axes), *place))
    return _table(table)


def summary(_: Cluster, changes: Sequence[Change]) -> Iterator[str]:
    """What changes on a cluster, a line for each object and no value at all."""
    for change in changes:
        if change.kind is Kind.CHANGED:
            names = ", ".join(dotted(each.path) for each in change.fields[:3])
            more = f" and {len(change.fields) - 3} more" if len(change.fields) > 3 else ""
            yield f"changed {change.ref}: {names}{more}"
        else:
            yield f"{change.kind} {change.ref}"


def plan(made: Plan) -> str:
    """A plan, for people."""
    lines = [f"plan {made.short}, made {made.created} by {made.created_by}"]
    for wave in made.waves:
        lines.append(f"wave {wave}")
        for step in made.steps:
            if step.wave == wave:
                at = f", at revision {step.revision}" if step.revision else ""
                lines.append(f"  {step.cluster}: {step.action}{at}")
                lines += [f"    {line}" for line in step.summary]
    return "\n".join(lines)


def outcome(found: Outcome) -> str:
    """What became of each cluster, for people."""
    return _table([("cluster", "outcome"), *found.clusters.items()])


def status(rows: Sequence[Row], *, versions: bool) -> str:
    """The fleet's table, for people."""
    if versions:
        names = sorted({name for row in rows for name in row.versions or {}})
        head = ("cluster", *names)
        return _table(
            [head, *((row.cluster, *((row.versions or {}).get(name, "-") for name in names)) for row in rows)]
        )
    table = [("cluster", "wave", "state", "revision", "description")]
    table += [(row.cluster, row.wave, row.state, str(row.revision or "-"), row.description) for row in rows]
    problems = [f"{row.cluster}: {row.problem}" for row in rows if row.problem]
    return "\n".join([_table(table), *problems])


def verdicts(found: Sequence[Verdict]) -> str:
    """What the gates saw on each cluster, for people."""
    lines = []
    for each in found:
        lines.append(f"{each.cluster}: {'works' if each.works else 'does not work'}, after {each.seconds:.0f} s")
        lines += [f"  {line}" for line in (*each.seen, *each.problem.splitlines())]
    return "\n".join(lines)


def _versions(row: Row, names: Sequence[str]) -> Iterator[str]:
    return ((row.versions or {}).get(name, "-") for name in names)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)

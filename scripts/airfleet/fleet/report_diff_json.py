"""A diff as JSON, for programs. Pure. `format` changes when what it says means something else."""

from __future__ import annotations

import json
from typing import Any

from airfleet.fleet.changes import Field, Ref
from airfleet.fleet.diff import Edit, FleetDiff, Group, Item, Line, Move
from airfleet.fleet.model import dotted

FORMAT = 1


def as_json(diff: FleetDiff) -> str:
    """All of it; whatever text and Markdown fold or leave out is in here."""
    found: dict[str, Any] = {
        "format": FORMAT,
        "before": diff.before,
        "after": diff.after,
        "clusters": diff.clusters,
        "changed": diff.changed,
        "moves": [_move(move) for move in diff.moves],
        "consequences": [
            {
                "what": effect.what,
                "object": _ref(effect.ref),
                "text": effect.text,
                "why": effect.why,
                "fix": effect.fix,
                "grave": effect.grave,
                "clusters": names,
            }
            for effect, names in diff.effects
        ],
        "values": [
            {
                "path": edit.path,
                "change": edit.kind,
                **_values(edit),
                "unseen": edit.unseen,
                "file": edit.place.file if edit.place else None,
                "line": edit.place.line if edit.place else None,
                "clusters": names,
            }
            for edit, names in diff.edits
        ],
        "groups": [_group(group) for group in diff.groups],
        "ignored": [{"text": text, "clusters": names} for text, names in diff.ignored],
        "notes": diff.notes,
        "failed": [{"cluster": name, "why": why} for name, why in diff.failed],
    }
    return json.dumps(found, indent=2, ensure_ascii=False, default=str)


def _group(group: Group) -> dict[str, Any]:
    return {"clusters": group.clusters, "objects": [_item(item) for item in group.items]}


def _item(item: Item) -> dict[str, Any]:
    return {"object": _ref(item.ref), "change": item.kind, "fields": [_line(line) for line in item.lines]}


def _line(line: Line) -> dict[str, Any]:
    return {"path": dotted(line.path), "change": line.kind, **_values(line)}


def _values(line: Line | Edit) -> dict[str, Any]:
    if not line.by_cluster:
        return {"before": line.before, "after": line.after}
    return {"byCluster": {name: {"before": before, "after": after} for name, before, after in line.by_cluster}}


def _move(move: Move) -> dict[str, Any]:
    found: dict[str, Any] = {"cluster": move.cluster, "change": move.kind}
    return found | {"was": move.was or None, "fields": [_field(each) for each in move.fields]}


def _field(each: Field) -> dict[str, Any]:
    return {"path": dotted(each.path), "change": each.kind, "before": each.before, "after": each.after}


def _ref(ref: Ref) -> dict[str, str]:
    return {"apiVersion": ref.api_version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}

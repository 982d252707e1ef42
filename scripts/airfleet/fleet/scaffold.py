"""A new cluster's file, and nothing else: what it has in common with others comes from the layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from airfleet.errors import AirfleetError, UsageError
from airfleet.fleet.inventory import CLUSTER_NAME, CLUSTERS, ENCRYPTED, NAME_FIX, Fleet, read_fleet
from airfleet.fleet.model import FleetError


def new_cluster(fleet: Fleet, name: str, axes: Mapping[str, str], kubernetes: str, context: str, identity: str) -> Path:
    """Write clusters/<name>.yaml and see that the fleet is right with it; the file.

    Raises UsageError for a name or an axis that can't be, AirfleetError if the file is there; then nothing is written.
    """
    file = fleet.root / CLUSTERS / f"{name}.yaml"
    if not CLUSTER_NAME.fullmatch(name):
        raise UsageError(f"{name} is no name of a cluster", fix=NAME_FIX)
    if problems := [*_wrong_axes(fleet, axes)]:
        raise UsageError("the axes do not place the cluster", why="\n".join(problems), fix="--axis NAME=VALUE for each")
    content = [f"axes: {_flow(dict(axes))}", f'kubernetes: "{kubernetes}"', f"context: {_scalar(context)}"]
    if identity:
        content += [
            "# The UID of the namespace kube-system: another cluster is never written to.",
            f"identity: {identity}",
        ]
    try:
        file.parent.mkdir(exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write("\n".join(content) + "\n")
    except FileExistsError as e:
        raise AirfleetError(f"there is a cluster {name} already", where=str(file)) from e
    try:
        read_fleet(Path(fleet.root / "fleet.yaml"))
    except FleetError:
        file.unlink()
        raise
    return file


def _wrong_axes(fleet: Fleet, axes: Mapping[str, str]) -> list[str]:
    known = {axis: sorted(_values(fleet, axis)) for axis in fleet.spec.axes}
    found = [f"there is no axis {axis}; there are {', '.join(known)}" for axis in axes if axis not in known]
    for axis, values in known.items():
        if axis not in axes:
            found.append(f"{axis} is missing: one of {', '.join(values)}")
        elif axes[axis] not in values:
            found.append(f"there is no {axis} {axes[axis]}: one of {', '.join(values)}")
    return found


def _values(fleet: Fleet, axis: str) -> set[str]:
    found = {name.split("/", 1)[1] for name in fleet.layers if name.startswith(f"{axis}/")}
    return {value for value in found if not value.endswith(ENCRYPTED)}


def _flow(values: Mapping[str, str]) -> str:
    return yaml.safe_dump(dict(values), default_flow_style=True, sort_keys=False).strip()


def _scalar(value: str) -> str:
    return yaml.safe_dump(value).removesuffix("...\n").strip()

"""Values of many clusters -> layers: what all have in common, what an environment or a region has, and the rest.

A key goes to the widest layer in which every cluster has it with the same value, so no layer ever overrides another.
Values are compared key by key; lists count as one value, as they do for Helm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

import yaml

from airfleet.errors import AirfleetError, InvalidError, UsageError
from airfleet.migrate.files import merge, read_values
from airfleet.migrate.model import Path

AXES = ("env", "region", "cluster")


@dataclass(frozen=True)
class Cluster:
    """One input file and where it stands on each axis."""

    name: str
    axes: dict[str, str]
    file: File
    values: dict[str, Any]


@dataclass(frozen=True)
class Layers:
    """The outcome: values of each layer by its file, and the clusters."""

    clusters: dict[str, Cluster]
    layers: dict[File, dict[str, Any]]

    def files(self, name: str) -> list[File]:
        """The layers of a cluster, in the order of `helm -f`."""
        cluster = self.clusters[name]
        return [path for path in _places(cluster) if path in self.layers]

    def resolved(self, name: str) -> dict[str, Any]:
        """What Helm makes of the cluster's layers."""
        found: dict[str, Any] = {}
        for path in self.files(name):
            found = merge(found, self.layers[path])
        return found


def read_fleet(folder: File, pattern: str) -> Layers:
    """Read the files that the pattern names and factor them. Raises AirfleetError if a cluster would change."""
    clusters = _clusters(folder, pattern)
    layers = factor(clusters)
    if changed := [name for name, cluster in clusters.items() if layers.resolved(name) != cluster.values]:
        raise AirfleetError(
            f"the layers of {', '.join(changed)} do not resolve to the values of their own files",
            why="this is a defect of airfleet; nothing was written",
            fix="report it with these files",
        )
    return layers


def factor(clusters: dict[str, Cluster]) -> Layers:
    """Each key into the widest layer that all its clusters agree in."""
    leaves = {name: dict(_leaves(cluster.values, ())) for name, cluster in clusters.items()}
    members: dict[File, list[str]] = {}
    for name in sorted(clusters):
        for place in _places(clusters[name]):
            members.setdefault(place, []).append(name)
    layers: dict[File, dict[str, Any]] = {}
    covered: set[tuple[str, Path]] = set()
    for place in sorted(members, key=_width):
        names = members[place]
        common = [path for path in leaves[names[0]] if _agree(leaves, names, path)]
        for path in sorted(common):
            if any((name, path) not in covered for name in names):
                _set(layers.setdefault(place, {}), path, leaves[names[0]][path])
            covered |= {(name, path) for name in names}
    return Layers(clusters, layers)


def write_layers(layers: Layers, folder: File) -> None:
    """Write each layer to its file below the folder. Raises AirfleetError if one is there already."""
    if existing := [str(folder / path) for path in layers.layers if (folder / path).exists()]:
        raise AirfleetError("files are in the way", where=", ".join(existing), fix="give an empty folder with -o")
    for path, values in layers.layers.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(values, sort_keys=True, allow_unicode=True, width=120)
        (folder / path).write_text(text, encoding="utf-8")


def _clusters(folder: File, pattern: str) -> dict[str, Cluster]:
    expression = _expression(pattern)
    found: dict[str, Cluster] = {}
    problems = []
    for file in sorted(folder.rglob("*.y*ml")):
        name = file.relative_to(folder).as_posix()
        if not (match := expression.fullmatch(name)):
            problems.append(f"{file} does not have the form {pattern}")
            continue
        axes = match.groupdict()
        if axes["cluster"] in found:
            problems.append(f"{file} and {found[axes['cluster']].file} are both cluster {axes['cluster']}")
            continue
        found[axes["cluster"]] = Cluster(axes["cluster"], axes, file, read_values([file]).data)
    if problems or not found:
        raise InvalidError(
            "the files of the clusters can't be told apart" if problems else "there are no values files",
            where=str(folder),
            why="\n".join(problems),
            fix="give --axes the form of their names, such as '{env}/{region}/{cluster}.yaml'",
        )
    return found


def _expression(pattern: str) -> re.Pattern[str]:
    names = re.findall(r"\{(\w+)\}", pattern)
    if "cluster" not in names or set(names) - set(AXES) or len(names) != len(set(names)):
        raise UsageError(
            f"--axes {pattern} does not say what files are named",
            why=f"it may have {', '.join('{' + axis + '}' for axis in AXES)}, each once, and needs {{cluster}}",
            fix="--axes '{env}-{region}-{cluster}.yaml'",
        )
    parts = re.split(r"(\{\w+\})", pattern)
    # An axis takes no separator that the pattern uses next to it, save for the cluster's name at the end.
    return re.compile("".join(_part(part) for part in parts))


def _part(part: str) -> str:
    if part == "{cluster}":
        return r"(?P<cluster>[^/]+)"
    return rf"(?P<{part[1:-1]}>[^/-]+)" if part.startswith("{") else re.escape(part)


def _places(cluster: Cluster) -> list[File]:
    """The layers that a cluster may have, widest first."""
    places = [File("base.yaml")]
    places += [File(axis) / f"{cluster.axes[axis]}.yaml" for axis in AXES[:-1] if axis in cluster.axes]
    return [*places, File("clusters") / f"{cluster.name}.yaml"]


def _width(place: File) -> tuple[int, str]:
    order = {".": 0, "env": 1, "region": 2, "clusters": 3}
    return (order[str(place.parent)], place.name)


def _agree(leaves: dict[str, dict[Path, Any]], names: list[str], path: Path) -> bool:
    first = leaves[names[0]][path]
    return all(path in leaves[name] and _equal(leaves[name][path], first) for name in names)


def _equal(one: Any, other: Any) -> bool:
    """Equal, and not merely 1 and true."""
    return yaml.safe_dump(one) == yaml.safe_dump(other)


def _leaves(values: dict[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _set(values: dict[str, Any], path: Path, value: Any) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
    values[path[-1]] = value

"""The fleet's files -> the fleet: its settings, layers and clusters. All that is wrong with them is told at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from airfleet.errors import UsageError
from airfleet.fleet.documents import Document, Leaf, Node, Table, parse, plain
from airfleet.fleet.location import CLUSTERS as CLUSTERS
from airfleet.fleet.location import ENCRYPTED as ENCRYPTED
from airfleet.fleet.location import find_fleet as find_fleet
from airfleet.fleet.merge import keyed
from airfleet.fleet.model import Finding, Place, invalid
from airfleet.fleet.schema import ClusterSpec, FleetSpec, Gates, Pins, read_spec
from airfleet.fleet.selector import Selector, SelectorError
from airfleet.fleet.taint import sealed

BASE = "base"
CLUSTER_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
NAME_FIX = "lower-case letters, digits and hyphens, at most 63 characters"
OWN_LABELS = ("name", "owner", "kubernetes")
"""What selectors know of every cluster beside its axes and labels."""


@dataclass(frozen=True)
class Layer:
    """A file of values: `base`, `env/prod`, `clusters/a`, each perhaps with a secret one of the same name + `.sops`."""

    name: str
    file: Path
    values: Table
    lines: tuple[str, ...]
    decrypted: bool = False
    """Whether the values are the secrets themselves, and not placeholders."""

    @property
    def secret(self) -> bool:
        """Whether its values are encrypted."""
        return self.name.endswith(ENCRYPTED)


@dataclass(frozen=True)
class Cluster:
    """One cluster as its file and the fleet's defaults say. owner is who applies it: `helm`, `argocd` or `flux`."""

    name: str
    spec: ClusterSpec
    place: Place
    release: str
    namespace: str
    owner: str
    layers: tuple[str, ...]
    """The names of its layers that exist, the widest first."""

    @property
    def labels(self) -> dict[str, str]:
        """What selectors see."""
        own = {"name": self.name, "owner": self.owner, "kubernetes": self.spec.kubernetes}
        capabilities = {f"capability/{name}": "true" for name in self.spec.capabilities}
        return {**capabilities, **self.spec.labels, **self.spec.axes, **own}


@dataclass(frozen=True)
class Fleet:
    """A fleet's files, read and checked. `root` is the folder of fleet.yaml."""

    root: Path
    spec: FleetSpec
    place: Place
    layers: Mapping[str, Layer]
    clusters: Mapping[str, Cluster]
    pin_places: Mapping[tuple[str, str], Place]
    """(layer, `airflow`) -> the line that pins that version."""
    sealed: Fleet | None = None
    """Of a fleet whose secrets were decrypted: the same one with placeholders."""

    @property
    def chart(self) -> str:
        """The chart as Helm takes it: a path, or an address."""
        chart = self.spec.chart
        return chart if "://" in chart else os.path.normpath(self.root / chart)

    def select(self, selector: str = "", names: Iterable[str] = ()) -> list[Cluster]:
        """The clusters that a selector and names choose, by name. Raises UsageError if there is none."""
        wanted = set(names)
        if unknown := sorted(wanted - set(self.clusters)):
            raise UsageError(f"no cluster {', '.join(unknown)}", fix=f"there are {', '.join(self.clusters)}")
        try:
            chosen = Selector.parse(selector, {key for c in self.clusters.values() for key in c.labels})
        except SelectorError as e:
            raise UsageError(f"--selector {selector}: {e}", fix="such as -l env=prod,region!=eu") from e
        found = [c for c in self.clusters.values() if chosen.matches(c.labels) and (not wanted or c.name in wanted)]
        if not found:
            raise UsageError(f"no cluster matches {selector}", fix=f"there are {', '.join(self.clusters)}")
        return found

    def gates(self, wave: str) -> Gates:
        """The gates of a wave, by its name: its own, else the fleet's."""
        return next((w.gates for w in self.spec.waves if w.name == wave and w.gates), self.spec.gates)

    def pins(self, cluster: Cluster) -> Pins:
        """A cluster's versions: the narrowest layer that pins one wins."""
        layers = [BASE, *(f"{axis}/{value}" for axis, value in axes(self.spec, cluster.spec))]
        found: dict[str, str] = {}
        for pins in (*(self.spec.pins.get(layer, Pins()) for layer in layers), cluster.spec.pins):
            found |= pins.model_dump(exclude_none=True)
        return Pins(**found)


def axes(fleet: FleetSpec, cluster: ClusterSpec) -> Iterator[tuple[str, str]]:
    """The axes of a cluster in the order of their layers."""
    return ((axis, cluster.axes[axis]) for axis in fleet.axes if axis in cluster.axes)


def read_fleet(path: Path, shown_from: Path | None = None) -> Fleet:
    """Read a fleet.yaml and everything that belongs to it. Encrypted values become placeholders.

    Places name files as seen from a folder, by default the current one. Raises FleetError with all that is wrong.
    """
    return _Reader(path, shown_from).read()


class _Reader:
    """Collects findings while it reads; nothing is given out if there are any."""

    def __init__(self, path: Path, shown_from: Path | None) -> None:
        self.path, self.root, self.shown_from = path, path.parent, shown_from
        self.findings: list[Finding] = []
        self.layers: dict[str, Layer] = {}
        self.pin_places: dict[tuple[str, str], Place] = {}

    def problem(self, place: Place, rule: str, what: str, *, why: str = "", fix: str = "") -> None:
        self.findings.append(Finding(place, rule, what, why, fix))

    def read(self) -> Fleet:
        document = self.document(self.path, "")
        if unreadable(document):
            raise invalid(self.findings)
        spec, findings = read_spec(FleetSpec, document, plain(document.root))
        self.findings += findings
        if spec is None:
            raise invalid(self.findings)
        self.layer(BASE, spec)
        for axis in spec.axes:
            for file in sorted((self.root / axis).glob("*.yaml")):
                self.layer(f"{axis}/{file.stem}", spec)
        place = Place(self.shown(self.path), 1)
        files = sorted((self.root / CLUSTERS).glob("*.yaml"))
        clusters = {c.name: c for file in files if not file.stem.endswith(ENCRYPTED) if (c := self.cluster(file, spec))}
        self.check_axis_names(spec, document)
        self.check_file_names(spec)
        self.check(spec, document, files, clusters)
        if self.findings:
            raise invalid(self.findings)
        pins = document.root.entries.get("pins")
        for layer, node in pins.entries.items() if isinstance(pins, Table) else ():
            self.pinned(layer, node)
        return Fleet(self.root, spec, place, self.layers, clusters, self.pin_places)

    def shown(self, file: Path) -> str:
        return os.path.relpath(file, self.shown_from)

    def document(self, file: Path, layer: str) -> Document:
        try:
            document = parse(file.read_text(encoding="utf-8"), self.shown(file), layer)
        except (OSError, UnicodeError) as e:
            document = parse("", self.shown(file), layer)
            self.findings.append(Finding(document.root.place, "file", "can't be read", str(e)))
        self.findings += document.findings
        return document

    def pinned(self, layer: str, pins: Node | None) -> None:
        for name, node in pins.entries.items() if isinstance(pins, Table) else ():
            if plain(node) is not None:
                self.pin_places[layer, name] = node.place

    def layer(self, name: str, spec: FleetSpec) -> None:
        """Read a layer, if its file is there, and the secret one beside it."""
        for each in (name, name + ENCRYPTED):
            file = self.root / f"{each}.yaml"
            if file.is_file() and each not in self.layers:
                document = self.document(file, each)
                self.add(each, file, document.root, document, spec)

    def add(self, name: str, file: Path, values: Table, document: Document, spec: FleetSpec) -> None:
        own = values.entries.get("sops")
        encrypted = isinstance(own, Table) and "mac" in own.entries
        if name.endswith(ENCRYPTED):
            if values.entries and not encrypted:
                fix = f"encrypt it before it is committed: `sops encrypt --in-place {self.shown(file)}`"
                self.findings.append(Finding(values.place, "sops", "this file is not encrypted", fix=fix))
            entries = {key: node for key, node in values.entries.items() if key != "sops"}
            values = sealed(Table(entries, values.place, values.layer, values.replaces))
        elif encrypted:
            fix = f"name it {file.stem}{ENCRYPTED}.yaml"
            what = "this file is encrypted, and its name does not say so"
            self.findings.append(Finding(values.place, "sops", what, fix=fix))
        table, findings = keyed(values, spec.list_keys)
        self.findings += findings
        self.layers[name] = Layer(name, file, table, document.lines)

    def cluster(self, file: Path, fleet: FleetSpec) -> Cluster | None:
        name = f"{CLUSTERS}/{file.stem}"
        document = self.document(file, name)
        if not CLUSTER_NAME.fullmatch(file.stem):
            self.problem(document.root.place, "name", f"{file.stem} is no name of a cluster", fix=NAME_FIX)
        if unreadable(document):
            return None
        self.pinned(name, document.root.entries.get("pins"))
        entries = dict(document.root.entries)
        values = entries.pop("values", Table({}, document.root.place, name))
        if isinstance(values, Leaf) and values.value is None:
            values = Table({}, values.place, name)
        if not isinstance(values, Table):
            self.findings.append(
                Finding(values.place, "value", "values is not a map", fix="write `key: value` below it")
            )
            values = Table({}, document.root.place, name)
        rest = Table(entries, document.root.place, name)
        spec, findings = read_spec(ClusterSpec, document, plain(rest))
        self.findings += findings
        self.add(name, file, values, document, fleet)
        self.layer(name, fleet)
        self.check_axes(document, fleet)
        if spec is None:
            return None
        wanted = [BASE, *(f"{axis}/{value}" for axis, value in axes(fleet, spec)), name]
        layers = tuple(each for layer in wanted for each in (layer, layer + ENCRYPTED) if each in self.layers)
        release, namespace, owner = spec.release or fleet.release, spec.namespace or fleet.namespace, spec.owner
        place = Place(self.shown(file), 1)
        self.check_labels(document, fleet)
        return Cluster(file.stem, spec, place, release, namespace, owner or fleet.owner, layers)

    def check_axes(self, document: Document, fleet: FleetSpec) -> None:
        given = document.root.entries.get("axes")
        if not isinstance(given, Table):
            return  # told by the schema
        for axis in fleet.axes:
            node = given.entries.get(axis)
            there = sorted(name.split("/", 1)[1] for name in self.layers if name.startswith(f"{axis}/"))
            there = [value for value in there if not value.endswith(ENCRYPTED)]
            value = plain(node) if node else None
            known = f"one of {', '.join(there)}, or " if there else ""
            if value is None:
                fix = f"{known}a name of your own, with a file {axis}/NAME.yaml (it may be empty)"
                self.findings.append(Finding(given.place, "axis", f"axes.{axis} is missing", fix=fix))
            elif value not in there:
                fix = f"{known}make {axis}/{value}.yaml (it may be empty)"
                place = node.place if node else given.place
                self.findings.append(Finding(place, "axis", f"there is no {axis} {value}", fix=fix))
        for axis, node in given.entries.items():
            if axis not in fleet.axes:
                fix = f"it may be one of {', '.join(fleet.axes)}; anything else is a label"
                self.findings.append(Finding(node.place, "axis", f"there is no axis {axis}", fix=fix))

    def check_labels(self, document: Document, fleet: FleetSpec) -> None:
        """A label that selectors would not see, because something else has its name."""
        labels = document.root.entries.get("labels")
        for name, node in labels.entries.items() if isinstance(labels, Table) else ():
            if name in (*fleet.axes, *OWN_LABELS):
                what = (
                    f"the label {name} has the name of {'an axis' if name in fleet.axes else 'what every cluster has'}"
                )
                self.problem(node.place, "label", what, why="selectors would never see it", fix="choose another name")

    def check_axis_names(self, spec: FleetSpec, document: Document) -> None:
        taken = {BASE, CLUSTERS, *OWN_LABELS}
        for axis, node in zip(spec.axes, _items(document, "axes"), strict=False):
            if axis in taken:
                self.problem(node.place, "axis", f"no axis can be called {axis}", why="the name is taken")
            taken.add(axis)

    def check_file_names(self, spec: FleetSpec) -> None:
        """Files that look as if they were read."""
        for folder in (CLUSTERS, *spec.axes):
            for file in sorted((self.root / folder).glob("*.yml")):
                self.problem(Place(self.shown(file), 1), "file", "is not read", fix=f"name it {file.stem}.yaml")
        if (file := self.root / f"{BASE}.yml").is_file():
            self.problem(Place(self.shown(file), 1), "file", "is not read", fix=f"name it {BASE}.yaml")
        for file in sorted((self.root / CLUSTERS).glob(f"*{ENCRYPTED}.yaml")):
            name = file.stem.removesuffix(ENCRYPTED)
            if not (self.root / CLUSTERS / f"{name}.yaml").is_file():
                fix = f"make {CLUSTERS}/{name}.yaml, or remove this file"
                self.problem(Place(self.shown(file), 1), "file", f"there is no cluster {name}", fix=fix)

    def check_twice(self, rule: str, document: Document, key: str, names: Iterable[str]) -> None:
        """Each of these has a name of its own."""
        seen: set[str] = set()
        for name, node in zip(names, _items(document, key), strict=False):
            if name in seen:
                self.problem(node.place, rule, f"there are two {key} called {name}", fix="give each a name of its own")
            seen.add(name)

    def check_same_release(self, clusters: Mapping[str, Cluster]) -> None:
        """Two files must not lead to one release: each would undo what the other one does."""
        seen: dict[tuple[str, ...], str] = {}
        for name, cluster in clusters.items():
            spec = cluster.spec
            places = [("context", spec.kubeconfig, spec.context)] if spec.context else []
            places += [("identity", "", spec.identity)] if spec.identity else []
            for what, *where in places:
                other = seen.setdefault((what, *where, cluster.namespace, cluster.release), name)
                if other != name:
                    text = f"{name} and {other} are the same release: their {what}, namespace and release are"
                    fix = "give each cluster its own context, or each release its own name or namespace"
                    self.problem(cluster.place, "same-release", text, fix=fix)
                    break

    def check(self, spec: FleetSpec, document: Document, files: list[Path], clusters: Mapping[str, Cluster]) -> None:
        """What is only known when all is read: waves select something, pins name layers, every cluster has its wave."""
        keys = {key for cluster in clusters.values() for key in cluster.labels}
        self.check_twice("wave", document, "waves", (wave.name for wave in spec.waves))
        self.check_twice("policy", document, "policies", (policy.name for policy in spec.policies))
        self.check_same_release(clusters)
        if not files:
            fix = "make one with `airfleet new-cluster`"
            self.findings.append(Finding(document.root.place, "clusters", "the fleet has no clusters", fix=fix))
        if len(clusters) < len([file for file in files if not file.stem.endswith(ENCRYPTED)]):
            return  # what can't be read would be reported a second time as missing
        taken: dict[str, str] = {}
        for wave, node in zip(spec.waves, _items(document, "waves"), strict=False):
            try:
                chosen = Selector.parse(wave.select, keys)
            except SelectorError as e:
                self.findings.append(Finding(node.place, "selector", f"wave {wave.name}: {e}"))
                continue
            for name, cluster in clusters.items():
                if chosen.matches(cluster.labels):
                    taken.setdefault(name, wave.name)
        for name in sorted(set(clusters) - set(taken)) if spec.waves else ():
            fix = "widen a wave's select, or add a wave"
            self.findings.append(Finding(clusters[name].place, "wave", f"cluster {name} is in no wave", fix=fix))
        for policy, node in zip(spec.policies, _items(document, "policies"), strict=False):
            try:
                Selector.parse(policy.select, keys)
            except SelectorError as e:
                self.problem(node.place, "selector", f"policy {policy.name}: {e}")
        axes = (layer for layer in self.layers if "/" in layer and not layer.startswith(f"{CLUSTERS}/"))
        known = {BASE, *(layer for layer in axes if not layer.endswith(ENCRYPTED))}
        pins = document.root.entries.get("pins")
        for layer in spec.pins:
            if layer not in known and isinstance(pins, Table):
                place = pins.entries[layer].place
                fix = f"one of {', '.join(sorted(known))}; a cluster's own pins stand in its file"
                self.problem(place, "pins", f"there is no layer {layer}", fix=fix)


def unreadable(document: Document) -> bool:
    """Whether nothing is known of what a file says, so that nothing more can be said of it."""
    return bool(document.findings) and not document.root.entries


def _items(document: Document, key: str) -> tuple[Node, ...]:
    """The items of a list at the top of a file."""
    found = document.root.entries.get(key)
    return found.items if isinstance(found, Leaf) else ()

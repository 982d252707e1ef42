"""The fleet -> each cluster's final values, and which line of which layer every one of them comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airfleet.fleet import adapters
from airfleet.fleet.documents import Deleted, Leaf, Node, Table, leaves
from airfleet.fleet.inventory import BASE, CLUSTERS, Cluster, Fleet, axes
from airfleet.fleet.merge import merge, overlay
from airfleet.fleet.model import Finding, KeyPath, Place, dotted, invalid
from airfleet.fleet.schema import Pins
from airfleet.fleet.templating import TemplateError, evaluate, is_template

PINS = "pins"


@dataclass(frozen=True)
class Resolved:
    """One cluster's values. `tree` has the place of each; a path in `tainted` holds a secret."""

    cluster: Cluster
    pins: Pins
    values: Mapping[str, Any]
    tree: Table
    layers: tuple[Table, ...]
    """What was laid over each other, the widest first; the first one are the versions that are pinned."""
    tainted: frozenset[KeyPath]
    sealed: Resolved | None = None
    """Where the values hold secrets: the same ones with placeholders."""

    @property
    def public(self) -> Resolved:
        """What may be shown, stored and digested: the values with placeholders in place of secrets."""
        return self.sealed or self

    def origin(self, path: KeyPath) -> Leaf | Table | Deleted | None:
        """The node that won at a path; None if no layer says anything of it."""
        node: Node = self.tree
        for part in path:
            if not isinstance(node, Table) or part not in node.entries:
                return None
            node = node.entries[part]
        return node


def resolve(fleet: Fleet, clusters: Iterable[Cluster]) -> list[Resolved]:
    """The values of these clusters. Raises FleetError with every expression that can't be evaluated."""
    clusters = list(clusters)
    resolver = _Resolver(fleet)
    found = [resolver.cluster(cluster) for cluster in clusters]
    if resolver.findings:
        raise invalid(once(resolver.findings))
    if fleet.sealed is None:
        return found
    with_secrets = [any(fleet.layers[layer].decrypted for layer in cluster.layers) for cluster in clusters]
    return [
        replace(each, sealed=public) if secret else each
        for each, public, secret in zip(found, resolve(fleet.sealed, clusters), with_secrets, strict=True)
    ]


def once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The same mistake on several clusters is told once, with their names."""
    groups: dict[tuple[Place | None, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.place, finding.what, finding.why), []).append(finding)
    for group in groups.values():
        names = tuple(sorted(name for finding in group for name in finding.clusters))
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        yield replace(group[0], why=f"{group[0].why} (on {shown})", clusters=names)


def variables(fleet: Fleet, cluster: Cluster, pins: Pins) -> dict[str, Any]:
    """What expressions may use."""
    own = {"name": cluster.name, "kubernetes": cluster.spec.kubernetes, "labels": dict(cluster.spec.labels)}
    own["capabilities"] = list(cluster.spec.capabilities)
    return {
        "cluster": own,
        "axes": dict(cluster.spec.axes),
        "pins": pins.model_dump(),
        "release": cluster.release,
        "namespace": cluster.namespace,
    }


@dataclass
class _Resolver:
    """Layers that clusters share are merged once."""

    fleet: Fleet
    findings: list[Finding] = field(default_factory=list)
    _merged: dict[tuple[str, ...], Table] = field(default_factory=dict)

    def cluster(self, cluster: Cluster) -> Resolved:
        pins = self.fleet.pins(cluster)
        tree = self.merged(cluster.layers)
        pinned = _table(adapters.of(self.fleet.spec.adapter).pinned(pins), pin_place(self.fleet, cluster))
        layers = (pinned, *(self.fleet.layers[name].values for name in cluster.layers))
        tree = overlay(pinned, tree)
        filling = _Filling(variables(self.fleet, cluster, pins), cluster.name)
        values = filling.table(tree, ())
        self.findings += filling.findings
        secret = frozenset(path for path, leaf in leaves(tree) if self.is_secret(leaf))
        return Resolved(cluster, pins, values, tree, layers, secret)

    def is_secret(self, node: Leaf | Deleted) -> bool:
        layer = self.fleet.layers.get(node.layer)
        return bool(layer and layer.secret)

    def merged(self, names: tuple[str, ...]) -> Table:
        if not names:
            return Table({}, self.fleet.place)
        if names not in self._merged:
            last = self.fleet.layers[names[-1]].values
            self._merged[names] = merge([self.merged(names[:-1]), last]) if len(names) > 1 else last
        return self._merged[names]


@dataclass
class _Filling:
    """Nodes -> plain values, with expressions evaluated."""

    variables: Mapping[str, Any]
    cluster: str
    findings: list[Finding] = field(default_factory=list)

    def table(self, node: Table, path: KeyPath) -> dict[str, Any]:
        return {
            name: self.value(entry, (*path, name))
            for name, entry in node.entries.items()
            if not isinstance(entry, Deleted)
        }

    def value(self, node: Node, path: KeyPath) -> Any:
        if isinstance(node, Table):
            entries = self.table(node, path)
            return list(entries.values()) if node.item_key else entries
        if isinstance(node, Deleted):
            return None
        if node.sealed:
            return node.value  # a secret is taken as it is: it may look like an expression, and is none
        if node.items:
            return [self.value(item, (*path, f"[{number}]")) for number, item in enumerate(node.items)]
        return self.filled(node.value, node.place, path)

    def filled(self, value: Any, place: Place, path: KeyPath) -> Any:
        if not is_template(value):
            return value
        try:
            return evaluate(value, self.variables)
        except TemplateError as e:
            fix = "there are cluster, axes, pins, release and namespace; ${{ '${{' }} writes the mark itself"
            what = f"{dotted(path)}: {value} has no value"
            self.findings.append(Finding(place, "expression", what, str(e), fix, clusters=(self.cluster,)))
            return value


def pin_place(fleet: Fleet, cluster: Cluster, pin: str = "airflow") -> Place:
    """The line that pins a cluster's Airflow: of its own file, or of the narrowest layer in fleet.yaml."""
    layers = [
        BASE,
        *(f"{axis}/{value}" for axis, value in axes(fleet.spec, cluster.spec)),
        f"{CLUSTERS}/{cluster.name}",
    ]
    places = [fleet.pin_places[layer, pin] for layer in layers if (layer, pin) in fleet.pin_places]
    return places[-1] if places else fleet.place


def _table(values: Mapping[str, Any], place: Place) -> Table:
    entries: dict[str, Node] = {
        name: _table(value, place) if isinstance(value, Mapping) else Leaf(value, place, PINS)
        for name, value in values.items()
    }
    return Table(entries, place, PINS)

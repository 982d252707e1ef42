"""Two states of a fleet's files -> what differs on which cluster; only what may differ is rendered.

Nothing here needs a key or a cluster: encrypted values are placeholders, and manifests are compared with manifests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from airfleet.errors import UsageError
from airfleet.fleet import adapters
from airfleet.fleet.changes import Ref, fields
from airfleet.fleet.consequences import Effect, What
from airfleet.fleet.diff import Delta, FleetDiff, Move, delta, edits_between, fleet_diff
from airfleet.fleet.inventory import Cluster, Fleet
from airfleet.fleet.model import FleetError
from airfleet.fleet.render import Charts, Progress, keys, render
from airfleet.fleet.resolve import Resolved, resolve
from airfleet.fleet.revisions import Repository, Revision
from airfleet.fleet.selector import Selector


def between(
    repository: Repository,
    before: Revision,
    after: Revision,
    selector: str = "",
    *,
    jobs: int = 0,
    progress: Progress | None = None,
) -> FleetDiff:
    """What differs between two revisions on the clusters that a selector chooses, on either side.

    jobs is how many Helms run at once; 0 means one for each core. Raises UsageError if neither has a fleet or nothing
    is chosen, FleetError if files are wrong or Helm refuses them, AirfleetError if a chart can't be read.
    """
    old, new = (_Side(str(revision), repository.read(revision)) for revision in (before, after))
    if not old.fleet and not new.fleet:
        raise UsageError(f"neither {before} nor {after} has {repository.fleet}")
    notes = [
        f"{side.name} has no {repository.fleet}: every cluster is {what}"
        for side, what in ((old, "new"), (new, "gone"))
        if not side.fleet
    ]
    return fleet_diff(old.name, new.name, _Comparison(old, new, jobs, progress).deltas(selector), notes)


@dataclass
class _Side:
    """One state of the fleet; fleet is None if there is none."""

    name: str
    fleet: Fleet | None

    @property
    def clusters(self) -> Mapping[str, Cluster]:
        return self.fleet.clusters if self.fleet else {}

    @cached_property
    def charts(self) -> Charts | None:
        return Charts(self.fleet) if self.fleet else None

    @cached_property
    def waves(self) -> Mapping[str, str]:
        """The wave of each cluster: the first one that selects it."""
        if not self.fleet:
            return {}
        labels = {key for cluster in self.clusters.values() for key in cluster.labels}
        selectors = [(wave.name, Selector.parse(wave.select, labels)) for wave in self.fleet.spec.waves]
        return {
            name: next((wave for wave, chosen in selectors if chosen.matches(cluster.labels)), "")
            for name, cluster in self.clusters.items()
        }

    def selected(self, selector: str) -> set[str]:
        return {cluster.name for cluster in self.fleet.select(selector)} if self.fleet else set()

    def made_of(self, name: str) -> Any:
        """All of the files that a cluster's manifests can depend on."""
        fleet, cluster = self.fleet, self.clusters[name]
        if fleet is None or self.charts is None:
            return None
        pins = fleet.pins(cluster)
        texts = [fleet.layers[layer].lines for layer in cluster.layers]
        settings = (
            fleet.spec.adapter,
            dict(fleet.spec.list_keys),
            cluster.release,
            cluster.namespace,
            self.waves[name],
        )
        return cluster.layers, texts, cluster.spec, cluster.owner, settings, pins, self.charts.pinned(pins).digest

    def about(self, cluster: Cluster) -> dict[str, Any]:
        """What a cluster's own file, or what stands for it in fleet.yaml, says of it."""
        spec = cluster.spec.model_dump(mode="json", by_alias=True)
        own = {"release": cluster.release, "namespace": cluster.namespace, "owner": cluster.owner}
        pins = self.fleet.pins(cluster).model_dump() if self.fleet else {}
        return {**spec, **own, "wave": self.waves[cluster.name], "pins": pins}

    def resolved(self, names: Sequence[str]) -> dict[str, Resolved]:
        if not self.fleet or not names:
            return {}
        with self.told():
            return {each.cluster.name: each for each in resolve(self.fleet, [self.clusters[name] for name in names])}

    def keys(self, resolved: Sequence[Resolved]) -> list[str]:
        if not self.fleet or not resolved:
            return []
        with self.told():
            return keys(self.fleet, resolved)

    def texts(self, resolved: Sequence[Resolved], jobs: int, progress: Progress | None) -> dict[str, str]:
        if not self.fleet or not resolved:
            return {}
        with self.told():
            return {each.name: each.text for each in render(self.fleet, resolved, jobs=jobs, progress=progress)}

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say of which state an error is."""
        try:
            yield
        except FleetError as e:
            raise FleetError(f"{e.what} of {self.name}", code=e.code, findings=e.findings) from e


Pair = tuple[str, str]
"""A cluster's name before and now; empty where it is not there."""


@dataclass
class _Comparison:
    old: _Side
    new: _Side
    jobs: int
    progress: Progress | None

    def deltas(self, selector: str) -> list[Delta]:
        pairs = self.pairs(self.selected(selector))
        suspects = [pair for pair in pairs if self.may_differ(pair)]
        old = self.old.resolved([was for was, _ in suspects if was])
        new = self.new.resolved([name for _, name in suspects if name])
        before, after = self.texts(suspects, old, new)
        found = {
            (was, name): self.delta(old.get(was), new.get(name), before.get(was, ""), after.get(name, ""))
            for was, name in suspects
        }
        return [found.get(pair) or Delta(pair[1] or pair[0]) for pair in pairs]

    def selected(self, selector: str) -> set[str]:
        """What is selected on either side. A label that only one side knows is no error."""
        found: set[str] = set()
        refused: list[UsageError] = []
        for side in (self.old, self.new):
            try:
                found |= side.selected(selector)
            except UsageError as e:
                refused.append(e)
        if not found:
            raise refused[-1]
        return found

    def pairs(self, names: set[str]) -> list[Pair]:
        """The clusters, by name. One that was renamed is known by where it is."""
        gone = {name: cluster for name, cluster in self.old.clusters.items() if name not in self.new.clusters}
        places = {place: name for name, cluster in gone.items() for place in _places(cluster)}
        pairs: list[Pair] = []
        for name, cluster in self.new.clusters.items():
            was = name if name in self.old.clusters else ""
            if not was:
                was = next((places[place] for place in _places(cluster) if places.get(place) in gone), "")
                gone.pop(was, None)
            pairs.append((was, name))
        pairs += [(name, "") for name in gone]
        return sorted((pair for pair in pairs if names & set(pair)), key=lambda pair: pair[1] or pair[0])

    def may_differ(self, pair: Pair) -> bool:
        """Whether anything that a cluster's manifests are made of is not the same in the files."""
        was, name = pair
        return was != name or self.old.made_of(was) != self.new.made_of(name)

    def texts(
        self, suspects: Sequence[Pair], old: Mapping[str, Resolved], new: Mapping[str, Resolved]
    ) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The manifests of both states, rendered only where what they depend on differs."""
        both = [pair for pair in suspects if all(pair)]
        keys_old = self.old.keys([old[was] for was, _ in both])
        keys_new = self.new.keys([new[name] for _, name in both])
        same = {pair for pair, one, other in zip(both, keys_old, keys_new, strict=True) if one == other}
        differing = [pair for pair in suspects if pair not in same and pair[1]]  # what is gone runs on, unchanged
        before = self.old.texts([old[was] for was, _ in differing if was], self.jobs, self.progress)
        return before, self.new.texts([new[name] for _, name in differing], self.jobs, self.progress)

    def delta(self, old: Resolved | None, new: Resolved | None, before: str, after: str) -> Delta:
        if new is None or self.new.fleet is None:
            gone = old.cluster if old else None
            return Delta(gone.name, effects=(_orphaned(gone),), move=Move(gone.name, "removed")) if gone else Delta("")
        purpose = adapters.of(self.new.fleet.spec.adapter).purpose
        if old is None:
            made = delta(new.cluster.name, "", after, move=Move(new.cluster.name, "added"), purpose=purpose)
            return replace(made, effects=())
        anew = (old.cluster.release, old.cluster.namespace) != (new.cluster.release, new.cluster.namespace)
        edits, move = edits_between(old, new), self.move(old.cluster, new.cluster)
        found = delta(new.cluster.name, "" if anew else before, after, edits=edits, move=move, purpose=purpose)
        return replace(found, effects=(*_left_behind(old.cluster, new.cluster), *found.effects))

    def move(self, old: Cluster, new: Cluster) -> Move | None:
        """What became of the cluster itself."""
        differing = tuple(fields(self.old.about(old), self.new.about(new)))
        if old.name != new.name:
            return Move(new.name, "renamed", old.name, differing)
        return Move(new.name, "changed", "", differing) if differing else None


def _places(cluster: Cluster) -> Iterator[tuple[str, ...]]:
    """What tells that two files speak of one release on one cluster."""
    if cluster.spec.identity:
        yield "identity", cluster.spec.identity, cluster.namespace, cluster.release
    if cluster.spec.context:
        yield "context", cluster.spec.kubeconfig, cluster.spec.context, cluster.namespace, cluster.release


def _left_behind(old: Cluster, new: Cluster) -> Iterator[Effect]:
    """What nobody cares for any more after a cluster's file says something else."""
    if (old.release, old.namespace) != (new.release, new.namespace):
        yield _orphaned(old)
    for key in ("identity", "context", "kubeconfig"):
        was, now = getattr(old.spec, key), getattr(new.spec, key)
        if was and now and was != now:
            text = f"{new.name} is another cluster, or there is another way to it: {key} was {was} and is {now}"
            yield Effect(What.LEFT, _release(new), text)
            return


def _orphaned(old: Cluster) -> Effect:
    text = f"release {old.release} in namespace {old.namespace} goes on running, and nobody removes it"
    fix = f"helm uninstall {old.release} --namespace {old.namespace} --kube-context {old.spec.context or 'CONTEXT'}"
    return Effect(What.LEFT, _release(old), text, "", fix)


def _release(cluster: Cluster) -> Ref:
    return Ref("Release", cluster.namespace, cluster.release)

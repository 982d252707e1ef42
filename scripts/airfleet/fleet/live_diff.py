"""The fleet's files against its clusters: what an upgrade would change there now, by a dry run of each API server.

Secrets are needed for that, and never shown: where the rendering with secrets differs from the one with placeholders,
both the new value and the one that is there are hidden.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import yaml

from airfleet import console
from airfleet.fleet import adapters
from airfleet.fleet.changes import Change, Field, Ref, compare, ref_of, shown, with_replaced
from airfleet.fleet.consequences import Effect, What, effects
from airfleet.fleet.diff import Delta, FleetDiff, fleet_diff, without_digests, without_secrets
from airfleet.fleet.dryrun import Conflict, DryRun, Outcome
from airfleet.fleet.gitops import HELM, Repository, cloned, manifest
from airfleet.fleet.inventory import Cluster, Fleet
from airfleet.fleet.live import Live, on_each
from airfleet.fleet.model import FieldOfOthers, KeyPath, dotted
from airfleet.fleet.render import Progress, Rendering, render
from airfleet.fleet.resolve import resolve
from airfleet.fleet.secrets import decrypted
from airfleet.fleet.taint import OTHER, SECRET, hidden_like

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TELLING = frozenset({"env", "args", "command", "data", "stringData", "binaryData", "annotations"})


def against_clusters(
    fleet: Fleet, clusters: Sequence[Cluster], *, jobs: int = 0, progress: Progress | None = None
) -> FleetDiff:
    """What differs between each cluster and what the files say of it. Nothing is changed anywhere.

    jobs is how many Helms run, and then clusters are asked, at once; 0 means one for each core, and eight clusters. A
    cluster that can't be asked, or is another one than its file says, is told in `failed`. Raises FleetError if secrets
    can't be decrypted, or Helm refuses values.
    """
    fleet = decrypted(fleet, clusters)
    renderings = render(fleet, resolve(fleet, clusters), jobs=jobs, progress=progress)

    of = {rendering.name: rendering for rendering in renderings}
    asked = [rendering.resolved.cluster for rendering in renderings]
    with cloned(fleet, asked) as git:
        deltas, failed = on_each(asked, lambda live: _Look(fleet, of[live.cluster.name], live, git).delta(), jobs)
    return fleet_diff("the clusters", "the files", deltas, failed=failed)


@dataclass
class _Look:
    """One cluster."""

    fleet: Fleet
    rendering: Rendering
    live: Live
    git: Repository | None

    def delta(self) -> Delta:
        dry_run = DryRun(self.live)
        release = self.release()
        wanted = [obj for obj in self.rendering.objects if not is_hook(obj)]
        outcomes = [dry_run.apply(obj) for obj in wanted]
        pruned = [obj for obj in self.pruned(release, wanted) if dry_run.exists(obj)]
        pairs = [self.hidden(*pair) for pair in zip(wanted, outcomes, strict=True)]
        now, would = ([obj for pair in pairs if (obj := pair[n]) is not None] for n in (0, 1))
        changes = with_replaced(compare(*without_secrets([*now, *pruned], would)))
        kept, ignored = self.owned(changes, dict(zip(map(_name, wanted), outcomes, strict=True)))
        purpose = adapters.of(self.fleet.spec.adapter).purpose
        told = [*self.refused(wanted, outcomes, compare(release, wanted)), *effects(kept, would, purpose)]
        shown = tuple(without_digests(self.careful(change)) for change in kept)
        return Delta(self.rendering.name, shown, tuple(told), ignored=tuple(ignored))

    def release(self) -> list[Mapping[str, Any]]:
        """What was applied the last time."""
        return [obj for obj in yaml.load_all(manifest(self.live, self.git), _LOADER) if obj]

    def pruned(
        self, release: Iterable[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]]
    ) -> Iterator[Mapping[str, Any]]:
        """What the release has and the files no longer want: Helm deletes it."""
        names = {_name(obj) for obj in wanted}
        for obj in release:
            if _name(obj) not in names and not is_hook(obj):
                yield obj

    def hidden(
        self, obj: Mapping[str, Any], outcome: Outcome
    ) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
        """Both states of an object without what comes from a secret. A refused one is as if it stayed as it is."""
        now, would = outcome.now, outcome.would
        if would is None:
            return None, None
        if now is None:
            would = obj  # as the files say it, without the API server's defaults
        if not self.rendering.sealed:
            return now, would
        stand_in = self.stand_ins.get(_stem(obj))
        return now and hidden_like(now, obj, stand_in, would), hidden_like(would, obj, stand_in, would)

    @cached_property
    def stand_ins(self) -> Mapping[Any, Mapping[str, Any]]:
        """The objects of the rendering with placeholders."""
        return {_stem(obj): obj for obj in self.rendering.public.objects}

    def owned(self, changes: Sequence[Change], outcomes: Mapping[Any, Outcome]) -> tuple[list[Change], list[str]]:
        """The changes without fields that somebody else owns, and those in words."""
        rules = self.rendering.resolved.cluster.spec.ignore_drift

        def who(change: Change, path: KeyPath) -> str:
            outcome = outcomes.get(change.ref.same)
            return owner(change.ref, path, outcome.conflicts if outcome else (), rules)

        kept, others = set_apart(changes, who)
        return kept, [f"{told} is {shown(each.before)}, by {by}" for told, each, by in map(self.told, others)]

    def told(self, other: tuple[Change, Field, str]) -> tuple[str, Field, str]:
        """A field that somebody else owns, named, and without what may be a secret."""
        change, each, by = other
        (safe,) = self.careful(replace(change, fields=(each,))).fields
        return f"{change.ref} {dotted(each.path)}", safe, by

    def refused(
        self, wanted: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome], upgrade: Sequence[Change]
    ) -> Iterator[Effect]:
        """What the API server, or Helm because of an owner, would refuse; the latter only if Helm has to write."""
        for obj, outcome in zip(wanted, outcomes, strict=True):
            ref = ref_of(obj)
            if outcome.refused:
                why = console.without_secrets(outcome.refused)
                why = "its message may hold secrets" if ref.kind == "Secret" else why[:500]
                yield Effect(What.REFUSED, ref, f"the API server refuses {ref}", why, "see docs/guide/fleet.md")
            if outcome.conflicts and upgrade and self.live.cluster.owner == HELM:  # controllers take what they want
                owners = ", ".join(sorted({each.owner for each in outcome.conflicts}))
                paths = ", ".join(each.path.lstrip(".") for each in outcome.conflicts)
                text = f"Helm's upgrade is refused, since {owners} owns {paths} of {ref}"
                fix = "leave the field out of the values, or take it back: helm upgrade --force-conflicts"
                yield Effect(What.REFUSED, ref, text, "", fix)

    def careful(self, change: Change) -> Change:
        """Old values where secrets may stand are not told: whether they were secrets is not known any more."""
        return careful(change, after=False) if self.rendering.sealed else change


def set_apart(
    changes: Sequence[Change], who: Callable[[Change, KeyPath], str]
) -> tuple[list[Change], list[tuple[Change, Field, str]]]:
    """Changes without the fields of which who() names another owner; and those fields, with their change and owner."""
    kept, others = [], []
    for change in changes:
        owned = [(each, who(change, each.path)) for each in change.fields]
        others += [(change, each, by) for each, by in owned if by]
        fields = tuple(each for each, by in owned if not by)
        if fields or not change.fields:
            kept.append(replace(change, fields=fields))
    return kept, others


def careful(change: Change, *, after: bool = True) -> Change:
    """A change without values where secrets may stand: the old ones, and with `after` the new ones as well."""
    fields = [
        replace(
            each,
            before=_careful(each.path, each.before),
            after=_careful(each.path, each.after) if after else each.after,
        )
        for each in change.fields
    ]
    return replace(change, fields=tuple(fields))


def _careful(path: KeyPath, value: Any) -> Any:
    if not set(path) & _TELLING or value in (None, SECRET, OTHER):
        return value
    return value if isinstance(value, bool | int | float) else "(not shown)"


def _name(obj: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return ref_of(obj).same


def _stem(obj: Mapping[str, Any]) -> tuple[str, ...]:
    """What names an object, but for a hash at its end, which secrets may have a part in."""
    *rest, name = _name(obj)
    return *rest, re.sub(r"-[0-9a-f]{6,64}$", "", name)


def is_hook(obj: Mapping[str, Any]) -> bool:
    """Whether Helm runs an object beside the release instead of keeping it in it."""
    return "helm.sh/hook" in (obj["metadata"].get("annotations") or {})


def owner(ref: Ref, path: KeyPath, conflicts: Sequence[Conflict], rules: Sequence[FieldOfOthers]) -> str:
    """Who else owns a field; empty if nobody does."""
    for conflict in conflicts:
        if conflict.covers(path):
            return conflict.owner
    return "ignoreDrift" if any(rule.covers(str(ref), path) for rule in rules) else ""

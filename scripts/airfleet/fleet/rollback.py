"""Back to a revision that Helm remembers, on one cluster, with the same checks, lock and gates as an apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airfleet import console
from airfleet.errors import AirfleetError, UsageError
from airfleet.fleet import adapters, helmyaml
from airfleet.fleet.apply import HISTORY
from airfleet.fleet.gates import pass_gates
from airfleet.fleet.inventory import Cluster, Fleet
from airfleet.fleet.live import Live, Revision, opened
from airfleet.fleet.lock import locked
from airfleet.fleet.plan import wave_of
from airfleet.process import shown


@dataclass(frozen=True)
class Rollback:
    """Where a release is, where it goes, and what stands in the way; nothing if nothing does."""

    now: Revision
    target: Revision
    warnings: tuple[str, ...]
    refusal: str = ""


def look(live: Live, fleet: Fleet, to: int = 0) -> Rollback:
    """What a rollback would do. to is a revision's number; 0 is the newest one that worked before.

    Raises AirfleetError if there is no release, UsageError if there is no such revision.
    """
    history = live.history()
    if not history:
        raise AirfleetError(f"{live.cluster.release} is not installed on {live.cluster.name}", where=live.kube.context)
    now = history[-1]
    worked = [revision for revision in history[:-1] if revision.status in ("superseded", "deployed")]
    found = [revision for revision in history if revision.number == to] if to else worked[-1:]
    if not found or found[0].number == now.number:
        known = ", ".join(f"{revision.number} ({revision.status})" for revision in history)
        raise UsageError(f"there is no revision {to or 'before this one'} to go back to", fix=f"there are {known}")
    before, after = (helmyaml.objects(live.manifest(r.number)) for r in (now, found[0]))
    warnings, refusal = adapters.of(fleet.spec.adapter).back(live, before, after)
    return Rollback(now, found[0], tuple(warnings), refusal)


def roll_back(fleet: Fleet, cluster: Cluster, to: int, stop: Callable[[], bool]) -> Revision:
    """Go back, and wait until the gates of the cluster's wave are passed; the new revision.

    Raises AirfleetError if the database does not allow it, before anything is written.
    """
    with opened(cluster) as live, locked(live, "rollback"):
        found = look(live, fleet, to)
        if found.refusal:
            raise AirfleetError(f"{cluster.name} can't go back to revision {found.target.number}", why=found.refusal)
        for warning in found.warnings:
            console.say(f"  {cluster.name}: {warning}")
        if found.now.pending:
            live.forget(found.now)
        argv = ["rollback", cluster.release, str(found.target.number), "--history-max", str(HISTORY)]
        console.say(f"{cluster.name}: {shown(['helm', *argv])}")
        live.helm(argv)
        after = live.revision()
        if after is None:
            raise AirfleetError(f"the release is gone from {cluster.name}", where=live.kube.context)
        objects = helmyaml.objects(live.manifest())
        gates = fleet.gates(wave_of(fleet, cluster))
        for line in pass_gates(live, objects, gates, fleet.spec.adapter, stop):
            console.say(f"{cluster.name}: {line}")
        return after

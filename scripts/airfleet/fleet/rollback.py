"""Back to what one cluster had before, with the same checks, lock and gates as an apply: to a revision that Helm
remembers or, where a GitOps controller owns the cluster, to the files that Git remembers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from airfleet import console
from airfleet.errors import AirfleetError, UsageError
from airfleet.fleet import adapters, helmyaml
from airfleet.fleet.apply import HISTORY
from airfleet.fleet.gates import pass_gates
from airfleet.fleet.gitops import Repository, cloned
from airfleet.fleet.inventory import Cluster, Fleet
from airfleet.fleet.live import Live, Revision, opened
from airfleet.fleet.lock import locked
from airfleet.fleet.waves import wave_of
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


def roll_back(fleet: Fleet, cluster: Cluster, to: str, stop: Callable[[], bool]) -> str:
    """Go back, and wait until the gates of the cluster's wave are passed; where it is then, in words.

    to is a revision's number, or a commit; by default the one before. stop says whether to end the waiting.
    Raises, before anything is written, UsageError if there is none, and AirfleetError if the database does not allow it
    or somebody else is at work on the release; afterwards AirfleetError if a gate stays closed, and InterruptedError if
    stop() says so.
    """
    with cloned(fleet, [cluster]) as git:
        if git:
            return _revert(fleet, cluster, git, to, stop)
    if to and not to.isdecimal():
        raise UsageError(f"--to {to} is no number of a revision", fix="`helm history` lists them")
    after = _helm(fleet, cluster, int(to or 0), stop)
    return f"at revision {after.number}: {after.description}"


def _revert(fleet: Fleet, cluster: Cluster, git: Repository, to: str, stop: Callable[[], bool]) -> str:
    """A commit that gives a cluster the files that it had."""
    now, target = _versions(git, cluster, to)
    texts = git.held(cluster.name, target)
    before, after = (helmyaml.objects(git.manifest(cluster.name, commit)) for commit in (now, target))
    with opened(cluster) if cluster.spec.context else nullcontext() as live:
        if live:
            warnings, refusal = adapters.of(fleet.spec.adapter).back(live, before, after)
            if refusal:
                raise AirfleetError(f"{cluster.name} can't go back to {target[:9]}", why=refusal)
            for warning in warnings:
                console.say(f"  {cluster.name}: {warning}")
        held = git.held(cluster.name)

        def unchanged() -> None:
            if git.held(cluster.name) != held:
                raise AirfleetError(f"somebody else has just changed {cluster.name} in Git", fix="look, and try again")

        subject = f"Take {cluster.name} back to {target[:9]}"
        git.propose({cluster.name: texts}, subject, f"airfleet/back/{cluster.name}-{target[:9]}", unchanged)
        with opened(git.place(cluster)) as controller:
            console.say(f"{cluster.name}: {git.pass_gate(controller, cluster, texts, stop)}")
        gates = fleet.gates(wave_of(fleet, cluster))
        for line in pass_gates(live, after, gates, fleet.spec.adapter, stop) if live else ():
            console.say(f"{cluster.name}: {line}")
    return f"as {target[:9]} had it"


def _versions(git: Repository, cluster: Cluster, to: str) -> tuple[str, str]:
    """The commit that a cluster's files are of, and the one to go back to."""
    commits = git.versions(cluster.name)
    found = [commit for commit in commits[1:] if commit.startswith(to)][:1]
    if not found or not git.held(cluster.name, found[0]):
        known = ", ".join(commit[:9] for commit in commits[:10]) or "none"
        what = f"there is no {f'commit {to}' if to else 'commit before this one'} that {cluster.name} can go back to"
        raise UsageError(what, fix=f"these changed it, the newest first: {known}")
    return commits[0], found[0]


def _helm(fleet: Fleet, cluster: Cluster, to: int, stop: Callable[[], bool]) -> Revision:
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

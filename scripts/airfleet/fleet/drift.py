"""What on a cluster is not as it was applied: changed or deleted by somebody's hand. Nothing is changed anywhere.

The release's own manifests are applied in a dry run; where the API server would have to change something, somebody else
has. What a controller owns, such as the replicas that an autoscaler sets, is none: it is listed and left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from airfleet.errors import AirfleetError
from airfleet.fleet.changes import Change, compare, ref_of, shown
from airfleet.fleet.consequences import Effect, What
from airfleet.fleet.diff import Delta, FleetDiff, fleet_diff, without_digests, without_secrets
from airfleet.fleet.dryrun import DryRun
from airfleet.fleet.gitops import cloned, manifest
from airfleet.fleet.inventory import ENCRYPTED, Cluster, Fleet
from airfleet.fleet.live import Live, on_each
from airfleet.fleet.live_diff import careful, is_hook, owner, set_apart
from airfleet.fleet.model import KeyPath, dotted
from airfleet.fleet.taint import is_secret

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Field managers behind which stands a person, by how their names begin: kubectl in all its forms, and what terminals,
# desktops and dashboards send. Every other one is taken for a controller.
_PEOPLE = ("kubectl", "k9s", "node-fetch", "Mozilla", "dashboard", "unknown")


def drift(fleet: Fleet, clusters: Sequence[Cluster], *, jobs: int = 0) -> FleetDiff:
    """What differs between each cluster and what Helm, or its GitOps controller, applied there the last time.

    jobs is how many clusters are asked at once; 0 means eight. One that can't be asked, is another one than its file
    says, or has no release, is told in `failed`.
    """
    with cloned(fleet, clusters) as git:
        deltas, failed = on_each(clusters, lambda live: _delta(live, manifest(live, git)), jobs)
    return fleet_diff("as it was applied", "as it is", deltas, failed=failed)


def _delta(live: Live, text: str) -> Delta:
    if not text:
        raise AirfleetError(f"the release {live.cluster.release} is not installed")
    applied = [obj for obj in yaml.load_all(text, _LOADER) if obj and not is_hook(obj)]
    dry_run = DryRun(live)
    outcomes = [dry_run.apply(obj) for obj in applied]
    hide = any(layer.endswith(ENCRYPTED) for layer in live.cluster.layers)
    left = [outcome.would or obj for obj, outcome in zip(applied, outcomes, strict=True)]
    are = [outcome.now for outcome in outcomes if outcome.now is not None]
    conflicts = {ref_of(obj).same: outcome.conflicts for obj, outcome in zip(applied, outcomes, strict=True)}
    changes = compare(*without_secrets(left, are))
    changes = [careful(change) for change in changes] if hide else changes  # before anything of them is told

    def who(change: Change, path: KeyPath) -> str:
        controllers = [each for each in conflicts.get(change.ref.same, ()) if not each.owner.startswith(_PEOPLE)]
        return owner(change.ref, path, controllers, live.cluster.spec.ignore_drift)

    kept, others = set_apart(changes, who)
    ignored = [f"{change.ref} {dotted(each.path)} is {shown(each.after)}, by {by}" for change, each, by in others]
    refused = []
    for obj, outcome in zip(applied, outcomes, strict=True):
        if outcome.refused and not is_secret(obj):
            why = "its message may hold secrets" if hide else outcome.refused[:500]
            text = f"the API server refuses what Helm applied of {ref_of(obj)}"
            refused.append(Effect(What.REFUSED, ref_of(obj), text, why))
    return Delta(live.cluster.name, tuple(map(without_digests, kept)), tuple(refused), ignored=tuple(ignored))

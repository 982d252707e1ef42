"""Whether what runs on the clusters works: the gates of their waves, without changing anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from airfleet.errors import AirfleetError
from airfleet.fleet import helmyaml
from airfleet.fleet.gates import pass_gates
from airfleet.fleet.gitops import Repository, cloned, manifest
from airfleet.fleet.inventory import Cluster, Fleet
from airfleet.fleet.live import opened
from airfleet.fleet.waves import wave_of


@dataclass(frozen=True)
class Verdict:
    """One cluster: what its gates saw, what is wrong, if something is, and the seconds that it took to tell."""

    cluster: str
    works: bool
    seen: tuple[str, ...]
    problem: str
    seconds: float


def verify(fleet: Fleet, clusters: Sequence[Cluster], stop: Callable[[], bool], jobs: int = 8) -> list[Verdict]:
    """Hold the deployed release of each cluster against its wave's gates, jobs clusters at once, in their order.

    A cluster that can't be asked has a verdict that says so. Raises InterruptedError if stop() says so.
    """
    with cloned(fleet, clusters) as git, ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda cluster: _verdict(fleet, cluster, git, stop), clusters))


def _verdict(fleet: Fleet, cluster: Cluster, git: Repository | None, stop: Callable[[], bool]) -> Verdict:
    start = time.monotonic()
    seen: list[str] = []
    problem = ""
    try:
        with opened(cluster) as live:
            objects = helmyaml.objects(manifest(live, git))
            gates = fleet.gates(wave_of(fleet, cluster))
            seen = pass_gates(live, objects, gates, fleet.spec.adapter, stop)
    except AirfleetError as e:
        problem = "\n".join(filter(None, (e.what, e.why)))
    return Verdict(cluster.name, not problem, tuple(seen), problem, round(time.monotonic() - start, 1))

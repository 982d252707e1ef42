"""What is where: each cluster's release beside what the files want, and who is on which version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from airfleet.errors import AirfleetError
from airfleet.fleet import adapters, helmyaml
from airfleet.fleet.changes import compare
from airfleet.fleet.gates import rollout
from airfleet.fleet.gitops import HELM, Repository, cloned
from airfleet.fleet.inventory import Fleet
from airfleet.fleet.live import Live, opened
from airfleet.fleet.render import Rendering
from airfleet.fleet.waves import wave_of


@dataclass(frozen=True)
class Row:
    """One cluster. differs is how many objects of the release are not as the files want; -1 if it was not asked."""

    cluster: str
    wave: str
    state: str
    """`in step`, `behind`, `not installed`, `failed`, `pending`, `unhealthy` or `unreachable`."""
    revision: int = 0
    differs: int = -1
    description: str = ""
    problem: str = ""
    versions: Mapping[str, str] | None = None


def status(fleet: Fleet, renderings: Sequence[Rendering], jobs: int = 8) -> list[Row]:
    """A row for each cluster, in the order of the renderings. A cluster that can't be asked has a row that says so.

    jobs is how many clusters are asked at once.
    """

    def row(rendering: Rendering) -> Row:
        cluster = rendering.resolved.cluster
        try:
            if git and cluster.owner != HELM:
                return _row_of_git(fleet, rendering, git)
            with opened(cluster) as live:
                return _row(fleet, rendering, live)
        except AirfleetError as e:
            return Row(cluster.name, wave_of(fleet, cluster), "unreachable", problem=f"{e.what}: {e.why}".rstrip(": "))

    with cloned(fleet, [each.resolved.cluster for each in renderings]) as git, ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(row, renderings))


def _row(fleet: Fleet, rendering: Rendering, live: Live) -> Row:
    cluster, wave = rendering.resolved.cluster, wave_of(fleet, rendering.resolved.cluster)
    kubernetes = live.kube.version()
    revision = live.revision()
    if revision is None:
        return Row(cluster.name, wave, "not installed", versions={"kubernetes": kubernetes})
    objects = helmyaml.objects(live.manifest())
    versions = {"chart": revision.chart, "kubernetes": kubernetes}
    versions |= adapters.of(fleet.spec.adapter).versions(objects)
    differs = len(compare(objects, rendering.objects))
    health = rollout(live, objects)
    problem = "\n".join((*health.failed, *health.waiting))
    state = "behind" if differs else "in step"
    if revision.pending:
        state = "pending"
    elif revision.status == "failed":
        state = "failed"
    elif not health.good:
        state = "unhealthy"
    return Row(cluster.name, wave, state, revision.number, differs, revision.description, problem, versions)


def _row_of_git(fleet: Fleet, rendering: Rendering, git: Repository) -> Row:
    """A cluster that a GitOps controller owns: what that has applied, and what it says of its health."""
    cluster, wave = rendering.resolved.cluster, wave_of(fleet, rendering.resolved.cluster)
    applied, manifest = git.deployed(cluster)
    if not manifest:
        return Row(cluster.name, wave, "not installed", problem=applied.problem)
    objects = helmyaml.objects(manifest)
    differs = len(compare(objects, rendering.objects))
    state = "unhealthy" if applied.problem else "behind" if differs else "in step"
    versions = adapters.of(fleet.spec.adapter).versions(objects)
    description = f"{cluster.owner}, {applied.commit[:9]}"
    return Row(cluster.name, wave, state, 0, differs, description, applied.problem, versions)

"""What is going to be done on which cluster: made once, read by people, saved, and carried out exactly or not at all.

A plan holds digests and never a value: what it stands for is rendered again when it is applied, and must be the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from airfleet import helm
from airfleet.errors import AirfleetError, InvalidError
from airfleet.fleet import helmyaml
from airfleet.fleet.changes import Change, compare
from airfleet.fleet.gitops import HELM, Repository, cloned, digest
from airfleet.fleet.inventory import Cluster, Fleet
from airfleet.fleet.live import Live, Revision, opened
from airfleet.fleet.lock import holder
from airfleet.fleet.render import Charts, Rendering
from airfleet.fleet.waves import wave_names, wave_of

FORMAT = 1


@dataclass(frozen=True)
class Step:
    """One cluster of a plan. revision is the release's newest one when the plan was made; 0 if it was not installed.

    uid is that of the namespace kube-system; values, rendering and a chart on disk are told by their SHA-256.
    """

    cluster: str
    wave: str
    action: str
    """`install`, `upgrade` or `none`."""
    owner: str
    uid: str
    release: str
    namespace: str
    chart: str
    values: str
    rendering: str
    revision: int
    status: str
    git: str = ""
    """Of a cluster that a GitOps controller owns: the digest of its files in Git; empty if there are none."""
    summary: tuple[str, ...] = ()
    """What changes, a line each, without a value that could be secret."""


@dataclass(frozen=True)
class Plan:
    """The steps, in the order of the waves. created is in UTC, as 2027-03-31T12:00:00Z; helm is which Helm rendered."""

    created: str
    created_by: str
    fleet: str
    helm: str
    waves: tuple[str, ...]
    steps: tuple[Step, ...]
    format: int = FORMAT

    @property
    def digest(self) -> str:
        """SHA-256 of all that it says, in hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def short(self) -> str:
        """The beginning of the digest, by which people and Helm's history know the plan."""
        return self.digest[:12]

    def write(self, path: Path) -> None:
        """Save it. Raises AirfleetError if the file is there: a plan is never overwritten."""
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")
        except FileExistsError as e:
            fix = "name another file, or delete it"
            raise AirfleetError("a plan is not written over another file", where=str(path), fix=fix) from e

    @classmethod
    def read(cls, path: Path) -> Self:
        """A saved plan. Raises InvalidError if it is none, or AirfleetError if it is not there."""
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            steps = tuple(Step(**{**step, "summary": tuple(step["summary"])}) for step in row.pop("steps"))
            plan = cls(**{**row, "waves": tuple(row["waves"]), "steps": steps})
        except OSError as e:
            raise AirfleetError("the plan can't be read", where=str(path), why=str(e.strerror)) from e
        except (ValueError, TypeError, KeyError) as e:
            fix = "make one with `airfleet plan -o FILE`"
            raise InvalidError("this is not a plan", where=str(path), why=str(e), fix=fix) from e
        if plan.format != FORMAT:
            why = f"its format is {plan.format}, this airfleet's {FORMAT}"
            raise InvalidError("the plan is of another airfleet", where=str(path), why=why, fix="make it anew")
        return plan


Report = Callable[[Cluster, Sequence[Change]], Iterable[str]]
"""What a plan says of a cluster's changes, a line each; reports.summary is one that tells no value."""


def make(fleet: Fleet, renderings: Sequence[Rendering], report: Report, jobs: int = 8) -> tuple[Plan, list[Change]]:
    """Compare each rendering with the live release and write down what has to be done. Nothing is changed anywhere.

    jobs is how many clusters are asked at once. Beside the plan come the changes of all clusters.
    Raises AirfleetError if a cluster can't be asked, or is another one than its file says: all of them at once.
    """
    charts = Charts(fleet)

    def look(rendering: Rendering) -> tuple[Step, list[Change]] | AirfleetError:
        cluster = rendering.resolved.cluster
        try:
            with opened(git.place(cluster) if git and cluster.owner != HELM else cluster) as live:
                return _step(fleet, charts, rendering, _before(live, rendering, git), live.uid, report)
        except AirfleetError as e:
            return e

    with cloned(fleet, [each.resolved.cluster for each in renderings]) as git, ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(look, renderings))
    if refused := [each for each in found if isinstance(each, AirfleetError)]:
        raise joined(refused, "clusters could not be asked, so there is no plan")
    answered = [each for each in found if not isinstance(each, AirfleetError)]
    order = wave_names(fleet)
    steps = sorted((step for step, _ in answered), key=lambda step: (order.index(step.wave), step.cluster))
    created = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    plan = Plan(created, holder().rpartition(":")[0], str(fleet.place.file), helm.identity(), order, tuple(steps))
    return plan, [change for _, changes in answered for change in changes]


@dataclass(frozen=True)
class _Before:
    """What a cluster has now: of Helm its revision, of Git the digest of its files.

    differs says that there is something to do even if all objects are the same.
    """

    manifest: str
    revision: Revision | None = None
    git: str = ""
    differs: bool = False


def _before(live: Live, rendering: Rendering, git: Repository | None) -> _Before:
    name = rendering.name
    if git is None or rendering.resolved.cluster.owner == HELM:
        revision = live.revision()
        unwell = revision is not None and revision.status != "deployed"
        return _Before(live.manifest() if revision else "", revision, differs=unwell)
    held = git.held(name)
    return _Before(git.manifest(name), git=digest(held), differs=held != git.wanted(rendering))


def _step(
    fleet: Fleet, charts: Charts, rendering: Rendering, before: _Before, uid: str, report: Report
) -> tuple[Step, list[Change]]:
    cluster = rendering.resolved.cluster
    changes = compare(helmyaml.objects(before.manifest), rendering.objects)
    there = before.revision or before.git
    revision = before.revision
    step = Step(
        cluster=cluster.name,
        wave=wave_of(fleet, cluster),
        action=("upgrade" if changes or before.differs else "none") if there else "install",
        owner=cluster.owner,
        uid=uid,
        release=cluster.release,
        namespace=cluster.namespace,
        chart=charts.of(rendering.resolved).digest,
        values=values_digest(rendering.resolved.public.values),
        rendering=rendering.digest,
        revision=revision.number if revision else 0,
        status=revision.status if revision else "",
        git=before.git,
        summary=tuple(report(cluster, changes)),
    )
    return step, changes


def values_digest(values: Mapping[str, Any]) -> str:
    """SHA-256 of values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def joined(errors: Sequence[AirfleetError], what: str) -> AirfleetError:
    """Several errors as one."""
    if len(errors) == 1:
        return errors[0]
    why = "\n".join(str(error).removeprefix("error: ") for error in errors)
    return AirfleetError(f"{len(errors)} {what}", why=why, code=max(error.code for error in errors))

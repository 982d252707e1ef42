"""Carrying a plan out: wave by wave, gate by gate, exactly as it was made or not at all.

Helm is called without --wait: writing takes a second or two and is never interrupted, so no release is left pending.
The waiting is done here, where it can be stopped, told, and gone on with after a crash.

Clusters that a GitOps controller owns are changed by one commit for all of them in a wave. They need no lock: Git
itself refuses a push that comes too late.
"""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airfleet import console
from airfleet.errors import AirfleetError
from airfleet.fleet.gates import pass_gates
from airfleet.fleet.gitops import HELM, Repository, cloned, digest
from airfleet.fleet.inventory import Cluster, Fleet
from airfleet.fleet.journal import DONE, Journal
from airfleet.fleet.live import Live, Revision, opened
from airfleet.fleet.lock import locked
from airfleet.fleet.plan import Plan, Step, joined, values_digest
from airfleet.fleet.render import Charts, Rendering, folder_digest
from airfleet.fleet.schema import Wave
from airfleet.process import shown

HISTORY = 10
"""Revisions that Helm keeps."""


@dataclass
class Stop:
    """Whether somebody asked to stop: Ctrl-C, once. A second one ends the waiting at once, too."""

    asked: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> bool:
        """Whether somebody did."""
        return self.asked.is_set()


@contextmanager
def interruptible() -> Iterator[Stop]:
    """A context in which Ctrl-C and a TERM are a request: what is being written is finished, nothing new is begun."""
    stop = Stop()

    def ask(number: int, _: Any) -> None:
        console.say(f"  {signal.Signals(number).name}: finishing what is being written, then stopping")
        stop.asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Outcome:
    """What became of each cluster: `healthy`, `unchanged`, `failed`, `stopped` or `untouched`; and why it failed."""

    clusters: Mapping[str, str]
    failures: Mapping[str, str]

    @property
    def complete(self) -> bool:
        """Whether every cluster is as the plan says."""
        return set(self.clusters.values()) <= {"healthy", "unchanged"}


def apply(
    fleet: Fleet,
    plan: Plan,
    renderings: Mapping[str, Rendering],
    journal: Journal,
    *,
    waves: Sequence[str] = (),
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Carry out a plan, or some of its waves, going on from where the journal ends.

    renderings are by cluster; waves are names, and none means all; stop says whether to begin nothing more.
    Raises AirfleetError, before anything is written, if the files or a cluster are not what the plan was made of.
    """
    moved = [*files_moved(fleet, plan, renderings)]
    if moved:
        raise AirfleetError(
            "the fleet is not what the plan was made of, so nothing was applied",
            why="\n".join(moved),
            fix="make the plan anew: `airfleet plan -o FILE`",
        )
    clusters = [renderings[step.cluster].resolved.cluster for step in plan.steps]
    with tempfile.TemporaryDirectory(prefix="airfleet-") as scratch, cloned(fleet, clusters) as git:
        run = _Run(fleet, plan, renderings, journal, _Copies(fleet, Path(scratch)), git, stop)
        run.check(waves)
        return run.all(waves)


def files_moved(fleet: Fleet, plan: Plan, renderings: Mapping[str, Rendering]) -> Iterator[str]:
    """What the files make now that the plan did not know, in words."""
    charts = Charts(fleet)
    for step in plan.steps:
        rendering = renderings.get(step.cluster)
        if rendering is None:
            yield f"{step.cluster} is not in the fleet any more"
            continue
        now = {
            "chart": charts.of(rendering.resolved).digest,
            "values": values_digest(rendering.resolved.public.values),
            "rendering": rendering.digest,
            "owner": rendering.resolved.cluster.owner,
        }
        if changed := [name for name, digest in now.items() if digest != getattr(step, name)]:
            yield f"{step.cluster}: another {' and another '.join(changed)}"


class _Copies:
    """The chart as the plan knows it: copied once, so that nobody changes it under a running apply."""

    def __init__(self, fleet: Fleet, scratch: Path) -> None:
        self._charts, self._scratch = Charts(fleet), scratch
        self._copies: dict[str, str] = {}
        self._lock = threading.Lock()

    def argv(self, rendering: Rendering) -> list[str]:
        """The chart as arguments of helm. Raises AirfleetError if it changed since the plan was checked."""
        chart = self._charts.of(rendering.resolved)
        if chart.version:
            return [chart.reference, "--version", chart.version]
        with self._lock:
            if chart.digest not in self._copies:
                self._copies[chart.digest] = self._copy(Path(chart.reference), chart.digest)
        return [self._copies[chart.digest]]

    def _copy(self, source: Path, digest: str) -> str:
        target = self._scratch / digest[:12] / source.name
        target.parent.mkdir(parents=True)
        if source.is_file():
            shutil.copy2(source, target)
            return str(target)
        shutil.copytree(source, target)
        if folder_digest(target) != digest:
            raise AirfleetError("the chart was changed while it was read", where=str(source), fix="apply again")
        return str(target)


@dataclass
class _Run:
    fleet: Fleet
    plan: Plan
    renderings: Mapping[str, Rendering]
    journal: Journal
    charts: _Copies
    git: Repository | None
    stop: Callable[[], bool]
    failures: dict[str, str] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    _noting: threading.Lock = field(default_factory=threading.Lock)

    def steps(self, wave: str) -> list[Step]:
        return [step for step in self.plan.steps if step.wave == wave]

    def chosen(self, waves: Sequence[str]) -> list[str]:
        return [wave for wave in self.plan.waves if not waves or wave in waves]

    def check(self, waves: Sequence[str]) -> None:
        """Every cluster is the one that the plan knew, and its release is where the plan or the journal left it."""
        steps = [
            step for wave in self.chosen(waves) for step in self.steps(wave) if not self.journal.done(step.cluster)
        ]

        def look(step: Step) -> AirfleetError | None:
            try:
                with opened(self.place(step), step.uid) as live:
                    if step.owner == HELM:
                        self.due(step, live.revision())
                    else:
                        self.due_in_git(step)
            except AirfleetError as e:
                return e
            return None

        with ThreadPoolExecutor(8) as pool:
            refused = [error for error in pool.map(look, steps) if error]
        if refused:
            raise joined(refused, "clusters are not as the plan knew them, so nothing was applied")

    def place(self, step: Step) -> Cluster:
        """Where a cluster is written to, or its controller asked."""
        cluster = self.renderings[step.cluster].resolved.cluster
        return cluster if step.owner == HELM else self.repository.place(cluster)

    @property
    def repository(self) -> Repository:
        """Of what controllers own; only asked for where there is such a cluster."""
        assert self.git  # noqa: S101 - cloned() makes one for them
        return self.git

    def due(self, step: Step, revision: Revision | None) -> str:
        """What is left to do on a cluster: `write`, `recover` or `gate`. Raises AirfleetError if its release moved."""
        number = revision.number if revision else 0
        last = self.journal.last(step.cluster)
        if number == step.revision:
            return "write" if step.action != "none" else "gate"
        if revision and last:
            mine = self.plan.short in revision.description
            if revision.pending and number == step.revision + 1 and last.what == "started":
                return "recover"
            if mine and number > step.revision and not revision.pending:
                return "gate" if revision.status == "deployed" else "write"
            if revision.description.startswith(ROLLED_BACK) and last.what == "failed":
                return "write"
        raise AirfleetError(
            f"the release on {step.cluster} was changed since the plan was made",
            where=f"{step.namespace}/{step.release}",
            why=f"the plan knew revision {step.revision or 'none'}; it is at {number or 'none'}"
            + (f": {revision.description}" if revision and revision.description else ""),
            fix="make the plan anew: `airfleet plan -o FILE`",
        )

    def due_in_git(self, step: Step) -> str:
        """The same for a cluster whose files are in Git: `write` or `gate`."""
        held = self.repository.held(step.cluster)
        if held == self.repository.wanted(self.renderings[step.cluster]):
            return "gate"
        if step.action != "none" and digest(held) == step.git:
            return "write"
        raise AirfleetError(
            f"the files of {step.cluster} in Git were changed since the plan was made",
            where=f"{self.repository.settings.repository} {self.repository.settings.revision}",
            fix="make the plan anew: `airfleet plan -o FILE`",
        )

    def all(self, waves: Sequence[str]) -> Outcome:
        for wave in self.chosen(waves):
            if not self.wave(wave) or self.stop():
                break
        chosen = {step.cluster for name in self.chosen(waves) for step in self.steps(name)}
        return Outcome({name: self.ended.get(name, "untouched") for name in sorted(chosen)}, self.failures)

    def wave(self, name: str) -> bool:
        """Whether the next wave may begin."""
        spec = next((wave for wave in self.fleet.spec.waves if wave.name == name), Wave(name="all"))
        todo = []
        for step in self.steps(name):
            if self.journal.done(step.cluster):
                self.ended[step.cluster] = "healthy"
            else:
                todo.append(step)
        self.propose(name, [step for step in todo if step.owner != HELM])
        if not self.may_go_on(spec, name):
            return False
        todo = [step for step in todo if self.ended.get(step.cluster) != "failed"]
        size = batch_size(spec.batch, len(self.steps(name)))
        for start in range(0, len(todo), size):
            with ThreadPoolExecutor(size) as pool:
                list(pool.map(self.cluster, todo[start : start + size]))
            if not self.may_go_on(spec, name):
                return False
        return self.soak(spec) if any(step.action != "none" for step in todo) else True

    def may_go_on(self, wave: Wave, name: str) -> bool:
        """Whether no more clusters of a wave failed than may, and nobody asked to stop."""
        failed = [step.cluster for step in self.steps(name) if self.ended.get(step.cluster) == "failed"]
        if len(failed) > wave.max_failures:
            console.say(f"wave {name} stops: {', '.join(failed)} failed, {wave.max_failures} may")
            return False
        return not self.stop()

    def propose(self, wave: str, steps: Sequence[Step]) -> None:
        """One commit for all clusters of a wave whose files are in Git, unless they are what they should be."""
        todo = []
        for step in steps if not self.stop() else ():
            try:
                if self.due_in_git(step) == "write":
                    todo.append(step)
                    self.note(step, "started")
            except AirfleetError as e:
                self.failed(step, e)
        if not todo:
            return
        names = ", ".join(step.cluster for step in todo)
        subject = f"airfleet plan {self.plan.short}, wave {wave}: {names}"
        wanted = {step.cluster: self.repository.wanted(self.renderings[step.cluster]) for step in todo}
        branch = f"airfleet/{self.plan.short}/{wave}"
        console.say(f"wave {wave}: one change for {names}")

        def check() -> None:
            for step in todo:
                self.due_in_git(step)

        try:
            self.repository.propose(wanted, subject, branch, check)
        except AirfleetError as e:
            for step in todo:
                self.failed(step, e)
        else:
            for step in todo:
                self.note(step, "written")

    def soak(self, wave: Wave) -> bool:
        """Let a wave run for a while before the next one, if there is one."""
        if not wave.soak or wave.name == self.plan.waves[-1]:
            return True
        console.say(f"wave {wave.name} soaks for {wave.soak} s")
        end = time.monotonic() + wave.soak
        while time.monotonic() < end:
            if self.stop():
                return False
            time.sleep(min(1.0, wave.soak))
        return True

    def cluster(self, step: Step) -> None:
        """Everything for one cluster; its end is noted, whatever it is."""
        if self.stop():
            return
        try:
            with opened(self.place(step), step.uid) as live:
                changed = self.helm(step, live) if step.owner == HELM else self.controller(step, live)
        except InterruptedError:
            self.note(step, "stopped")
        except AirfleetError as e:
            self.failed(step, e)
        else:
            self.note(step, DONE)
            self.ended[step.cluster] = "healthy" if changed else "unchanged"

    def failed(self, step: Step, error: AirfleetError) -> None:
        self.failures[step.cluster] = str(error)
        self.note(step, "failed", why=error.what)
        console.say(f"{step.cluster}: {error}")

    def helm(self, step: Step, live: Live) -> bool:
        """Write by Helm and wait for the gates. Whether the cluster was changed by this plan, now or before."""
        with locked(live, f"plan {self.plan.short}"):
            changed = self.write(step, live)
            self.gate(step, live)
        return changed

    def controller(self, step: Step, live: Live) -> bool:
        """Wait until the controller has applied the change, and for the gates of a cluster that can be asked itself."""
        rendering = self.renderings[step.cluster]
        cluster = rendering.resolved.cluster
        line = self.repository.pass_gate(live, cluster, self.repository.wanted(rendering), self.stop)
        console.say(f"{step.cluster}: {line}")
        if cluster.spec.context:
            with opened(cluster) as itself:
                self.gate(step, itself)
        return step.action != "none"

    def note(self, step: Step, what: str, **detail: Any) -> None:
        with self._noting:
            self.journal.add(step.cluster, step.wave, what, **detail)
        self.ended[step.cluster] = what

    def write(self, step: Step, live: Live) -> bool:
        """Let Helm write, unless it has been done. Whether the cluster was, now or before, changed by this plan."""
        revision = live.revision()
        due = self.due(step, revision)
        if due == "gate":
            return step.action != "none"
        if due == "recover" and revision:
            revision = self.recover(step, live, revision)
            if not revision.pending:
                return True
            live.forget(revision)
        self.note(step, "started")
        rendering = self.renderings[step.cluster]
        argv = upgrade_argv(step, self.charts.argv(rendering), self.plan.short)
        console.say(f"{step.cluster}: {shown(['helm', *argv])}")
        live.helm(argv, stdin=json.dumps(rendering.resolved.values, ensure_ascii=False))
        after = live.revision()
        self.note(step, "written", revision=after.number if after else 0)
        return True

    def recover(self, step: Step, live: Live, revision: Revision) -> Revision:
        """A Helm of this plan was at work when its apply died: it may live on and end by itself."""
        end = time.monotonic() + 20
        while revision.pending and time.monotonic() < end and not self.stop():
            time.sleep(1)
            revision = live.revision() or revision
        return revision

    def gate(self, step: Step, live: Live) -> None:
        rendering = self.renderings[step.cluster]
        gates = self.fleet.gates(step.wave)
        for line in pass_gates(live, rendering.objects, gates, self.fleet.spec.adapter, self.stop):
            console.say(f"{step.cluster}: {line}")


ROLLED_BACK = "Rollback to"
"""How Helm describes a rollback."""


def upgrade_argv(step: Step, chart: Sequence[str], plan: str) -> list[str]:
    """The arguments of helm that write a step; its values come on standard input."""
    argv = ["upgrade", step.release, *chart, "--install", "--create-namespace", "--values", "-"]
    return [*argv, "--history-max", str(HISTORY), "--description", f"airfleet plan {plan}"]


def batch_size(batch: str, clusters: int) -> int:
    """How many clusters at a time: a number, or a share of the wave, at least one."""
    if batch.endswith("%"):
        return max(1, clusters * int(batch[:-1]) // 100)
    return int(batch)

"""Values of clusters -> manifests, by the real `helm template`: in parallel, and only what was not rendered before.

A rendering depends on the chart's bytes, the values, the release's name and namespace, the Kubernetes version and Helm
itself, and on nothing else: together they are the key of the cache. A rendering with secrets is never kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from airfleet import console, helm
from airfleet.errors import AirfleetError
from airfleet.fleet import helmyaml
from airfleet.fleet.inventory import Fleet
from airfleet.fleet.model import Finding, invalid
from airfleet.fleet.resolve import Resolved
from airfleet.fleet.schema import Pins
from airfleet.paths import cache_dir


@dataclass(frozen=True)
class Rendering:
    """One cluster's manifests. `digest` is the SHA-256 of their text, with placeholders in place of secrets."""

    resolved: Resolved
    text: str
    digest: str
    cached: bool
    api_versions: tuple[str, ...] = ()
    sealed: Rendering | None = None
    """Where the text holds secrets: the same one with placeholders."""

    @property
    def public(self) -> Rendering:
        """What may be shown and stored: the rendering with placeholders in place of secrets."""
        return self.sealed or self

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.resolved.cluster.name

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """The objects in the order of the text. Renderings share those that are equal: nobody may change them."""
        return helmyaml.objects(self.text)


@dataclass(frozen=True)
class Chart:
    """A chart as Helm takes it, and a digest of all of its bytes."""

    reference: str
    digest: str
    version: str = ""


Progress = Callable[[int, int], None]
"""Told how many are done, and of how many."""


def render(
    fleet: Fleet, clusters: Sequence[Resolved], *, jobs: int = 0, progress: Progress | None = None
) -> list[Rendering]:
    """The manifests of these clusters, in their order. jobs is how many Helms run at once; 0 means one for each core.

    Raises FleetError with what Helm refused, for every cluster that it refused; AirfleetError if there is no chart, or
    no Helm.
    """
    charts = Charts(fleet)
    prepared = [_Job(charts.of(each), each) for each in clusters]
    outcomes: list[Rendering | Finding] = []
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        for done, outcome in enumerate(pool.map(_Job.run, prepared), 1):
            outcomes.append(outcome)
            if progress:
                progress(done, len(prepared))
    if refused := [outcome for outcome in outcomes if isinstance(outcome, Finding)]:
        raise invalid(_grouped(refused))
    return [outcome for outcome in outcomes if isinstance(outcome, Rendering)]


def keys(fleet: Fleet, clusters: Sequence[Resolved]) -> list[str]:
    """For each cluster, what its rendering depends on: where keys are equal, so are renderings."""
    charts = Charts(fleet)
    return [_Job(charts.of(each), each.public).key() for each in clusters]


class Charts:
    """The charts of a fleet's clusters: usually one, or one for each pinned version. Each is looked at once."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._found: dict[str, Chart] = {}

    def of(self, resolved: Resolved) -> Chart:
        """The chart of a cluster. Raises AirfleetError if there is none."""
        return self.pinned(resolved.pins)

    def pinned(self, pins: Pins) -> Chart:
        """The chart in the version that is pinned. Raises AirfleetError if there is none."""
        version = (pins.chart or "") if "://" in self.fleet.chart else ""
        if version not in self._found:
            self._found[version] = _chart(self.fleet.chart, version)
        return self._found[version]


def _chart(reference: str, version: str) -> Chart:
    if "://" in reference:
        if not version:
            raise AirfleetError(
                "the chart's version is not pinned", where=reference, fix="pin it: `pins: {base: {chart: 1.2.3}}`"
            )
        return Chart(reference, f"{reference}@{version}", version)
    path = Path(reference)
    if path.is_file():
        return Chart(reference, hashlib.sha256(path.read_bytes()).hexdigest())
    if not (path / "Chart.yaml").is_file():
        raise AirfleetError(
            "there is no chart", where=reference, fix="name its folder, archive or address in fleet.yaml"
        )
    return Chart(reference, folder_digest(path))


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files of a folder; as Helm, it follows links to other folders."""
    total = hashlib.sha256()
    files = [Path(parent) / name for parent, _, names in os.walk(folder, followlinks=True) for name in names]
    for file in sorted(file for file in files if file.is_file()):
        content = file.read_bytes()
        total.update(f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


@dataclass(frozen=True)
class _Job:
    chart: Chart
    resolved: Resolved

    def run(self) -> Rendering | Finding:
        if self.resolved.sealed is None:
            return self.kept()
        sealed = _Job(self.chart, self.resolved.sealed).kept()
        if isinstance(sealed, Finding):
            why = f"with placeholders instead of secrets: {sealed.why}"
            return replace(sealed, why=why, fix="encrypt only values in whose place any other text may stand")
        text = self.helm(self.values)
        return text if isinstance(text, Finding) else Rendering(self.resolved, text, sealed.digest, False, (), sealed)

    def kept(self) -> Rendering | Finding:
        """The rendering from the cache, or made and put there."""
        values = self.values
        place = cache_dir() / "rendered" / f"{self.key(values)}.yaml"
        try:
            text = place.read_text(encoding="utf-8")
        except FileNotFoundError:
            pass
        else:
            return Rendering(self.resolved, text, _digest(text), True)
        made = self.helm(values)
        if isinstance(made, Finding):
            return made
        _keep(place, made)
        return Rendering(self.resolved, made, _digest(made), False)

    @property
    def values(self) -> str:
        return json.dumps(self.resolved.values, sort_keys=True, ensure_ascii=False)

    def helm(self, values: str) -> str | Finding:
        done = helm.run_helm(self.argv(), stdin=values, check=False, timeout=300)
        if done.code == 0:
            return done.stdout
        why = console.without_secrets(done.stderr.strip().removeprefix("Error: "))
        where = self.resolved.cluster.place
        return Finding(where, "helm", "Helm refuses the values", why, clusters=(self.resolved.cluster.name,))

    def argv(self) -> list[str]:
        return template_argv(self.chart, self.resolved, "-")

    def key(self, values: str = "") -> str:
        cluster = self.resolved.cluster
        parts = (self.chart.digest, values or self.values, *self.argv()[3:], helm.identity(), cluster.release)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def template_argv(chart: Chart, resolved: Resolved, values: str) -> list[str]:
    """The arguments of `helm` that render a cluster; values is a file, or - for standard input."""
    cluster = resolved.cluster
    argv = ["template", cluster.release, chart.reference, "--namespace", cluster.namespace, "--values", values]
    argv += ["--kube-version", cluster.spec.kubernetes]
    return [*argv, "--version", chart.version] if chart.version else argv


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _keep(place: Path, text: str) -> None:
    """Write a file in one go, readable by its owner alone; several processes may do so at once."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=place.parent, delete=False, encoding="utf-8") as file:
        temporary = Path(file.name)
        try:
            file.write(text)
            file.flush()
            temporary.replace(place)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _grouped(findings: Sequence[Finding]) -> Iterator[Finding]:
    """The same refusal on many clusters is told once."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.why, []).append(finding)
    for why, group in groups.items():
        names = tuple(sorted(name for finding in group for name in finding.clusters))
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        yield Finding(group[0].place, "helm", f"Helm refuses the values of {shown}", why, group[0].fix, clusters=names)


_WRITTEN = ("manifests.yaml", "values.yaml")


def write(
    renderings: Sequence[Rendering], folder: Path, *, prune: bool = False, dry_run: bool = False
) -> dict[str, str]:
    """Write values.yaml and manifests.yaml of each cluster below the folder, touching only what differs.

    Files that hold secrets can be read by their owner alone. With prune, folders that hold these two files and nothing
    else, but are no cluster's, are removed: a chart's values.yaml, say, is nobody's to delete. With dry_run, nothing is
    done. Returns file -> `added`, `changed` or `removed`.
    """
    wanted = {
        folder / each.name / name: (text, each.sealed is not None)
        for each in renderings
        for name, text in (("manifests.yaml", each.text), ("values.yaml", values_text(each.resolved.values)))
    }
    there = {file for name in _WRITTEN for file in folder.glob(f"*/{name}")}
    ours = {file for file in there if {each.name for each in file.parent.iterdir()} == set(_WRITTEN)}
    changes = {file: "removed" for file in sorted(ours - set(wanted)) if prune}
    for file, (text, secret) in wanted.items():
        if file not in there or file.read_text(encoding="utf-8") != text or (secret and file.stat().st_mode & 0o077):
            changes[file] = "changed" if file in there else "added"
    for file, what in () if dry_run else changes.items():
        if what == "removed":
            file.unlink()
            if not any(file.parent.iterdir()):
                file.parent.rmdir()
        else:
            _write(file, *wanted[file])
    return {str(file): what for file, what in changes.items()}


def _write(file: Path, text: str, secret: bool) -> None:
    """A file with secrets is never, not even for a moment, readable by others."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not secret:
        file.write_text(text, encoding="utf-8")
        return
    _keep(file, text)  # by way of a new file, which is its owner's alone from the beginning


def values_text(values: Mapping[str, Any]) -> str:
    """Values as a file for `helm --values`, the same bytes every time."""
    return helmyaml.dump(dict(values))

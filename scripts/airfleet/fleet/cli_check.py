"""The commands `airfleet lint`, `validate` and `doctor`: what they find goes to standard output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airfleet import console
from airfleet.errors import ExitCode
from airfleet.fleet.cli import FleetOption, JobsOption, JsonOption, SelectorOption
from airfleet.fleet.model import Finding, Place, Severity

if TYPE_CHECKING:
    from airfleet.fleet.inventory import Fleet
    from airfleet.fleet.resolve import Resolved

StrictOption = Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")]


def lint(
    fleet: FleetOption = None,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            help="Warn also of overrides whose default in the chart is not what it was at this Git revision.",
            metavar="REF",
        ),
    ] = "",
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find values that say nothing, are shadowed or belong into a wider layer, and overrides past their time.

    Of all clusters, since a line is judged by all that have it. Exit code 3: an error was found.
    """
    from datetime import UTC, datetime

    from airfleet.fleet.explain import chart_defaults
    from airfleet.fleet.inventory import find_fleet, read_fleet
    from airfleet.fleet.lint import lint as library
    from airfleet.fleet.resolve import resolve

    file = find_fleet(fleet)
    read = read_fleet(file)
    resolved = resolve(read, read.select())
    found = library(read, resolved, chart_defaults(read, resolved[0]), datetime.now(UTC).date())
    found += _moved(file, since, read, resolved) if since else []
    _tell(sorted(found, key=lambda each: (each.place or Place("", 0), each.rule, each.what)), strict, as_json)


def validate(
    fleet: FleetOption = None,
    selector: SelectorOption = "",
    strict: StrictOption = False,
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Render, and check every object before any cluster is asked.

    By the schemas of the cluster's own version of Kubernetes, the Pod Security Standard and the policies of fleet.yaml;
    names that lead nowhere are warnings. Exit code 3: an error was found.
    """
    from airfleet.fleet.inventory import find_fleet, read_fleet
    from airfleet.fleet.render import render
    from airfleet.fleet.resolve import resolve
    from airfleet.fleet.validate import validate as library

    read = read_fleet(find_fleet(fleet))
    chosen = resolve(read, read.select(selector))
    with console.progress("render", len(chosen)) as progress:
        renderings = render(read, chosen, jobs=jobs, progress=progress)
    _tell(library(read, renderings), strict, as_json)


def _moved(file: Path, since: str, fleet: Fleet, clusters: Sequence[Resolved]) -> list[Finding]:
    from airfleet.fleet.moved import fleet_at, moved
    from airfleet.fleet.revisions import Repository

    before, revision = fleet_at(Repository.around(file), since, fleet)
    return moved(fleet, clusters, before, str(revision))


def _tell(findings: Sequence[Finding], strict: bool, as_json: bool) -> None:
    errors = [found for found in findings if strict or found.severity is Severity.ERROR]
    if as_json:
        print(json.dumps([asdict(found) for found in findings], indent=2))
    else:
        for found in findings:
            print(found)
    warnings = len(findings) - len(errors)
    console.say(f"{len(errors)} error{'s' * (len(errors) != 1)}, {warnings} warning{'s' * (warnings != 1)}")
    if errors:
        raise typer.Exit(ExitCode.INVALID)


def doctor(
    fleet: FleetOption = None,
    selector: SelectorOption = "",
    inside: Annotated[
        bool,
        typer.Option("--inside", help="Ask from inside, too: by Jobs that are deleted afterwards. This writes."),
    ] = False,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds that a Job may take, its image included.")] = 300,
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Ask each cluster whether it has what its release needs: rights, kinds, storage classes. Changes nothing.

    With --inside, Jobs under the components' own accounts find out whether images can be pulled, and whether the
    database, the log store and the identity provider answer. Exit code 1: something is missing somewhere.
    """
    from airfleet.fleet.apply import interruptible
    from airfleet.fleet.doctor import doctor as library
    from airfleet.fleet.inventory import find_fleet, read_fleet
    from airfleet.fleet.render import render
    from airfleet.fleet.resolve import resolve
    from airfleet.fleet.secrets import decrypted
    from airfleet.fleet.visit import Visit

    read = read_fleet(find_fleet(fleet))
    selected = read.select(selector)
    read = decrypted(read, selected) if inside else read
    chosen = resolve(read, selected)
    with console.progress("render", len(chosen)) as progress:
        renderings = render(read, chosen, jobs=jobs, progress=progress)
    if inside:
        with interruptible() as stop:
            try:
                reports = library(renderings, jobs, Visit(read.spec.adapter, timeout, stop))
            except InterruptedError as e:
                raise typer.Exit(ExitCode.INTERRUPTED) from e
    else:
        reports = library(renderings, jobs)
    if as_json:
        print(json.dumps([asdict(each) for each in reports], indent=2))
    for report in () if as_json else reports:
        print(f"{report.cluster}: {'fine' if report.fine else 'something is missing'}")
        for check in report.checks:
            print(f"  {check.name:<8} {'' if check.fine else 'PROBLEM: '}{check.seen}")
            if check.fix:
                print(f"  {'':<8} fix: {check.fix}")
    if not all(report.fine for report in reports):
        raise typer.Exit(ExitCode.ERROR)

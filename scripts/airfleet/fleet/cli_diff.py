"""The commands `airfleet diff` and `airfleet drift`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airfleet import console
from airfleet.errors import ExitCode, UsageError
from airfleet.fleet.cli import FleetOption, JobsOption, JsonOption, SelectorOption

if TYPE_CHECKING:
    from airfleet.fleet.diff import FleetDiff


def diff(
    git: Annotated[
        str,
        typer.Option(
            "--git",
            help="Compare with this revision; or two: A..B, or A...B for what B changed since it left A.",
            metavar="REF",
        ),
    ] = "HEAD",
    live: Annotated[
        bool, typer.Option("--live", help="Compare with the clusters, by a dry run of their API servers.")
    ] = False,
    fleet: FleetOption = None,
    selector: SelectorOption = "",
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown for a pull request, never too long for one.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one self-contained page, too.", metavar="FILE")
    ] = None,
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Say what changes on which cluster and what follows from it. Exit code 2: something does."""
    from airfleet.fleet import report_diff_html, report_diff_json, report_diff_markdown, report_diff_text
    from airfleet.fleet.inventory import find_fleet

    if as_json and markdown:
        raise UsageError("--json and --markdown both want standard output", fix="give one of them")
    found = find_fleet(fleet)
    made = _live(found, selector, jobs) if live else _git(found, git, selector, jobs)
    if html:
        html.write_text(report_diff_html.page(made), encoding="utf-8")
        console.say(f"written: {html}")
    if as_json:
        print(report_diff_json.as_json(made))
    elif markdown:
        print(report_diff_markdown.markdown(made))
    else:
        print(report_diff_text.text(made))
    if made.failed:
        raise typer.Exit(ExitCode.ERROR)
    if made.changed:
        raise typer.Exit(ExitCode.CHANGES)


def drift(
    fleet: FleetOption = None, selector: SelectorOption = "", jobs: JobsOption = 0, as_json: JsonOption = False
) -> None:
    """Say what is not as it was applied: changed or deleted by hand. Exit code 2: something is.

    The files play no part in it, but for the clusters' ignoreDrift; `diff --live` compares with them.
    """
    from airfleet.fleet import drift as drifting
    from airfleet.fleet import report_diff_json, report_diff_text
    from airfleet.fleet.inventory import find_fleet, read_fleet

    read = read_fleet(find_fleet(fleet))
    found = drifting.drift(read, read.select(selector), jobs=jobs)
    print(report_diff_json.as_json(found) if as_json else report_diff_text.text(found))
    if found.failed:
        raise typer.Exit(ExitCode.ERROR)
    if found.changed:
        raise typer.Exit(ExitCode.CHANGES)


def _git(fleet: Path, text: str, selector: str, jobs: int) -> FleetDiff:
    from airfleet.fleet.review import between
    from airfleet.fleet.revisions import Repository

    repository = Repository.around(fleet)
    with console.progress("render", 2) as progress:
        return between(repository, *repository.sides(text), selector, jobs=jobs, progress=progress)


def _live(fleet: Path, selector: str, jobs: int) -> FleetDiff:
    from airfleet.fleet.inventory import read_fleet
    from airfleet.fleet.live_diff import against_clusters

    read = read_fleet(fleet)
    with console.progress("compare", 2) as progress:
        return against_clusters(read, read.select(selector), jobs=jobs, progress=progress)

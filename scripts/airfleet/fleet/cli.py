"""Commands of the fleet: thin, since everything is in the library; what is slow to import is imported when needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from airfleet import console
from airfleet.errors import ExitCode, UsageError
from airfleet.fleet.completion import complete_cluster

FleetOption = Annotated[
    Path | None,
    typer.Option(
        "--fleet", "-f", help="fleet.yaml or its folder; by default the one in ., in values/ or above.", metavar="PATH"
    ),
]
SelectorOption = Annotated[
    str, typer.Option("--selector", "-l", help="Which clusters: env=prod,region!=eu", metavar="SELECTOR")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
JobsOption = Annotated[
    int, typer.Option("--jobs", "-j", min=0, help="How many Helms run at once; 0 means one for each core.")
]
ClusterArgument = Annotated[
    str, typer.Argument(help="A cluster by its name.", show_default=False, autocompletion=complete_cluster)
]
PathArgument = Annotated[
    str, typer.Argument(help="A key's path, such as podTemplates.gpu.resources.limits.memory", show_default=False)
]


def render(
    fleet: FleetOption = None,
    selector: SelectorOption = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write to, a folder for each cluster.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 2 if a file would change.")] = False,
    decrypt: Annotated[
        bool, typer.Option("--decrypt", help="With the secrets of encrypted layers, in files that only you can read.")
    ] = False,
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Render values and manifests of every cluster, to a folder or, without one, to standard output."""
    from airfleet.fleet import render as library
    from airfleet.fleet.inventory import find_fleet, read_fleet
    from airfleet.fleet.resolve import resolve
    from airfleet.fleet.secrets import decrypted

    if (check or decrypt) and output is None:
        what = "--check compares with a folder" if check else "--decrypt writes to a folder, never to a terminal"
        raise UsageError(what, fix="name it with --output")
    read = read_fleet(find_fleet(fleet))
    selected = read.select(selector)
    read = decrypted(read, selected) if decrypt else read
    chosen = resolve(read, selected)
    with console.progress("render", len(chosen)) as progress:
        renderings = library.render(read, chosen, jobs=jobs, progress=progress)
    changes = library.write(renderings, output, prune=not selector, dry_run=check) if output else {}
    if as_json:
        rows = [{"cluster": r.name, "digest": r.digest, "cached": r.cached} for r in renderings]
        print(json.dumps({"clusters": rows, "files": changes}, indent=2))
    elif output is None:
        sys.stdout.writelines(f"# cluster {each.name}\n{each.text}" for each in renderings)
    else:
        for file, what in changes.items():
            print(f"{what:<8} {file}")
    fresh = sum(not each.cached for each in renderings)
    console.say(f"{len(renderings)} clusters, {fresh} rendered anew, {len(changes)} files differ")
    if any(each.sealed for each in renderings):
        console.say(
            "the files of these clusters hold secrets, and only their owner can read them: keep them out of Git"
        )
    elif any(each.resolved.tainted for each in renderings):
        console.say("encrypted values are placeholders; --decrypt puts the secrets in")
    if check and changes:
        raise typer.Exit(ExitCode.CHANGES)


def explain(
    cluster: ClusterArgument,
    path: PathArgument,
    fleet: FleetOption = None,
    rendered: Annotated[
        bool, typer.Option("--fields/--no-fields", help="Whether to find the rendered fields that depend on it.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Say why a value is what it is: every layer that sets it, who wins, and what depends on it."""
    from airfleet.fleet import reports
    from airfleet.fleet.dependents import dependents
    from airfleet.fleet.explain import chart_defaults
    from airfleet.fleet.explain import explain as library
    from airfleet.fleet.inventory import find_fleet, read_fleet
    from airfleet.fleet.render import render as render_all
    from airfleet.fleet.resolve import resolve

    read = read_fleet(find_fleet(fleet))
    (resolved,) = resolve(read, read.select(names=[cluster]))
    key = _path(path)
    found = library(read, resolved, key, chart_defaults(read, resolved))
    fields = None
    if rendered:
        (rendering,) = render_all(read, [resolved])
        fields = dependents(read, rendering, key)
    print(reports.explanation_json(found, fields) if as_json else reports.explanation(found, fields))


def who_sets(path: PathArgument, fleet: FleetOption = None, as_json: JsonOption = False) -> None:
    """Say which layers set a value, or anything below it, and on which clusters each of them wins."""
    from airfleet.fleet import reports
    from airfleet.fleet.explain import who_sets as library
    from airfleet.fleet.inventory import find_fleet, read_fleet
    from airfleet.fleet.resolve import resolve

    read = read_fleet(find_fleet(fleet))
    found = library(read, resolve(read, read.select()), _path(path))
    print(reports.setters_json(found) if as_json else reports.setters(found))


def plan(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write the plan to.", show_default=False)],
    fleet: FleetOption = None,
    selector: SelectorOption = "",
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare the files with the live releases and save what has to be done. Exit code 2: there is something."""
    from airfleet.fleet import plan as library
    from airfleet.fleet import reports

    read, renderings = _rendered(fleet, selector, jobs)
    made, _ = library.make(read, renderings, reports.summary)
    made.write(output)
    print(json.dumps({"plan": made.digest, **asdict(made)}, indent=2) if as_json else reports.plan(made))
    console.say(f"saved: airfleet apply {output}")
    if any(step.action != "none" for step in made.steps):
        raise typer.Exit(ExitCode.CHANGES)


def apply(
    file: Annotated[Path, typer.Argument(help="A plan that `airfleet plan` saved.", show_default=False)],
    fleet: FleetOption = None,
    wave: Annotated[list[str] | None, typer.Option("--wave", "-w", help="Only these waves; may be repeated.")] = None,
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Carry out a saved plan, wave by wave, exactly as it is or not at all; the same command goes on after a stop."""
    from airfleet.fleet import apply as library
    from airfleet.fleet import reports
    from airfleet.fleet.journal import Journal
    from airfleet.fleet.plan import Plan

    saved = Plan.read(file)
    if unknown := sorted(set(wave or ()) - set(saved.waves)):
        raise UsageError(f"the plan has no wave {', '.join(unknown)}", fix=f"there are {', '.join(saved.waves)}")
    read, renderings = _rendered(fleet, "", jobs, [step.cluster for step in saved.steps])
    journal = Journal(file, saved.digest)
    by_name = {rendering.name: rendering for rendering in renderings}
    with library.interruptible() as stop:
        outcome = library.apply(read, saved, by_name, journal, waves=wave or (), stop=stop)
    print(json.dumps(asdict(outcome), indent=2) if as_json else reports.outcome(outcome))
    if not outcome.complete:
        console.say(f"the same command goes on: airfleet apply {file}")
        raise typer.Exit(ExitCode.INTERRUPTED if stop() else ExitCode.PARTIAL)


def status(
    fleet: FleetOption = None,
    selector: SelectorOption = "",
    versions: Annotated[bool, typer.Option("--versions", help="Who is on which version.")] = False,
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Show each cluster's release beside what the files want. Exit code 2: they are not the same everywhere."""
    from airfleet.fleet import reports
    from airfleet.fleet import status as library

    read, renderings = _rendered(fleet, selector, jobs)
    rows = library.status(read, renderings)
    print(json.dumps([asdict(row) for row in rows], indent=2) if as_json else reports.status(rows, versions=versions))
    if any(row.state != "in step" for row in rows):
        raise typer.Exit(ExitCode.CHANGES)


def verify(
    fleet: FleetOption = None,
    selector: SelectorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Hold what runs on each cluster against its wave's gates: rollout, heartbeats and canary.

    Nothing is changed but by the canary. Exit code 1: somewhere it does not work.
    """
    from airfleet.fleet import reports
    from airfleet.fleet.apply import interruptible
    from airfleet.fleet.inventory import find_fleet, read_fleet
    from airfleet.fleet.verify import verify as library

    read = read_fleet(find_fleet(fleet))
    with interruptible() as stop:
        verdicts = library(read, read.select(selector), stop)
    print(json.dumps([asdict(each) for each in verdicts], indent=2) if as_json else reports.verdicts(verdicts))
    if not all(each.works for each in verdicts):
        raise typer.Exit(ExitCode.ERROR)


def rollback(
    cluster: ClusterArgument,
    to: Annotated[
        str, typer.Option("--to", help="A revision; of a GitOps cluster a commit. By default the newest that worked.")
    ] = "",
    fleet: FleetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go back to what Helm, or Git, remembers of a cluster, if the database allows it, and wait until it works."""
    from airfleet.fleet.apply import interruptible
    from airfleet.fleet.inventory import find_fleet, read_fleet
    from airfleet.fleet.rollback import roll_back

    read = read_fleet(find_fleet(fleet))
    (chosen,) = read.select(names=[cluster])
    with interruptible() as stop:
        where = roll_back(read, chosen, to, stop)
    print(json.dumps({"cluster": cluster, "now": where}, indent=2) if as_json else f"{cluster} is {where}")


def new_cluster(
    name: Annotated[str, typer.Argument(help="The new cluster's name.", show_default=False)],
    kubernetes: Annotated[str, typer.Option("--kubernetes", help="Its version, such as 1.36.", show_default=False)],
    context: Annotated[str, typer.Option("--context", help="Its context in the kubeconfig.", show_default=False)],
    axis: Annotated[list[str] | None, typer.Option("--axis", "-a", help="Where it stands: env=prod.")] = None,
    identity: Annotated[str, typer.Option("--identity", help="UID of its namespace kube-system.")] = "",
    fleet: FleetOption = None,
) -> None:
    """Write the file of a new cluster."""
    from airfleet.fleet import scaffold
    from airfleet.fleet.inventory import find_fleet, read_fleet

    if wrong := [each for each in axis or () if "=" not in each]:
        raise UsageError(f"--axis {wrong[0]} is not NAME=VALUE", fix="such as --axis env=prod")
    axes = dict(each.split("=", 1) for each in axis or ())
    file = scaffold.new_cluster(read_fleet(find_fleet(fleet)), name, axes, kubernetes, context, identity)
    print(file)
    console.say(f"next: airfleet render -l name={name}, then airfleet plan -l name={name} -o plan.json")


def eject(
    output: Annotated[Path, typer.Option("--output", "-o", help="An empty folder.", show_default=False)],
    fleet: FleetOption = None,
    selector: SelectorOption = "",
) -> None:
    """Write plain values files and the helm commands that do without airfleet."""
    from airfleet.fleet.eject import eject as library
    from airfleet.fleet.inventory import find_fleet, read_fleet
    from airfleet.fleet.resolve import resolve

    read = read_fleet(find_fleet(fleet))
    for file in library(read, resolve(read, read.select(selector)), output):
        print(file)


class Controller(StrEnum):
    """GitOps controllers."""

    ARGOCD = "argocd"
    FLUX = "flux"


def export(
    gitops: Annotated[Controller, typer.Option("--gitops", help="For whom.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder in the repository.", show_default=False)],
    fleet: FleetOption = None,
    selector: SelectorOption = "",
    jobs: JobsOption = 0,
) -> None:
    """Write rendered manifests, and the objects that lead a GitOps controller to them."""
    from airfleet.fleet import export as library

    read, renderings = _rendered(fleet, selector, jobs)
    if read.spec.gitops is None:
        raise UsageError("fleet.yaml does not say what controllers read", fix="add `gitops: {repository: URL}` to it")
    source = library.source_of(read.spec.gitops, gitops)
    for file, what in library.write(library.files(read, renderings, gitops, source), output).items():
        print(f"{what:<8} {output / file}")


def _rendered(fleet: Path | None, selector: str, jobs: int, names: Sequence[str] = ()) -> tuple[Any, list[Any]]:
    """The fleet, and the renderings of the chosen clusters."""
    from airfleet.fleet.inventory import find_fleet, read_fleet
    from airfleet.fleet.render import render as render_all
    from airfleet.fleet.resolve import resolve

    read = read_fleet(find_fleet(fleet))
    chosen = resolve(read, read.select(selector, [name for name in names if name in read.clusters]))
    with console.progress("render", len(chosen)) as progress:
        return read, render_all(read, chosen, jobs=jobs, progress=progress)


def _path(text: str) -> Any:
    from airfleet.fleet.model import parse_path

    try:
        return parse_path(text)
    except ValueError as e:
        raise UsageError(str(e), fix='such as pod.annotations."example.com/team" or pod.tolerations[gpu]') from e

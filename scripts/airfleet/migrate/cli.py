"""`airfleet migrate-values` and `airfleet migrate-fleet`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airfleet.console import say
from airfleet.errors import ExitCode


def migrate_values(
    files: Annotated[list[Path], typer.Argument(help="Values files of the official chart, as given to helm -f.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the values here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report here, as Markdown.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print values and report as JSON.")] = False,
    release: Annotated[str, typer.Option(help="Name of the Helm release.")] = "airflow",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the Helm release.")] = "airflow",
) -> int:
    """Convert values of the official Apache Airflow chart (1.15 to 1.22) into values of this one.

    The values go to standard output, what became of each key to standard error. Exits with 2 if a key needs a human.
    """
    from airfleet.migrate.convert import convert
    from airfleet.migrate.emit import values_text
    from airfleet.migrate.model import Status
    from airfleet.migrate.report import as_json, as_markdown, as_text
    from airfleet.migrate.target import chart

    conversion = convert(files, release=release, namespace=namespace)
    text = values_text(conversion, chart().defaults)
    if output:
        output.write_text(text, encoding="utf-8")
    if report:
        report.write_text(as_markdown(conversion), encoding="utf-8")
    if json_:
        print(as_json(conversion))
    elif not output:
        print(text, end="")
    if not json_:
        say(as_text(conversion))
    return int(ExitCode.CHANGES if conversion.of(Status.HUMAN) else ExitCode.OK)


def migrate_fleet(
    folder: Annotated[Path, typer.Argument(help="Folder with the values files of all clusters.")],
    axes: Annotated[str, typer.Option("--axes", help="How files are named, such as '{env}-{region}-{cluster}.yaml'.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the layers to.")],
    json_: Annotated[bool, typer.Option("--json", help="Print the layers of each cluster as JSON.")] = False,
) -> None:
    """Factor the values of many clusters into base, env, region and cluster layers.

    Each cluster's layers, merged as `helm -f` merges them, are compared with the file that it came from. Nothing is
    written if one differs.
    """
    from airfleet.migrate.fleet import read_fleet, write_layers

    layers = read_fleet(folder, axes)
    write_layers(layers, output)
    if json_:
        import json

        print(
            json.dumps({name: [str(path) for path in layers.files(name)] for name in sorted(layers.clusters)}, indent=2)
        )
    else:
        for name in sorted(layers.clusters):
            print(" ".join(f"-f {path}" for path in layers.files(name)))
    say(
        f"{len(layers.clusters)} clusters, {len(layers.layers)} layers; every cluster resolves to its own file's values"
    )

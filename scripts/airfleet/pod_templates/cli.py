"""`airfleet pod-template`: the catalogue, and the pod that a template makes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airfleet.console import say

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Pod templates of a release, as its values make them."
)

Values = Annotated[list[Path] | None, typer.Option("--values", "-f", help="A values file, as for Helm; repeat it.")]
Release = Annotated[str, typer.Option("--release", help="Name of the release.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the release.")]


@app.command("list")
def list_templates(values: Values = None, release: Release = "airflow", namespace: Namespace = "airflow") -> None:
    """Print each pod template with its namespace and queues."""
    from airfleet.pod_templates import catalogue

    rows = [("TEMPLATE", "NAMESPACE", "QUEUES")]
    for found in catalogue(values or [], release=release, namespace=namespace):
        rows.append((found.name, found.pod["metadata"]["namespace"], ", ".join(found.queues)))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for row in rows:
        print(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}")


@app.command()
def render(
    name: Annotated[str, typer.Argument(help="Name of the pod template.")],
    values: Values = None,
    release: Release = "airflow",
    namespace: Namespace = "airflow",
    created: Annotated[
        bool, typer.Option("--as-created", help="With what the executor adds; what only a task knows stands as <...>.")
    ] = False,
) -> None:
    """Print the pod of a template as YAML."""
    import yaml

    from airfleet.pod_templates import as_created, catalogue, find

    found = find(catalogue(values or [], release=release, namespace=namespace), name)
    print(yaml.safe_dump(as_created(found) if created else dict(found.pod), sort_keys=False), end="")
    if not created:
        say("the executor adds a name, labels, annotations and the arguments of the task: --as-created shows where")

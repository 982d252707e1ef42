"""`airfleet image`: the images of the chart, made without a container engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Build the images of the chart without a container engine."
)


@app.command("build")
def build_command(
    kinds: Annotated[list[str] | None, typer.Argument(metavar="[airflow|airflow-stock|postgres|pgbouncer]...")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Build anew what is there, with the Debian packages of today.")
    ] = False,
) -> None:
    """Build images that the cache lacks, airflow and postgres unless others are named, and print their archives.

    Needs root. The archives are for `ctr images import` and `docker load`.
    """
    from airfleet.image.build import ensure, forget
    from airfleet.image.recipe import kind_of

    wanted = [kind_of(name) for name in kinds or ("airflow", "postgres")]
    if fresh:
        forget(wanted)
    for kind in wanted:
        print(ensure(kind).archive)


@app.command("boot")
def boot_command(
    folder: Annotated[Path, typer.Argument(help="A new folder; COPY it to /opt/airfleet/boot.")],
) -> None:
    """Write the chart's boot files as an image of your own takes them (boot.source: image)."""
    from airfleet.errors import UsageError
    from airfleet.image.build import install_boot

    if folder.exists():
        raise UsageError(f"{folder} exists", why="a file of an older version could stay in it", fix="delete it first")
    install_boot(folder)
    print(folder)


@app.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
) -> None:
    """Print every image's name and tag, and the archive and digest of those that are built."""
    import json
    from dataclasses import asdict

    from airfleet.image.build import find
    from airfleet.image.recipe import KINDS, reference

    if as_json:
        images = [asdict(image) if (image := find(kind)) else {"kind": kind, "ref": reference(kind)} for kind in KINDS]
        print(json.dumps(images, indent=2, default=str))
        return
    for kind in KINDS:
        image = find(kind)
        state = f"{image.size / 1e6:6.0f} MB  {image.digest[:19]}  {image.archive}" if image else "not built"
        print(f"{kind:<14} {reference(kind):<36} {state}")


@app.command("prune")
def prune_command() -> None:
    """Delete the images, layers and wheels in the cache that this checkout does not use, and print them."""
    from airfleet.image.build import prune

    for path in prune():
        print(path)


@app.command("lock")
def lock_command(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 2 if a lock would change.")] = False,
) -> None:
    """Resolve scripts/image/*.in into their locks again, as of the day in versions.toml; print those that change."""
    from airfleet.errors import ExitCode
    from airfleet.image.lock import relock

    changed = relock(check=check)
    for path in changed:
        print(path)
    if check and changed:
        raise typer.Exit(ExitCode.CHANGES)


@app.command("venv")
def venv_command() -> None:
    """Print the path of a Python that has the Airflow image's packages and pytest; made when asked for first."""
    from airfleet.image.venv import venv

    print(venv())

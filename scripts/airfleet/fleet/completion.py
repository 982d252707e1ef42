"""What a shell is offered at a TAB: known from the names of files, at once, and never with an error."""

from __future__ import annotations

from pathlib import Path

import typer

from airfleet.errors import AirfleetError
from airfleet.fleet.location import cluster_files, find_fleet


def complete_cluster(ctx: typer.Context) -> list[str]:
    """The clusters of the fleet that the command line names; none if there is no fleet."""
    try:
        named = ctx.params.get("fleet")
        folder = find_fleet(Path(named).expanduser() if named else None).parent
        return [file.stem for file in cluster_files(folder)]
    except (AirfleetError, OSError):
        return []

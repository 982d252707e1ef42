"""`airfleet quiesce`: wait until a release whose scheduler is stopped runs no task any more."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from airfleet import console
from airfleet.secrets.cli import Context, Json, Kubeconfig, Namespace, Release


def quiesce(
    kubeconfig: Kubeconfig,
    context: Context,
    namespace: Namespace,
    release: Release,
    timeout: Annotated[int, typer.Option(min=0, help="Seconds to wait for running tasks.")] = 3600,
    as_json: Json = False,
) -> None:
    """Wait until a release whose scheduler is stopped runs no task any more.

    Then say how large the database is, and how long to wait for its migration before looking into it.
    """
    from airfleet.kube import Cluster
    from airfleet.quiesce import wait
    from airfleet.secrets.installed import Installed

    found = wait(Installed(Cluster(kubeconfig, context), namespace, release), timeout, console.say)
    if as_json:
        print(json.dumps(found.as_dict(), indent=2))
        return
    print(f"quiet: {found}")
    total, tables = sum(found.rows.values()), list(found.rows.items())[:5]
    rows = ", ".join(f"{name} {count:,}" for name, count in tables)
    print(f"database: Airflow {found.version}, {found.size / 1e6:,.0f} MB, about {total:,} rows: {rows}")
    print(f"migration: give it {found.deadline} s (helm upgrade --timeout {found.deadline}s)")

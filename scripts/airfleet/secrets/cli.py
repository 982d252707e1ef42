"""`airfleet secrets`: what a release's secrets are, and one command that replaces each of them while tasks run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airfleet import console
from airfleet.errors import UsageError

if TYPE_CHECKING:
    from airfleet.secrets.installed import Installed
    from airfleet.secrets.rotation import Rotation, Step
    from airfleet.secrets.status import Status

app = typer.Typer(
    help="Look at the secrets of a release, and replace them while tasks run.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Kubeconfig = Annotated[
    Path, typer.Option(help="The kubeconfig file.", envvar="KUBECONFIG", exists=True, dir_okay=False)
]
Context = Annotated[str, typer.Option(help="Its context; the current one is never followed.")]
Namespace = Annotated[str, typer.Option(help="Namespace of the release.")]
Release = Annotated[str, typer.Option(help="Name of the release.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

KINDS = ("fernet", "jwt", "api", "database", "admin")


@app.command("status")
def show_status(
    kubeconfig: Kubeconfig, context: Context, namespace: Namespace, release: Release, as_json: Json = False
) -> None:
    """Show each secret's age and readers, and whether rows are encrypted with an old key."""
    from airfleet.secrets.status import status

    found = status(_installed(kubeconfig, context, namespace, release))
    if as_json:
        print(json.dumps(found.as_dict(), indent=2))
    else:
        _print_status(found)


@app.command()
def rotate(
    kind: Annotated[str, typer.Argument(help="One of fernet, jwt, api, database, admin.")],
    kubeconfig: Kubeconfig,
    context: Context,
    namespace: Namespace,
    release: Release,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    go_on: Annotated[bool, typer.Option("--continue", help="Go on after the store has written the Secret.")] = False,
    new_file: Annotated[
        Path | None,
        typer.Option(
            help="database: a file with the new URL or password of an external database; - is standard input."
        ),
    ] = None,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="jwt: refuse the old secret at once; tasks that hold its tokens fail.")
    ] = False,
    folder: Annotated[Path, typer.Option("--out", help="Folder for the values that a store has to take.")] = Path(),
    timeout: Annotated[int, typer.Option(min=10, help="Seconds that one rollout may take.")] = 600,
    as_json: Json = False,
) -> None:
    """Replace a secret, step by step. Interrupted at any step, the same command goes on from there."""
    if kind not in KINDS:
        raise UsageError(f"there is nothing called {kind} to rotate", fix=f"one of {', '.join(KINDS)}")
    if at_once and kind != "jwt":
        raise UsageError("--at-once is for jwt: no other rotation waits for tasks")
    if new_file and kind != "database":
        raise UsageError("--new-file is for database: every other secret is made here")
    from airfleet.secrets.rotation import Rotation

    installed = _installed(kubeconfig, context, namespace, release)
    rotation = Rotation(installed, kind, go_on=go_on, timeout=timeout, folder=folder)
    steps = _steps(rotation, _given(new_file), at_once)
    rotation.load()
    _announce(rotation, steps)
    if dry_run:
        report = [
            {"step": step.title, "result": "done before" if n < rotation.done else "to do"}
            for n, step in enumerate(steps)
        ]
    else:
        report = rotation.run(steps)
        console.say(f"{kind}: done")
    if as_json:
        print(json.dumps({"kind": kind, "id": rotation.id, "dry_run": dry_run, "steps": report}, indent=2))


def _installed(kubeconfig: Path, context: str, namespace: str, release: str) -> Installed:
    from airfleet.kube import Cluster
    from airfleet.secrets.installed import Installed

    return Installed(Cluster(kubeconfig, context), namespace, release)


def _steps(rotation: Rotation, given: str, at_once: bool) -> list[Step]:
    from airfleet.secrets import admin, api, database, fernet, jwt

    ways: dict[str, Callable[[], list[Step]]] = {
        "fernet": lambda: fernet.steps(rotation),
        "jwt": lambda: jwt.steps(rotation, at_once=at_once),
        "api": lambda: api.steps(rotation),
        "database": lambda: database.steps(rotation, given),
        "admin": lambda: admin.steps(rotation),
    }
    return ways[rotation.kind]()


def _given(file: Path | None) -> str:
    if file is None:
        return ""
    text = (sys.stdin.read() if str(file) == "-" else file.read_text()).strip()
    if not text or "\n" in text:
        raise UsageError("--new-file holds the new URL or password in one line", where=str(file))
    return text


def _announce(rotation: Rotation, steps: list[Step]) -> None:
    installed = rotation.installed
    console.say(f"cluster  {installed.cluster.server}  (context {installed.cluster.context})")
    console.say(f"release  {installed.release} in the namespace {installed.namespace}")
    for number, step in enumerate(steps, 1):
        console.say(f"  {number}. {step.title}{' (done before)' if number <= rotation.done else ''}")
    if rotation.resumed:
        console.say(f"goes on with {rotation.id}, which was interrupted after step {rotation.done}")


def _print_status(found: Status) -> None:
    for secret in found.secrets:
        behind = [reader for reader in secret.readers if reader.outdated]
        used = f"{len(secret.readers) - len(behind)} of {len(secret.readers)} pods use it" if secret.readers else ""
        owner = f"  belongs to {secret.owner}" if secret.owner else ""
        print(f"{secret.name:16}{f'{secret.secret}/{secret.key}':32}{secret.age_days:6.1f} days  {used}{owner}")
        for reader in behind:
            print(f"{'':16}{reader.pod}: {reader.outdated}")
    rows = found.rows
    print(
        f"Fernet keys: {found.fernet_keys}; encrypted rows: {rows['rows']},"
        f" of an old key: {rows['old']}, lost: {rows['lost']}"
    )
    for kind, text in found.rotations.items():
        print(f"rotation of {kind}: {text}")

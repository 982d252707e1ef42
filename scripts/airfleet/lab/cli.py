"""`airfleet lab`: brings real Kubernetes clusters up and down on this machine."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from airfleet.console import say
from airfleet.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from airfleet.lab.status import LabStatus

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Bring real Kubernetes clusters up and down on this machine."
)

DEFAULT_NAME = "airfleet"
Name = Annotated[str, typer.Option("--name", "-n", help="Name of the lab.")]


@app.command()
def up(
    name: Name = DEFAULT_NAME,
    nodes: Annotated[int, typer.Option(help="Number of nodes; 0 gives an API server alone.")] = 2,
    port: Annotated[int | None, typer.Option(help="Port of the API server on 127.0.0.1 (default: a free one).")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the cluster.")] = 120,
    add_ons: Annotated[list[str] | None, typer.Option("--with", help="Add-on, such as metrics-server.")] = None,
) -> None:
    """Bring a lab up. Prints the path of its kubeconfig; the first time, the programs are built."""
    from airfleet.lab import Lab, addons

    lab = Lab(name)
    wanted = [addons.check(each) for each in add_ons or []]
    with _terminated_as_interrupt():
        lab.up(nodes=nodes, port=port, timeout=timeout, on_phase=_say_phase)
        for each in wanted:
            addons.install(lab, each)
    say(f"lab {name} is up: export KUBECONFIG={lab.kubeconfig}")
    print(lab.kubeconfig)


@app.command()
def down(
    name: Name = DEFAULT_NAME,
    everything: Annotated[bool, typer.Option("--all", help="Remove every lab.")] = False,
) -> None:
    """Remove a lab and all that it left on this machine; fine if there is none."""
    from airfleet.lab import Lab, state

    for each in state.names() if everything else [name]:
        Lab(each).down()
        say(f"lab {each} is removed")


@app.command()
def status(
    name: Annotated[str | None, typer.Option("--name", "-n", help="Name of the lab (default: all of them).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show nodes, daemons, memory and processor time. Exits with 1 if a lab is not well."""
    import json

    from airfleet.lab import Lab, state

    found = [Lab(each).status() for each in ([name] if name else state.names())]
    if as_json:
        print(json.dumps([s.as_json() for s in found], indent=1))
    else:
        for each in found:
            _print_status(each)
    if not all(s.up for s in found):
        raise typer.Exit(int(ExitCode.ERROR))


@app.command()
def load(archives: list[Path], name: Name = DEFAULT_NAME) -> None:
    """Import image archives (OCI layout or `docker save`) into every node."""
    from airfleet.lab import Lab

    for loaded in Lab(name).load(archives):
        done = "imported" if loaded.imported else "already there"
        say(f"  {loaded.node}: {', '.join(loaded.images) or loaded.archive} {done}")


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def kubectl(context: typer.Context, name: Name = DEFAULT_NAME) -> None:
    """Run the lab's kubectl: airfleet lab kubectl --name NAME -- get pods -A."""
    from airfleet.lab import Lab

    lab = Lab(name)
    program = lab.program("kubectl")
    os.execv(program, [str(program), f"--kubeconfig={lab.kubeconfig}", *context.args])  # noqa: S606 - becomes kubectl


@app.command()
def logs(
    daemon: Annotated[str | None, typer.Argument(help="NODE/DAEMON, or a daemon's name for all nodes.")] = None,
    name: Name = DEFAULT_NAME,
    lines: Annotated[int, typer.Option("--lines", help="How many of the last lines; 0 for all.")] = 0,
) -> None:
    """Print a daemon's log; without one, list the logs there are."""
    from airfleet.lab import Lab
    from airfleet.lab.daemons import log_files

    files = log_files(Lab(name).record)
    if daemon is None:
        for key, path in files.items():
            print(f"{key}\t{path.stat().st_size}")
        return
    chosen = {key: path for key, path in files.items() if daemon in (key, key.split("/")[1])}
    if not chosen:
        raise UsageError(f"lab {name} has no log of {daemon}", fix=f"one of: {', '.join(files)}")
    for key, path in chosen.items():
        if len(chosen) > 1:
            print(f"==> {key} <==", flush=True)
        text = path.read_text(errors="replace").splitlines(keepends=True)
        sys.stdout.writelines(text[-lines:] if lines else text)


@app.command()
def node(
    action: Annotated[Literal["stop", "start", "cut", "restore"], typer.Argument(help="What to do.")],
    node: Annotated[str, typer.Argument(help="Which node, for example airfleet-2.")],
    name: Name = DEFAULT_NAME,
) -> None:
    """Break a node and mend it: stop/start is a power cut, cut/restore is its network cable."""
    from airfleet.lab import Lab

    lab = Lab(name)
    {"stop": lab.stop_node, "start": lab.start_node, "cut": lab.cut, "restore": lab.restore}[action](node)
    say(f"node {node}: {action} done")


@app.command()
def link(
    action: Annotated[Literal["join", "cut", "restore"], typer.Argument(help="What to do.")],
    one: Annotated[str, typer.Argument(help="A lab.")],
    other: Annotated[str, typer.Argument(help="Another lab.")],
) -> None:
    """Link two labs with a cable, cut it, and restore it."""
    from airfleet.lab import Lab

    cable = Lab(one).link(other)
    {"join": cable.join, "cut": cable.cut, "restore": cable.restore}[action]()
    say(f"link {one} - {other}: {action} done")


def _say_phase(title: str, seconds: float) -> None:
    say(f"  ✓ {title} ({seconds:.1f} s)")


def _print_status(lab: LabStatus) -> None:
    print(f"{lab.name}: {'up' if lab.up else 'NOT WELL'}  {lab.server}")
    for each in lab.nodes:
        print(f"  {each.name}: {'running' if each.running else 'STOPPED'}{', Ready' if each.ready else ''}")
        for d in each.daemons:
            note = f"  started {d.starts} times, last: {d.last_exit}" if d.starts > 1 or not d.healthy else ""
            print(f"    {d.name:<24} {d.state}{note}")
    for label, figure in lab.footprint().items():
        print(f"  {label}: {figure}")


@contextmanager
def _terminated_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a boot the way Ctrl-C does, so that it cleans up, too."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

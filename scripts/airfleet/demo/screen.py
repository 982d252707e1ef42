"""What the demo shows: tasks live on a terminal, a line for each change elsewhere, and tables at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

from airfleet import console
from airfleet.demo.observe import TaskRow

_COLOURS = {"success": "green", "failed": "red", "running": "yellow", "queued": "cyan"}


class Show(Protocol):
    """Shows the tasks of a run as they are now."""

    def __call__(self, rows: list[TaskRow], /) -> None:
        """Show these rows in place of the last ones."""


@contextmanager
def task_display(title: str) -> Iterator[Show]:
    """A live table on a terminal; plain lines, one for each change of state, elsewhere."""
    if not console.is_terminal():
        yield _Lines(title)
        return
    with Live(console=Console(stderr=True), refresh_per_second=8, transient=True) as live:
        yield lambda rows: live.update(task_table(title, rows))


class _Lines:
    def __init__(self, title: str) -> None:
        self._title = title
        self._seen: dict[str, str] = {}

    def __call__(self, rows: list[TaskRow], /) -> None:
        for row in rows:
            if row.state != self._seen.get(row.task):
                self._seen[row.task] = row.state
                where = f" in {row.pod} on {row.node or '?'}" if row.pod else ""
                console.say(f"  {self._title}  {row.task:<14} {row.state}{where}")


def task_table(title: str, rows: list[TaskRow]) -> Table:
    """The tasks of a run and their pods."""
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for heading in ("task", "state", "queue", "pod template", "memory", "node", "pod"):
        table.add_column(heading, overflow="fold")
    table.add_column("queued s", justify="right")
    table.add_column("run s", justify="right")
    for r in rows:
        state = f"[{_COLOURS.get(r.state, 'white')}]{r.state}[/]"
        cells = (r.task, state, r.queue, r.template, r.memory_limit, r.node, r.pod, _seconds(r.queued), _seconds(r.ran))
        table.add_row(*cells)
    return table


def print_facts(title: str, facts: Mapping[str, str]) -> None:
    """Print names and what they are on standard output; never wrapped, so that commands can be copied."""
    width = max(map(len, facts))
    print(title, *(f"  {name:<{width}}  {fact}" for name, fact in facts.items()), "", sep="\n", flush=True)


def print_table(table: Table) -> None:
    """Print a table on standard output, as wide as it needs to be where nobody's terminal limits it."""
    out = Console()
    if not out.is_terminal:
        out = Console(width=180)
    out.print(table)
    out.print()


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"

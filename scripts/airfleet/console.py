"""How commands talk: data goes to standard output, everything said to the user goes to standard error."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_hidden: list[Callable[[str], str]] = []


def say(text: str = "") -> None:
    """Tell the user one line, on standard error."""
    print(without_secrets(text), file=sys.stderr, flush=True)


def hide(secrets: Iterable[Any]) -> None:
    """From now on, keep these values out of what is said."""
    from airfleet.fleet.taint import Redactor

    _hidden.append(Redactor(secrets))


def without_secrets(text: str) -> str:
    """The text without the values that were hidden."""
    for redact in _hidden:
        text = redact(text)
    return text


def is_terminal() -> bool:
    """Whether standard error is a terminal that can redraw lines."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say what is being done and, when it is done, how many seconds it took; says so too when it fails."""
    live = is_terminal()
    start = time.monotonic()
    if live:
        print(f"  … {title}", end="", file=sys.stderr, flush=True)
    try:
        yield
    except BaseException:
        say(f"{chr(13) if live else ''}  ✗ {title} (failed after {time.monotonic() - start:.1f} s)")
        raise
    say(f"{chr(13) if live else ''}  ✓ {title} ({time.monotonic() - start:.1f} s)")


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, moved by calling what is yielded with (done, total); nothing where there is no terminal."""
    if not is_terminal() or total < 2:
        yield lambda done, total: None
        return

    def move(done: int, total: int) -> None:
        filled = 30 * done // total
        print(f"\r  {title} [{'#' * filled}{'.' * (30 - filled)}] {done}/{total}", end="", file=sys.stderr, flush=True)

    try:
        yield move
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


class Phases:
    """The seconds that each phase of a long command took, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds of this block to a phase."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start

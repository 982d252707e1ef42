"""How commands talk: data goes to standard output, everything said to the user goes to standard error."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str = "") -> None:
    """Tell the user one line, on standard error."""
    print(text, file=sys.stderr, flush=True)


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

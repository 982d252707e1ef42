"""Raises the machine's inotify limits while there are labs: 128 instances a user, the default, are enough for two.

This is the one setting of the machine that labs change; the last lab to be removed puts the old values back.
"""

from __future__ import annotations

import json
from pathlib import Path

from airfleet.paths import state_dir

_INOTIFY = Path("/proc/sys/fs/inotify")
WANTED = {"max_user_instances": 4096, "max_user_watches": 524288}


def _saved() -> Path:
    return state_dir() / "inotify.json"


def raise_limits() -> None:
    """Raise what is lower than wanted, after writing down what it was. Call it with the index's lock held."""
    before = {name: int((_INOTIFY / name).read_text()) for name in WANTED}
    lower = {name: value for name, value in before.items() if value < WANTED[name]}
    if not lower:
        return
    if not _saved().exists():
        _saved().write_text(json.dumps(lower))
    for name in lower:
        (_INOTIFY / name).write_text(str(WANTED[name]))


def restore_limits() -> None:
    """Put back what was written down, unless somebody else has changed it since. Call it with the index's lock held."""
    try:
        before = json.loads(_saved().read_text())
    except FileNotFoundError:
        return
    for name, value in before.items():
        if int((_INOTIFY / name).read_text()) == WANTED[name]:
            (_INOTIFY / name).write_text(str(value))
    _saved().unlink()

"""The official chart's keys and defaults, versions 1.15 to 1.22, without the chart.

official.json has one line for each key that is no map of further keys: every default that it had in these versions. A
default that is long or a template stands there as the start of a hash: enough to recognise it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from importlib.resources import files
from typing import Any

from airfleet.migrate.model import Path

_OPEN = ("config", "postgresql", "_rpcServer")  # below these any key may stand
_HASHED = "sha256:"


class Official:
    """The keys of the official chart."""

    def __init__(self, defaults: dict[str, list[Any]]) -> None:
        self._defaults = {tuple(key.split(".")): known for key, known in defaults.items()}
        self._maps = {path[:length] for path in self._defaults for length in range(1, len(path))}

    def is_map(self, path: Path) -> bool:
        """Whether the chart has further keys below this one."""
        return path in self._maps

    def is_known(self, path: Path) -> bool:
        """Whether some version of the chart has this key."""
        return path in self._defaults or path in self._maps or path[0] in _OPEN

    def is_default(self, path: Path, value: Any) -> bool:
        """Whether the value is what some version of the chart has anyway."""
        return any(_same(default, value) for default in self._defaults.get(path, ()))

    def default(self, path: Path) -> Any:
        """The default of the newest version that has the key; None for one without, or too long to be kept."""
        known = self._defaults.get(path) or [None]
        return None if isinstance(known[-1], str) and known[-1].startswith(_HASHED) else known[-1]

    def similar(self, path: Path) -> str:
        """The known key that this one is probably meant to be; empty if there is none."""
        from difflib import get_close_matches

        siblings = {
            p[len(path) - 1]
            for p in (*self._defaults, *self._maps)
            if p[: len(path) - 1] == path[:-1] and len(p) >= len(path)
        }
        found = get_close_matches(path[-1], sorted(siblings), n=1)
        return ".".join((*path[:-1], found[0])) if found else ""

    def leaves(self) -> list[Path]:
        """Every key that is no map of further keys."""
        return list(self._defaults)


@functools.cache
def official() -> Official:
    """The keys as this package knows them."""
    return Official(json.loads(files(__package__).joinpath("official.json").read_text(encoding="utf-8")))


@functools.cache
def moved_options() -> dict[str, str | None]:
    """Airflow's own options that moved or went away since Airflow 2: `section.option` -> its new name, or None."""
    moved: dict[str, str | None] = json.loads(
        files(__package__).joinpath("airflow_options.json").read_text(encoding="utf-8")
    )
    return moved


def _same(default: Any, value: Any) -> bool:
    if isinstance(default, str) and default.startswith(_HASHED):
        text = json.dumps(value, sort_keys=True, default=str)
        return default == _HASHED + hashlib.sha256(text.encode()).hexdigest()[:12]
    if isinstance(default, bool) or isinstance(value, bool):
        return str(default).lower() == str(value).lower()
    return bool(default == value) or (default is None and value in ({}, [], ""))

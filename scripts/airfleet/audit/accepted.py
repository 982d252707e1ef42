"""Findings that somebody has accepted: scripts/audit/accepted.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from airfleet.audit.model import Finding
from airfleet.errors import InvalidError
from airfleet.paths import project_root

_KEYS = {"package": str, "id": str, "reason": str, "until": date}


@dataclass(frozen=True)
class Accepted:
    """A finding that is no news until a day, and why."""

    package: str
    id: str
    reason: str
    until: date

    def covers(self, finding: Finding) -> bool:
        """Whether this is about a finding; an advisory counts under each of its names."""
        return self.package == finding.package and self.id in (finding.id, *finding.aliases)

    def expired(self, today: date) -> bool:
        """Whether its last day has passed."""
        return self.until < today


def accepted_file() -> Path:
    """The project's own list."""
    return project_root() / "scripts" / "audit" / "accepted.toml"


def read_accepted(file: Path) -> list[Accepted]:
    """The entries of a list. Raises InvalidError that names everything that is wrong with it."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as e:
        raise InvalidError("the list of accepted findings can't be read", where=str(file), why=str(e)) from None
    entries = content.pop("accepted", [])
    wrong = [f"there is nothing called {name}" for name in content]
    wrong += [error for n, entry in enumerate(entries, 1) for error in _errors(n, entry)]
    if wrong:
        fix = f"give each [[accepted]] {', '.join(_KEYS)}; until is a day such as 2027-01-31"
        raise InvalidError("the list of accepted findings is wrong", where=str(file), why="\n".join(wrong), fix=fix)
    return [Accepted(**entry) for entry in entries]


def _errors(n: int, entry: dict[str, Any]) -> list[str]:
    wrong = [f"entry {n} has no {key}" for key in _KEYS if not entry.get(key)]
    wrong += [f"entry {n} has an unknown key {key}" for key in entry if key not in _KEYS]
    return wrong + [
        f"entry {n}: {k} is {entry[k]!r}" for k, t in _KEYS.items() if entry.get(k) and type(entry[k]) is not t
    ]

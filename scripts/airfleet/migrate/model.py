"""What a conversion is made of: entries of the input, a finding for each of them, and the outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Path = tuple[str, ...]


@dataclass(frozen=True, order=True)
class Origin:
    """Where a key stands."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Entry:
    """One key of the official chart with the value that the input gives it."""

    path: Path
    value: Any
    origin: Origin

    @property
    def key(self) -> str:
        """The path as one writes it."""
        return ".".join(self.path)


class Status(StrEnum):
    """What became of a key."""

    TRANSLATED = "translated"
    DROPPED = "dropped"
    HUMAN = "needs a human"


@dataclass(frozen=True)
class Finding:
    """What became of one key of the input: keys of ours that say the same, why it is not needed, or what to decide.

    Never holds a value: values may be secrets.
    """

    key: str
    origin: Origin
    status: Status
    to: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Command:
    """A command to run once, and what it is for."""

    purpose: str
    command: str


@dataclass(frozen=True)
class Conversion:
    """The outcome. `sources` says for a path of `values` which keys of the input it comes from."""

    values: dict[str, Any]
    sources: dict[Path, list[Finding]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, status: Status) -> list[Finding]:
        """The findings of one status."""
        return [finding for finding in self.findings if finding.status is status]

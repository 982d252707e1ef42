"""A finding, and where it was looked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """A package with a known vulnerability. id is the advisory's, or for Debian the version that mends it."""

    subject: str
    package: str
    version: str
    id: str
    aliases: tuple[str, ...] = ()
    fixed_in: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True)
class Update:
    """A newer version that mends no known vulnerability."""

    subject: str
    package: str
    version: str
    candidate: str


@dataclass(frozen=True)
class Looked:
    """What was looked at: a subject, how many packages of which kind, and what came of it."""

    subject: str
    packages: int
    kind: str
    findings: tuple[Finding, ...] = ()
    updates: tuple[Update, ...] = ()

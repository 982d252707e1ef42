"""What goes wrong, told once: what, where, why and the fix; and the exit codes of every command."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every `airfleet` command (docs/reference/exit-codes.md)."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    INVALID = 3
    PARTIAL = 4
    USAGE = 64
    INTERRUPTED = 130


@dataclass
class AirfleetError(Exception):
    """An error that a user can act on; the command line prints it without a traceback.

    what: one sentence, what is wrong. where: `file:line`, object or address, if there is one.
    why: the reason, in the words of whoever refused. fix: what to do about it.
    """

    what: str
    where: str = ""
    why: str = ""
    fix: str = ""
    code: ExitCode = ExitCode.ERROR

    def __str__(self) -> str:
        lines = [f"error: {self.what}"]
        for label in ("where", "why", "fix"):
            text = getattr(self, label)
            if text:
                lines.append(f"  {label + ':':<7}{text.strip().replace(chr(10), chr(10) + ' ' * 9)}")
        return "\n".join(lines)


class UsageError(AirfleetError):
    """The command line itself is wrong."""

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what, where, why, fix, ExitCode.USAGE)


class InvalidError(AirfleetError):
    """A file that the user wrote is wrong."""

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what, where, why, fix, ExitCode.INVALID)

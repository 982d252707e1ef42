"""The words that the parts of the fleet toolkit share: places, paths, layers' nodes and findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from airfleet.errors import AirfleetError, ExitCode

KeyPath = tuple[str, ...]
"""`("pod", "tolerations", "[gpu]", "effect")`: an item of a list that is merged by key stands in brackets."""

_PLAIN = re.compile(r"[A-Za-z0-9_$-]+")
_ITEM = re.compile(r"\[[^\]]*\]")
_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|(\[[^\]]*\])|([^."\[\]]+)')


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Severity(StrEnum):
    """Whether a finding fails the command that found it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that is wrong: where, what, why and what to do about it. rule is its stable name."""

    place: Place | None
    rule: str
    what: str
    why: str = ""
    fix: str = ""
    severity: Severity = Severity.ERROR
    clusters: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        lines = [f"{where}{'' if self.severity is Severity.ERROR else 'warning: '}{self.what} [{self.rule}]"]
        lines += [f"  {label}: {text}" for label, text in (("why", self.why), ("fix", self.fix)) if text]
        return "\n".join(lines)


@dataclass
class FleetError(AirfleetError):
    """Files of the fleet are wrong; all that is wrong with them at once."""

    findings: tuple[Finding, ...] = field(default=())

    def __str__(self) -> str:
        return "\n".join([f"error: {self.what}", *(indented(str(finding)) for finding in self.findings)])


def invalid(findings: Iterable[Finding]) -> FleetError:
    """The error that tells these findings, sorted by file and line (exit code 3)."""
    found = tuple(sorted(findings, key=lambda f: (f.place or Place("", 0), f.rule, f.what)))
    count = f"{len(found)} problem{'s' * (len(found) != 1)}"
    return FleetError(f"{count} in the fleet's files", code=ExitCode.INVALID, findings=found)


def indented(text: str) -> str:
    """Each line two columns to the right."""
    return "\n".join(f"  {line}" for line in text.splitlines())


def dotted(path: KeyPath) -> str:
    """A path as one types it: `pod.annotations."karpenter.sh/do-not-disrupt"`, `pod.tolerations[gpu].effect`."""
    text = ""
    for part in path:
        if _ITEM.fullmatch(part):
            text += part
        else:
            shown = part if _PLAIN.fullmatch(part) else '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'
            text += f".{shown}" if text else shown
    return text


def parse_path(text: str) -> KeyPath:
    """The path that dotted() writes as this text. Raises ValueError if it is none."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text[at] == "." and parts:
            at += 1
        match = _PART.match(text, at)
        if not match or (parts and not match[2] and text[at - 1] != "."):
            raise ValueError(f"{text!r} is no path of keys: column {at + 1}")
        quoted, item, plain = match.groups()
        parts.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else item or plain)
        at = match.end()
    if not parts or text.endswith("."):
        raise ValueError(f"{text!r} is no path of keys")
    return tuple(parts)


@dataclass(frozen=True)
class FieldOfOthers:
    """Fields that others own: objects as `Deployment/airflow-*`, and the path of a field, empty for all of them."""

    objects: str
    path: KeyPath

    @classmethod
    def parse(cls, text: str) -> FieldOfOthers:
        """Read `Deployment/airflow-* spec.replicas`. Raises ValueError if it is no such text."""
        objects, _, path = text.partition(" ")
        if not re.fullmatch(r"[^/\s]+/[^/\s]+", objects):
            raise ValueError(f"{objects!r} names no objects: write it as Deployment/airflow-* spec.replicas")
        return cls(objects, parse_path(path.strip()) if path.strip() else ())

    def covers(self, name: str, path: KeyPath) -> bool:
        """Whether a field of the object `KIND/NAME` is one of these."""
        return fnmatchcase(name, self.objects) and path[: len(self.path)] == self.path


def list_key(path: KeyPath, list_keys: Mapping[KeyPath, str]) -> str:
    """The key by which the list at a path is merged; none if it is replaced. `*` in a declared path is any key."""
    for pattern, key in list_keys.items():
        if key and len(path) == len(pattern) and all(p in ("*", part) for part, p in zip(path, pattern, strict=True)):
            return key
    return ""


def at_path(values: Any, path: KeyPath, list_keys: Mapping[KeyPath, str] | None = None) -> Any:
    """What plain values hold at a path. Raises KeyError if nothing."""
    found = values
    for depth, part in enumerate(path):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and _ITEM.fullmatch(part):
            found = found[item_number(found, part[1:-1], list_key(path[:depth], list_keys or {}))]
        else:
            raise KeyError(dotted(path))
    return found


def item_number(items: list[Any], name: str, key: str) -> int:
    """The number of the item whose key has this value; without a key, the name is the number. Raises KeyError."""
    numbers = [str(number) for number in range(len(items))]
    names = [str(item.get(key)) if isinstance(item, Mapping) else None for item in items] if key else numbers
    if name not in names:
        raise KeyError(name)
    return names.index(name)

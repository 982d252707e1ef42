"""The state of one conversion, and the actions that rules are made of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airfleet.migrate.files import Values
from airfleet.migrate.model import Command, Entry, Finding, Path, Status
from airfleet.migrate.official import official
from airfleet.migrate.target import Chart

Rule = Callable[["Migration", Entry], None]
_KNOWN_TEMPLATE = re.compile(r"""\{\{-?\s*\.Release\.(Name|Namespace)\s*(?:\|\s*(?:quote|squote)\s*)?-?\}\}""")


class TemplatedError(Exception):
    """A value is a Helm template that only the official chart can fill in."""


@dataclass
class Migration:
    """What has been converted so far."""

    input: Values
    chart: Chart
    release: str
    namespace: str
    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[Path, list[Finding]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def said(self, key: str) -> Any:
        """What the official chart would read for this key: the input's value, or its own default."""
        path = tuple(key.split("."))
        node: Any = self.input.data
        for part in path:
            if not isinstance(node, dict) or part not in node:
                return official().default(path)
            node = node[part]
        return node

    def set_by_user(self, key: str) -> bool:
        """Whether the input gives this key a value of its own choice."""
        path = tuple(key.split("."))
        value = self.said(key)
        return path in self.input.origins and value is not None and not official().is_default(path, value)

    def put(self, entry: Entry, target: str | Path, value: Any, why: str = "", *, whole: bool = False) -> None:
        """Set a key of ours. A key that this chart does not have is something for a human.

        A map is added to what earlier keys said, unless it is the whole value.
        """
        self.put_all(entry, {_path(target): value}, why, whole=whole)

    def put_all(self, entry: Entry, targets: dict[Path, Any], why: str = "", *, whole: bool = False) -> None:
        """Set several keys of ours for one of theirs."""
        try:
            filled = {path: self.filled(value) for path, value in targets.items()}
        except TemplatedError:
            self.ask(entry, f"the value is a Helm template; write what it comes to into {_names(targets)}")
            return
        if missing := [path for path in filled if not self.chart.has(path)]:
            self.ask(entry, f"airfleet has no {_names(missing)}; decide how to do without")
            return
        finding = Finding(entry.key, entry.origin, Status.TRANSLATED, tuple(map(".".join, filled)), why)
        self.findings.append(finding)
        for path, value in filled.items():
            added = self._set(path, value, whole)
            self.sources[path] = [*self.sources.get(path, ()), finding] if added else [finding]

    def drop(self, entry: Entry, why: str) -> None:
        """Leave a key out, and say why nothing is lost."""
        self.findings.append(Finding(entry.key, entry.origin, Status.DROPPED, (), why))

    def ask(self, entry: Entry, what: str) -> None:
        """Leave a key to a human, and say what to decide."""
        self.findings.append(Finding(entry.key, entry.origin, Status.HUMAN, (), what))

    def kept(self, entry: Entry, where: str, why: str) -> None:
        """Say that a command keeps what the key says, outside of the values."""
        self.findings.append(Finding(entry.key, entry.origin, Status.TRANSLATED, (where,), why))

    def set_implied(self, path: Path, value: Any, entry: Entry) -> None:
        """Set a key of ours that follows from what a command keeps."""
        self._set(path, value, False)
        self.sources[path] = [finding for finding in self.findings if finding.key == entry.key]

    def filled(self, value: Any) -> Any:
        """The value with the release's name and namespace filled in. Raises TemplatedError for other templates."""
        if isinstance(value, str):
            known = {"Name": self.release, "Namespace": self.namespace}
            text = _KNOWN_TEMPLATE.sub(lambda match: known[match[1]], value)
            if "{{" in text:
                raise TemplatedError
            return text
        if isinstance(value, dict):
            return {self.filled(key): self.filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        return value

    def _set(self, path: Path, value: Any, whole: bool) -> bool:
        """Whether it was added to a map, and replaced nothing."""
        node = self.values
        for part in path[:-1]:
            if not isinstance(node.get(part), dict):
                node[part] = {}
            node = node[part]
        known = node.get(path[-1])
        if isinstance(known, dict) and isinstance(value, dict) and not whole:
            known.update(value)
            return True
        node[path[-1]] = value
        return False


def move(target: str, why: str = "") -> Rule:
    """The value as it is, under another key."""
    return lambda m, entry: m.put(entry, target, entry.value, why)


def drop(why: str) -> Rule:
    """Not needed."""
    return lambda m, entry: m.drop(entry, why)


def ask(what: str) -> Rule:
    """Something to decide."""
    return lambda m, entry: m.ask(entry, what)


def when(key: str, rule: Rule) -> Rule:
    """A rule for what counts only while a switch of the official chart is on."""

    def apply(m: Migration, entry: Entry) -> None:
        if m.said(key):
            rule(m, entry)
        else:
            m.drop(entry, f"{key} is off")

    return apply


def _path(target: str | Path) -> Path:
    return tuple(target.split(".")) if isinstance(target, str) else target


def _names(paths: Any) -> str:
    return " and ".join(".".join(path) for path in paths)

"""What is missing in a values.yaml: told when all of it has been read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airfleet.values.model import KUBERNETES, Key, Problem, ValuesFile


def problems_of(values: ValuesFile) -> list[Problem]:
    """Keys without a description or a type, and names of definitions that are not there."""
    return list(_Check(values).problems())


@dataclass(frozen=True)
class _Check:
    """What can only be told when all definitions are known."""

    values: ValuesFile

    def problems(self) -> Iterator[Problem]:
        unknown = [p for key in self.values.walk() for p in self._unknown_names(key)]
        if unknown:
            yield from unknown
            return
        for definition in self.values.definitions.values():
            if not definition.is_block:
                yield from self.block(definition.block)
        for key in self.values.keys:
            yield from self.key(key, inherited=False)

    def _unknown_names(self, key: Key) -> Iterator[Problem]:
        for name in key.rules.refs:
            if name not in self.values.definitions and name not in KUBERNETES:
                known = ", ".join(sorted((*self.values.definitions, *KUBERNETES)))
                yield Problem(key.line, f"{key.dotted}: `{name}` is not defined anywhere (defined are: {known})")
            elif name in key.rules.extends and key.rules.define == name:
                yield Problem(key.line, f"{key.dotted}: `{name}` extends itself")

    def block(self, key: Key) -> Iterator[Problem]:
        inherited = self.values.inherited(key.rules.extends)
        for child in key.children:
            yield from self.key(child, inherited=child.name in inherited)

    def key(self, key: Key, *, inherited: bool) -> Iterator[Problem]:
        if inherited and not key.rules.says_what:
            return
        if not key.text and not inherited:
            yield Problem(key.line, f"{key.dotted} has no description: put `# -- What it does.` above it")
        if key.is_block:
            yield from self.block(key)
        elif not key.rules.says_what and key.default is None:
            yield Problem(
                key.line, f"{key.dotted} is null by default: say what it may be, like `# @schema type: string`"
            )
        elif not key.rules.says_what and key.default == {}:
            ways = "`# @schema map: string`, `map: ref:name`, `map: any` or `open: KubernetesType`"
            yield Problem(key.line, f"{key.dotted} is {{}} by default: say what its values are with {ways}")
        elif isinstance(key.default, list) and key.rules.items is None and not key.rules.open and not key.rules.ref:
            yield Problem(key.line, f"{key.dotted} is a list: say what its items are, like `# @schema items: string`")
        for child in key.children if key.rules.map is not None else ():
            if child.rules.define:
                yield from self.key(child, inherited=False)

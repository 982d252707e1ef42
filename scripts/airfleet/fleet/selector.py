"""Selectors of clusters: `env=prod,region!=eu`, as kubectl's, over axes, labels, capabilities and names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Self

_TERM = re.compile(r"(?P<not>!)?(?P<key>[A-Za-z0-9_./-]+)(?:(?P<op>!=|==|=)(?P<value>[A-Za-z0-9_.|-]*))?")


class SelectorError(ValueError):
    """A selector that can't be understood; its text says why."""


@dataclass(frozen=True)
class Selector:
    """A conjunction of terms."""

    terms: tuple[Callable[[Mapping[str, str]], bool], ...]

    @classmethod
    def parse(cls, text: str, keys: Collection[str]) -> Self:
        """`key=a`, `key=a|b`, `key!=a`, `key` and `!key`, joined by commas. Raises SelectorError."""
        terms = []
        for part in filter(None, (part.strip() for part in text.split(","))):
            match = _TERM.fullmatch(part)
            if not match or (match["not"] and match["op"]):
                raise SelectorError(f"{part!r} is no term of a selector")
            if match["key"] not in keys:
                raise SelectorError(f"no cluster has {match['key']}; there are {', '.join(sorted(keys))}")
            terms.append(_term(match["key"], match["op"] or "", match["value"] or "", bool(match["not"])))
        return cls(tuple(terms))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether every term holds."""
        return all(term(labels) for term in self.terms)


def _term(key: str, op: str, value: str, negated: bool) -> Callable[[Mapping[str, str]], bool]:
    if not op:
        return lambda labels: (key in labels) is not negated
    wanted = set(value.split("|"))
    if op == "!=":
        return lambda labels: labels.get(key) not in wanted
    return lambda labels: labels.get(key) in wanted

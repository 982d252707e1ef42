"""What a documented values.yaml says: keys, the definitions that blocks share, and sections of the reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airfleet.values.rules import Rules

KUBERNETES = ("quantity", "resources")  # definitions that schema.py brings


@dataclass(frozen=True)
class Key:
    """One key of values.yaml: where it stands, its default, and what its comment says.

    `children` are the keys of its value, when that is a map with entries.
    """

    path: tuple[str, ...]
    line: int
    default: Any
    text: str
    example: str
    rules: Rules
    children: tuple[Key, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path[-1]

    @property
    def dotted(self) -> str:
        """The path as one writes it for `helm --set`."""
        return ".".join(self.path)

    @property
    def is_block(self) -> bool:
        """Whether the value is a closed object whose keys are documented one by one."""
        return isinstance(self.default, dict) and not self.rules.says_what and bool(self.children or self.rules.extends)


@dataclass(frozen=True)
class Definition:
    """Keys that several blocks share: a block's, those of a `# @define` comment, or single keys of some block."""

    name: str
    block: Key

    @property
    def is_block(self) -> bool:
        """Whether a block of the file is the definition; if not, it has a place of its own in the reference."""
        return not self.block.path[0].startswith("<")


@dataclass(frozen=True)
class Section:
    """A part of the reference: its title, what `# @section` said below it, and its keys at the top of the file."""

    title: str
    intro: str
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Problem:
    """One mistake in values.yaml."""

    line: int
    text: str


@dataclass(frozen=True)
class ValuesFile:
    """values.yaml, checked: every key has a type and a description, every definition that is named exists."""

    sections: tuple[Section, ...]
    definitions: Mapping[str, Definition]
    defaults: Mapping[str, Any]

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys at the top."""
        return tuple(key for section in self.sections for key in section.keys)

    def walk(self) -> Iterator[Key]:
        """Every key, those below other keys and in commented definitions included."""
        stack = [*self.keys, *(d.block for d in self.definitions.values() if not d.is_block)]
        seen: set[tuple[str, ...]] = set()
        while stack:
            key = stack.pop()
            if key.path not in seen:
                seen.add(key.path)
                yield key
                stack += key.children

    def documented(self) -> Iterator[Key]:
        """Every key with a description of its own: not what is part of a default, nor a default of a shared key."""
        stack = [*self.keys, *(key for d in self.definitions.values() if not d.is_block for key in d.block.children)]
        seen: set[tuple[str, ...]] = set()
        while stack:
            key = stack.pop()
            if key.path in seen:
                continue
            seen.add(key.path)
            yield key
            if key.is_block:
                inherited = self.inherited(key.rules.extends)
                stack += [child for child in key.children if child.name not in inherited or child.rules.says_what]
            elif key.rules.map is not None:
                stack += [child for child in key.children if child.rules.define]

    def inherited(self, extends: tuple[str, ...]) -> dict[str, tuple[str, Key]]:
        """Key name -> (definition that has it, key), for all that a block gets by extending definitions."""
        found: dict[str, tuple[str, Key]] = {}
        for name in extends:
            definition = self.definitions[name]
            found |= self.inherited(definition.block.rules.extends)
            found |= {key.name: (name, key) for key in definition.block.children}
        return found

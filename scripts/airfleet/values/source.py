"""Reading values.yaml with its comments. Every mistake in the file is found before anything is reported.

A key is documented by the comment lines directly above it (or at the end of its own line):

    # Lines before the `--` are notes for the reader of values.yaml only.
    # -- A sentence that documents the key, continued on the next lines.
    #
    #   indented: lines are an example
    # @schema minimum: 0
    replicas: 1

`# @section Title` above a key at the top starts a section of the reference. The form of a map's entries, when the
map is empty by default, is written out in comments with the same dialect:

    # -- DAG bundles by name.
    # @schema map: ref:bundle
    # @define bundle
    #   # -- The repository's URL.
    #   url: ""
    bundles: {}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from airfleet.errors import InvalidError
from airfleet.values.check import problems_of
from airfleet.values.model import Definition, Key, Problem, Section, ValuesFile
from airfleet.values.rules import RuleError, Rules, parse_rules

_COMMENT = re.compile(r"^\s*#(?P<text>.*)$")
_DEFINE = re.compile(r"^(?P<indent>\s*)# @define\s+(?P<name>\w+)\s*(?:;\s*extends:\s*(?P<extends>.+))?$")
_INLINE = re.compile(
    r"""^\s*[^\s#][^:]*:(?:\s+(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^"'\s#]\S*))*?\s+#\s*(?P<text>(?:--|@schema)\s.*)$"""
)


def read_values(path: Path, shown: str | None = None) -> ValuesFile:
    """Read a documented values.yaml; `shown` is how messages name the file.

    Raises InvalidError that lists every problem with its line.
    """
    text = path.read_text(encoding="utf-8")
    reader = _Reader(text.splitlines())
    values = reader.read(text)
    problems = sorted([*reader.problems, *problems_of(values)], key=lambda problem: problem.line)
    if problems:
        name = shown or str(path)
        raise InvalidError(
            f"{name} is not fully documented: {len(problems)} problem{'s' * (len(problems) > 1)}",
            why="\n".join(f"{name}:{p.line}: {p.text}" for p in problems),
            fix="`airfleet values docs --help` shows the comments that a key needs",
        )
    return values


@dataclass
class _Reader:
    """Turns the file's text into keys; `offset` and `column` place a commented-out definition in its file."""

    lines: list[str]
    offset: int = 0
    problems: list[Problem] = field(default_factory=list)
    definitions: dict[str, Definition] = field(default_factory=dict)

    def read(self, text: str) -> ValuesFile:
        node, data = self.parse(text)
        keys = self.block(node, data, ())
        self.commented_definitions()
        return ValuesFile(tuple(self.sections(keys)), self.definitions, data)

    def problem(self, line: int, text: str) -> None:
        self.problems.append(Problem(line + self.offset, text))

    def parse(self, text: str) -> tuple[yaml.Node | None, dict[str, Any]]:
        try:
            node, data = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text) or {}
        except yaml.MarkedYAMLError as e:
            self.problem(e.problem_mark.line + 1 if e.problem_mark else 1, f"not YAML: {e.problem}")
            return None, {}
        if not isinstance(data, dict):
            self.problem(1, "is not a map of keys")
            return None, {}
        return node, data

    def block(
        self, node: yaml.Node | None, data: Mapping[str, Any], path: tuple[str, ...], above: int = 0
    ) -> tuple[Key, ...]:
        """The keys of one map, with their comments, and theirs in turn; `above` is the line of the key that has it."""
        keys: dict[str, Key] = {}
        for name_node, value_node in node.value if isinstance(node, yaml.MappingNode) else ():
            line, name = name_node.start_mark.line + 1, str(name_node.value)
            if name in keys or name not in data:
                self.problem(
                    line, f"{'.'.join((*path, name))}: " + ("is there twice" if name in keys else "not a string")
                )
                continue
            # In {a: 1} the comment above is that of the map, not of its entries.
            words = self.comment(line) if line != above else Key((), line + self.offset, None, "", "", Rules())
            key = replace(words, path=(*path, name), default=data[name])
            if isinstance(data[name], dict):
                key = replace(key, children=self.block(value_node, data[name], key.path, line))
            if key.rules.define:
                self.define(key)
            keys[name] = key
        return tuple(keys.values())

    def comment(self, line: int) -> Key:
        """What the comments of the key on this line (counted from 1) say, as a Key without path and default."""
        above: list[str] = []
        for text in reversed(self.lines[: line - 1]):
            if not (match := _COMMENT.match(text)):
                break
            above.insert(0, match["text"])
        if inline := _INLINE.match(self.lines[line - 1]):
            above.append(inline["text"])
        words, example, rules = _split(above)
        try:
            parsed = parse_rules(rules)
        except RuleError as e:
            self.problem(line, str(e))
            parsed = Rules(types=("string",))
        return Key((), line + self.offset, None, words, example, parsed)

    def define(self, key: Key) -> None:
        """A block is a definition; a single key is added to one."""
        name, known = key.rules.define, self.definitions.get(key.rules.define)
        if key.is_block:
            if known:
                self.problem(key.line - self.offset, f"`{name}` is defined twice")
            self.definitions[name] = Definition(name, key)
        elif known and known.is_block:
            self.problem(key.line - self.offset, f"`{name}` is a whole block already; give this key another name")
        else:
            before = known.block.children if known else ()
            block = Key((f"<{name}>",), key.line, {}, "", "", Rules(define=name), (*before, key))
            self.definitions[name] = Definition(name, block)

    def commented_definitions(self) -> None:
        """`# @define name` and the deeper comment lines below it, which are YAML of this same dialect."""
        for number, line in enumerate(self.lines, start=1):
            if match := _DEFINE.match(line):
                prefix = match["indent"] + "#  "
                end = number
                while end < len(self.lines) and (self.lines[end].startswith(prefix) or self.lines[end].strip() == "#"):
                    end += 1
                body = [text[len(prefix) :].removeprefix(" ") for text in self.lines[number:end]]
                inner = _Reader(body, self.offset + number, self.problems, self.definitions)
                node, data = inner.parse("\n".join(body))
                name, extends = match["name"], tuple(re.findall(r"\w+", match["extends"] or ""))
                children = inner.block(node, data, (f"<{name}>",))
                rules = Rules(extends=extends, define=name)
                self.define(Key((f"<{name}>",), self.offset + number, data, "", "", rules, children))

    def sections(self, keys: tuple[Key, ...]) -> Iterator[Section]:
        """Cut the keys at each `# @section`; keys before the first one form an untitled section."""
        starts = [n for n, line in enumerate(self.lines, start=1) if line.startswith("# @section ")]
        for start, end in zip([0, *starts], [*starts, len(self.lines) + 1], strict=True):
            title = self.lines[start - 1].removeprefix("# @section ").strip() if start else ""
            intro: list[str] = []
            for line in self.lines[start:end] if start else ():
                if not line.startswith("#") or line.startswith(("# --", "# @")):
                    break
                intro.append(line.lstrip("#").strip())
            if own := tuple(key for key in keys if start < key.line < end):
                yield Section(title, " ".join(intro).strip(), own)


def _split(comment: list[str]) -> tuple[str, str, list[str]]:
    """Comment lines without their `#` -> (description, example, texts of the `@schema` lines)."""
    words: list[str] = []
    example: list[str] = []
    rules: list[str] = []
    described = defining = False
    for line in comment:
        text = line.strip()
        if text.startswith("@"):
            defining = text.startswith("@define")
            if text.startswith("@schema"):
                rules.append(text.removeprefix("@schema").strip())
        elif text == "--" or text.startswith("-- "):
            described, words, example = True, [text[2:].strip()], []
        elif described and not defining:
            if line.startswith("   ") and text:
                example.append(line[3:])
            elif text.startswith("- "):
                words.append(f"\n{text}")
            else:
                words.append(text or "\n\n")
    joined = re.sub(r" *\n *", "\n", " ".join(words))
    return re.sub(r"\n{3,}", "\n\n", joined).strip(), "\n".join(example), rules

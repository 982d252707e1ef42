"""Values and templates must agree: every key is used by a template, every use in a template is a documented key.

A template reads a key as `.Values.a.b`, or takes the map above it whole (`with .Values.a`, `toYaml .Values.a`,
`index .Values "a"`) and then reads `.b` from it. Blocks that are defined or extended (the shared pod options) are read
through `cfg`, the merged options of one pod, as `cfg.b`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from airfleet.values.model import Key, ValuesFile

_VALUES = re.compile(r"\.Values((?:\.[A-Za-z_]\w*)*)")
_CFG = re.compile(r"\bcfg\.([A-Za-z_]\w*)")
_FIELD = re.compile(r"(?<!\.Values)(?<!part)(?<!Release)(?<!Chart)(?<!Template)\.([A-Za-z_]\w*)")
_STRING = re.compile(r'"([A-Za-z_]\w*)"')
_COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)


@dataclass(frozen=True)
class Use:
    """One place in a template that reads `.Values.<path>` or (cfg) `cfg.<path>`."""

    path: tuple[str, ...]
    where: str
    cfg: bool = False


def read_templates(folder: Path, root: Path | None = None) -> dict[str, str]:
    """File name (below root) -> text, for every template in the folder."""
    files = sorted(p for p in folder.rglob("*") if p.suffix in (".yaml", ".tpl", ".txt") and p.is_file())
    return {str(p.relative_to(root or folder)): p.read_text(encoding="utf-8") for p in files}


def uses_in(templates: Mapping[str, str]) -> list[Use]:
    """Every `.Values.x.y` and `cfg.x` of the templates."""
    found = []
    for name, text in templates.items():
        for pattern, cfg in ((_VALUES, False), (_CFG, True)):
            for match in pattern.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(Use(tuple(match[1].strip(".").split(".")) if match[1] else (), f"{name}:{line}", cfg))
    return found


def lint(values: ValuesFile, templates: Mapping[str, str], values_name: str) -> list[str]:
    """Every disagreement as `file:line: what`; empty when there is none. `values_name` is how values.yaml is called."""
    templates = {name: _COMMENT.sub(_blank, text) for name, text in templates.items()}
    return [*_undocumented(values, uses_in(templates)), *_unused(values, templates, values_name)]


def _undocumented(values: ValuesFile, uses: list[Use]) -> Iterator[str]:
    top = {key.name: key for key in values.keys}
    shared = {child.name for d in values.definitions.values() for child in d.block.children}
    extending = [key for key in values.walk() if key.rules.extends or key.rules.define]
    of_cfg = shared | {child.name for key in extending for child in key.children}
    for use in uses:
        if use.cfg and use.path[0] not in of_cfg:
            yield f"{use.where}: cfg.{use.path[0]} is not a key of any block that shares pod options"
        missing = () if use.cfg or use.path[:1] == ("global",) else _first_missing(values, top, use.path)
        if missing:
            yield f"{use.where}: .Values.{'.'.join(use.path)}: values.yaml has no key {'.'.join(missing)}"


def _first_missing(values: ValuesFile, top: Mapping[str, Key], path: tuple[str, ...]) -> tuple[str, ...]:
    """The path up to the first key that is not documented; empty if there is none such."""
    keys = top
    for depth, name in enumerate(path, start=1):
        key = keys.get(name)
        if key is None:
            return path[:depth]
        if not key.is_block:
            return ()
        keys = {n: k for n, (_, k) in values.inherited(key.rules.extends).items()} | {c.name: c for c in key.children}
    return ()


def _unused(values: ValuesFile, templates: Mapping[str, str], values_name: str) -> Iterator[str]:
    text = "\n".join(templates.values())
    paths = {use.path for use in uses_in(templates) if not use.cfg}
    read_by_name = set(_FIELD.findall(text)) | set(_STRING.findall(text))
    pods = {key.path[0] for key in values.walk() if key.rules.extends or key.rules.define}
    for key in sorted(values.documented(), key=lambda key: key.line):
        if key.is_block or any(path[: len(key.path)] == key.path for path in paths):
            continue
        parent_is_read = any(path and path == key.path[: len(path)] for path in paths)
        if (parent_is_read or key.path[0] in pods or key.path[0].startswith("<")) and key.name in read_by_name:
            continue
        yield f"{values_name}:{key.line}: {key.dotted} is not used by any template"


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")

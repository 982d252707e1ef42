"""The chart without what only its readers need, since Helm stores all of a chart in the Secret of every revision.

Comments of templates, comments, docstrings and annotations of Python, and the descriptions of the schema go; what is
rendered stays the same but for the text of the programs.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import re
import shutil
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

# A comment that trims the white space on both sides, as all of ours do: it leaves nothing behind. What follows may be
# moved up, for the comment would have trimmed that as well.
_COMMENT = re.compile(r"\{\{-\s*/\*(?:(?!\*/).)*\*/\s*-\}\}\n*", re.DOTALL)
_YAML_COMMENT = re.compile(r"""^\s*# .*\n|(?<=\S) +# [^"'`\n{}#]*$""", re.MULTILINE)
# White space that an action trims, and what tells it to.
_TRIMMED = re.compile(r"\s*\{\{- | -\}\}\s*")
# An action of a template, and a word in it: a string is one.
_ACTION = re.compile(r"(\{\{-?)(.*?)(-?\}\})", re.DOTALL)
_WORD = re.compile(r"""(\s*)("(?:\\.|[^"\\])*"|`[^`]*`|\(|[^\s"`(]+)""")
_NOTE = "# Comments are left out here: the project has them in chart/files.\n"


def compact(chart: Path, target: Path) -> None:
    """Write a compact copy of a chart's folder to target, which must not exist."""
    shutil.copytree(chart, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in sorted((target / "templates").rglob("*")):
        if path.is_file():
            path.write_text(without_white_space(path.read_text(encoding="utf-8")), encoding="utf-8")
    # Pods compare the files of their image with those that have their comments.
    (target / "files" / "boot.digest").write_text(boot_digest(chart))
    for path in sorted((target / "files").rglob("*.py")):
        path.write_text(_NOTE + without_comments(path.read_text(encoding="utf-8")), encoding="utf-8")
    for path in sorted((target / "files").glob("[ad]*s/*.yaml")):  # alerts and dashboards: templates read them
        path.write_text(aligned(yaml.safe_load(path.read_text(encoding="utf-8"))), encoding="utf-8")
    schema = target / "values.schema.json"
    if schema.is_file():
        described = json.loads(schema.read_text(encoding="utf-8"))
        schema.write_text(aligned(with_short_names(without_descriptions(described))), encoding="utf-8")


def boot_digest(chart: Path) -> str:
    """What airfleet.bootDigest makes of a chart's boot files."""
    folders = (chart / "files" / name for name in ("boot", "running"))
    files = sorted(path for folder in folders for path in folder.iterdir() if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def without_white_space(template: str) -> str:
    """A template without comments and without the white space that its actions trim anyway."""
    bare = _YAML_COMMENT.sub("", _COMMENT.sub("", template))
    return aligned_actions(_TRIMMED.sub(lambda found: found[0].strip().replace("-", ""), bare))


def aligned_actions(template: str) -> str:
    """A template whose actions' words begin at a multiple of three bytes, where white space stands before them (see
    aligned)."""
    text, end = "", 0
    for action in _ACTION.finditer(template):
        text += template[end : action.start()] + action[1]
        size = len(text.encode())
        for space, word in _WORD.findall(action[2]):
            gap = " " * bool(space)
            if space or text[-1] == "(":
                gap += " " * (-(size + len(gap)) % 3)
            text, size = text + gap + word, size + len((gap + word).encode())
        text += action[2][len(action[2].rstrip()) :] + action[3]
        end = action.end()
    return text + template[end:]


def without_comments(source: str) -> str:
    """A Python program without comments, docstrings and functions' annotations, which nothing reads at run time, and
    with little white space. Raises SyntaxError if it is none."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif not isinstance(node, ast.Module | ast.ClassDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    wide = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
    narrow = squeezed(wide)
    return narrow if ast.dump(ast.parse(narrow)) == ast.dump(ast.parse(wide)) else wide


def squeezed(source: str) -> str:
    """A program as `ast.unparse` writes it, with white space only where two words would become one, or where it lets a
    word begin at a multiple of three bytes (see aligned)."""
    text, depth, fresh = "", 0, True
    for kind, word in _tokens(source):
        if kind in (tokenize.INDENT, tokenize.DEDENT):
            depth += 1 if kind == tokenize.INDENT else -1
        elif kind in (tokenize.NEWLINE, tokenize.NL):
            text, fresh = text + "\n", True
        elif word:
            apart = re.fullmatch(r"[\w'\"]{2}", text[-1:] + word[0])
            text += " " * depth if fresh else " " if apart else ""
            if not fresh and len(word) > 3:  # short ones are cheaper as they are
                text += " " * (-len((_NOTE + text).encode()) % 3)
            text, fresh = text + word, False
    return text


def _tokens(source: str) -> Iterator[tuple[int, str]]:
    """Kind and text of a program's tokens; an f-string is one, as it is before Python 3.12."""
    begun: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if tokenize.tok_name[token.type] == "FSTRING_START":
            begun.append(token.start[1])
        elif tokenize.tok_name[token.type] == "FSTRING_END":
            start = begun.pop()
            if not begun:
                yield tokenize.STRING, token.line[start : token.end[1]]
        elif not begun:
            yield token.type, token.string


def aligned(value: Any, start: int = 0) -> str:
    """JSON in which every key of an object and every text in a list begins at a multiple of three bytes. Helm stores a
    chart's files as base64 and compresses that: a repetition is one only if both begin alike."""
    if not isinstance(value, dict | list) or not value:
        return json.dumps(value, separators=(",", ":"))
    text = "{" if isinstance(value, dict) else "["
    for key in value:
        text += "," if len(text) > 1 else ""
        if isinstance(key, str):
            text += " " * (-(start + len(text)) % 3)
        if isinstance(value, dict):
            text += json.dumps(key) + ":" + aligned(value[key], start + len(text) + len(json.dumps(key)) + 1)
        else:
            text += aligned(key, start + len(text))
    return text + ("}" if isinstance(value, dict) else "]")


def with_short_names(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema whose definitions are numbered: no error names them."""
    definitions = schema.get("definitions", {})
    short = {name: str(number) for number, name in enumerate(definitions)}
    text = json.dumps(schema | {"definitions": {short[name]: found for name, found in definitions.items()}})
    renamed = re.sub(r'"#/definitions/(\w+)', lambda found: f'"#/definitions/{short[found[1]]}', text)
    return cast("dict[str, Any]", json.loads(renamed))


def without_descriptions(schema: Any) -> Any:
    """A JSON schema without its descriptions; a property that is called `description` stays."""
    if isinstance(schema, dict):
        return {k: without_descriptions(v) for k, v in schema.items() if k != "description" or not isinstance(v, str)}
    if isinstance(schema, list):
        return [without_descriptions(entry) for entry in schema]
    return schema

"""The chart without what only its readers need, since Helm stores all of a chart in the Secret of every revision.

Comments of templates, comments, docstrings and annotations of Python, and the descriptions of the schema go; what is
rendered stays the same but for the text of the programs.
"""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A comment that trims the white space on both sides, as all of ours do: it leaves nothing behind. What follows may be
# moved up, for the comment would have trimmed that as well.
_COMMENT = re.compile(r"\{\{-\s*/\*(?:(?!\*/).)*\*/\s*-\}\}\n*", re.DOTALL)
_YAML_COMMENT = re.compile(r"""^\s*# .*\n|(?<=\S) +# [^"'`\n{}#]*$""", re.MULTILINE)
# White space that an action trims, and what tells it to.
_TRIMMED = re.compile(r"\s*\{\{- | -\}\}\s*")
_NOTE = "# Comments are left out here: the project has them in chart/files.\n"


def compact(chart: Path, target: Path) -> None:
    """Write a compact copy of a chart's folder to target, which must not exist."""
    shutil.copytree(chart, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in sorted((target / "templates").rglob("*")):
        if path.is_file():
            path.write_text(without_white_space(path.read_text(encoding="utf-8")), encoding="utf-8")
    for path in sorted((target / "files").rglob("*.py")):
        path.write_text(_NOTE + without_comments(path.read_text(encoding="utf-8")), encoding="utf-8")
    schema = target / "values.schema.json"
    if schema.is_file():
        described = json.loads(schema.read_text(encoding="utf-8"))
        schema.write_text(aligned(without_descriptions(described)), encoding="utf-8")


def without_white_space(template: str) -> str:
    """A template without comments and without the white space that its actions trim anyway."""
    bare = _YAML_COMMENT.sub("", _COMMENT.sub("", template))
    return _TRIMMED.sub(lambda found: found[0].strip().replace("-", ""), bare)


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
    """A program as `ast.unparse` writes it, with white space only where two words would become one."""
    text, depth, fresh = "", 0, True
    for kind, word in _tokens(source):
        if kind in (tokenize.INDENT, tokenize.DEDENT):
            depth += 1 if kind == tokenize.INDENT else -1
        elif kind in (tokenize.NEWLINE, tokenize.NL):
            text, fresh = text + "\n", True
        elif word:
            apart = re.fullmatch(r"[\w'\"]{2}", text[-1:] + word[0])
            text += " " * depth if fresh else " " if apart else ""
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
    """JSON in which every key of an object begins at a multiple of three bytes. Helm stores the chart's files as base64
    and compresses that: a repetition is one only if both begin alike."""
    if not isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"))
    text = "{"
    for key, inner in value.items():
        text += "," if len(text) > 1 else ""
        text += " " * (-(start + len(text)) % 3) + json.dumps(key) + ":"
        text += aligned(inner, start + len(text))
    return text + "}"


def without_descriptions(schema: Any) -> Any:
    """A JSON schema without its descriptions; a property that is called `description` stays."""
    if isinstance(schema, dict):
        return {k: without_descriptions(v) for k, v in schema.items() if k != "description" or not isinstance(v, str)}
    if isinstance(schema, list):
        return [without_descriptions(entry) for entry in schema]
    return schema

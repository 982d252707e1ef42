"""The chart without what only its readers need, since Helm stores all of a chart in the Secret of every revision.

Comments of templates, comments, docstrings and annotations of Python, and the descriptions of the schema go; what is
rendered stays the same but for the text of the programs.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
from pathlib import Path
from typing import Any

# A comment that trims the white space on both sides, as all of ours do: it leaves nothing behind. What follows may be
# moved up, for the comment would have trimmed that as well.
_COMMENT = re.compile(r"\{\{-\s*/\*(?:(?!\*/).)*\*/\s*-\}\}\n*", re.DOTALL)
_YAML_COMMENT = re.compile(r"^\s*# .*\n", re.MULTILINE)
_NOTE = "# Comments are left out here: the project has them in chart/files.\n"


def compact(chart: Path, target: Path) -> None:
    """Write a compact copy of a chart's folder to target, which must not exist."""
    shutil.copytree(chart, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in sorted((target / "templates").rglob("*")):
        if path.is_file():
            bare = _YAML_COMMENT.sub("", _COMMENT.sub("", path.read_text(encoding="utf-8")))
            path.write_text(bare, encoding="utf-8")
    for path in sorted((target / "files").rglob("*.py")):
        path.write_text(_NOTE + without_comments(path.read_text(encoding="utf-8")), encoding="utf-8")
    schema = target / "values.schema.json"
    if schema.is_file():
        described = json.loads(schema.read_text(encoding="utf-8"))
        schema.write_text(aligned(without_descriptions(described)), encoding="utf-8")


def without_comments(source: str) -> str:
    """A Python program without comments, docstrings and functions' annotations, which nothing reads at run time, and
    with little indentation. Raises SyntaxError if it is none."""
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
    narrow = re.sub(r"^(?: {4})+", lambda indent: " " * (len(indent[0]) // 4), wide, flags=re.MULTILINE)
    return narrow if ast.dump(ast.parse(narrow)) == ast.dump(ast.parse(wide)) else wide


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

"""How large and how repetitive the chart is."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

WINDOW = 6  # lines that make a repetition
_COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)
_NAMES = re.compile(
    r"(api-server|scheduler|dag-processor|triggerer|bootstrap|postgres|pgbouncer|workers?|apiServer|dagProcessor)"
)


def templates(chart: Path) -> dict[str, str]:
    """Path below templates/ -> text, for every file there."""
    folder = chart / "templates"
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def code_lines(text: str) -> list[str]:
    """The lines that are neither blank nor comments, without indentation, components' names made the same."""
    lines = (line.strip() for line in _COMMENT.sub("", text).splitlines())
    return [_NAMES.sub("COMPONENT", line) for line in lines if line and not line.startswith("#")]


def duplication(files: dict[str, str]) -> float:
    """The share of code lines that lie in a run of six lines which is there more than once, from 0 to 1."""
    all_lines = [code_lines(text) for text in files.values()]
    windows = Counter(tuple(lines[i : i + WINDOW]) for lines in all_lines for i in range(len(lines) - WINDOW + 1))
    repeated = 0
    for lines in all_lines:
        inside: set[int] = set()
        for i in range(len(lines) - WINDOW + 1):
            if windows[tuple(lines[i : i + WINDOW])] > 1:
                inside |= set(range(i, i + WINDOW))
        repeated += len(inside)
    return repeated / max(1, sum(len(lines) for lines in all_lines))


def defines(text: str) -> dict[str, int]:
    """Name of each define -> its number of lines."""
    starts = list(re.finditer(r'^\{\{-? define "([^"]+)"', text, re.MULTILINE))
    ends = [*(m.start() for m in starts), len(text)][1:]
    bodies = {m[1]: text[m.start() : end] for m, end in zip(starts, ends, strict=True)}
    return {name: len(_until_end(body).splitlines()) for name, body in bodies.items()}


def _until_end(body: str) -> str:
    ends = [m.end() for m in re.finditer(r"^\{\{-? end -?\}\}$", body, re.MULTILINE)]
    return body[: ends[-1]] if ends else body

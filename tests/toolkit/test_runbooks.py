"""Every runbook has the shape that docs/runbooks/README.md promises, and a live test that runs it."""

from __future__ import annotations

import re
import subprocess

import pytest

from airfleet.paths import project_root
from lab_harness import runbook as books

PAGE = """# A page
## Trigger
## Commands
- `$NEWER`: another variable
```sh run
echo one; echo two 2
```
```text
one
two ...
```
```sh
never run
```
"""


@pytest.mark.parametrize("name", books.names())
def test_a_runbook_has_its_sections_and_commands_that_run(name: str) -> None:
    book = books.runbook(name)
    assert book.sections == books.SECTIONS
    ran = {block.section for block in book.blocks}
    assert {"Commands", "Verify"} <= ran, "both need a block fenced as `sh run`"
    for block in book.blocks:
        subprocess.run(["bash", "-n", "-c", block.command], check=True)
        used = set(re.findall(r"\$\{?([A-Z_]+)", block.command))
        assert used <= {*books.VARIABLES, *book.variables}, f"line {block.line} uses a variable that nobody declares"
        for tool in re.findall(r"^\s*(?:kubectl|helm|airfleet) .*", block.command.replace("\\\n", " "), re.MULTILINE):
            assert re.search(r"context \"?\$", tool), f"line {block.line} follows the current context: {tool}"


def test_the_table_lists_every_runbook_and_nothing_else() -> None:
    table = re.findall(
        r"^\| \[[^]]+\]\(([a-z0-9-]+)\.md\) \| \S", (books.FOLDER / "README.md").read_text(), re.MULTILINE
    )
    assert sorted(table) == books.names()


def test_a_live_test_runs_every_runbook() -> None:
    live = "".join(path.read_text() for path in (project_root() / "tests" / "lab").rglob("test_*.py"))
    assert set(re.findall(r"runbook\(\"([a-z0-9-]+)\"\)", live)) == set(books.names())


def test_blocks_to_run_are_told_from_those_that_are_shown() -> None:
    book = books.parse("page", PAGE)
    assert (book.title, book.sections, book.variables) == ("A page", ("Trigger", "Commands"), ("NEWER",))
    (block,) = book.blocks
    assert (block.section, block.line, block.expected) == ("Commands", 5, ("one", "two ..."))


@pytest.mark.parametrize(
    ("output", "missing"),
    [
        ("one\ntwo 2\n", ""),
        ("zero\none\n\ntwo 3 4\n", ""),
        ("two 2\none\n", "two ..."),
        ("one\n", "two ..."),
        ("", "one"),
    ],
)
def test_expected_lines_have_to_come_in_their_order(output: str, missing: str) -> None:
    (block,) = books.parse("page", PAGE).blocks
    assert block.missing(output) == missing

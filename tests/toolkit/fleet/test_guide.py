"""The pages of docs/guide/fleet: what needs no cluster is typed, and prints what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airfleet.paths import project_root
from lab_harness.runbook import Block, parse
from lab_harness.typed import example, on_path, play, shows

FOLDER = project_root() / "docs" / "guide" / "fleet"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md"))
NEED_A_CLUSTER = re.compile(r"airfleet (plan|apply|status|verify|rollback|doctor|drift|diff --live) ?|kubectl ")


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_types_prints_what_it_shows(name: str, tmp_path: Path) -> None:
    page = parse(f"docs/guide/fleet/{name}.md", (FOLDER / f"{name}.md").read_text())
    assert page.blocks
    play(page, example(tmp_path / "fleet"), on_path(tmp_path / "bin"))


@pytest.mark.parametrize("name", PAGES)
def test_only_what_needs_a_cluster_is_not_typed(name: str) -> None:
    shown = re.findall(r"^```sh\n(.*?)^```", (FOLDER / f"{name}.md").read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in shown for line in block.splitlines()]
    assert [line for line in lines if not NEED_A_CLUSTER.match(line)] == []


@pytest.mark.parametrize("where", ["docs/README.md", "docs/guide/fleet.md"])
def test_every_page_can_be_found(where: str) -> None:
    linked = re.findall(r"\((?:guide/)?fleet/([a-z-]+)\.md\)", (project_root() / where).read_text())
    assert sorted(linked) == PAGES


@pytest.mark.parametrize(
    ("shown", "output", "same"),
    [
        ("a\nb", "a\n\nb\n", True),
        ("a\nb", "a\n", False),
        ("a", "a\nb\n", False),
        ("a ... c", "a b c\n", True),
        ("a ... c", "a b\nc\n", False),
        ("a\n...", "a\nb\nc\n", True),
        ("...\nc", "a\nb\nc\n", True),
        ("  a", "a\n", False),
        ("", "", True),
        ("", "a\n", False),
        ("a.c", "abc\n", False),
    ],
)
def test_what_is_printed_has_to_be_shown_wholly(shown: str, output: str, same: bool) -> None:
    assert shows(Block("", 1, "", tuple(filter(str.strip, shown.splitlines()))), output) is same

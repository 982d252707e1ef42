"""Runs what a runbook tells its reader to type, against a live release: docs/runbooks/README.md describes the format.

runbook("rotate-fernet-key").run(release)
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from airfleet.helm import helm
from airfleet.paths import project_root

if TYPE_CHECKING:
    from lab_harness.release import Release

FOLDER = project_root() / "docs" / "runbooks"
SECTIONS = ("Trigger", "Impact", "Before", "Commands", "Verify", "Undo", "Data loss")
VARIABLES = ("KUBECONFIG", "CONTEXT", "NAMESPACE", "RELEASE")


@dataclass(frozen=True)
class Block:
    """One fenced block that is run, and the lines that have to appear in what it prints, in this order."""

    section: str
    line: int
    command: str
    expected: tuple[str, ...] = ()
    code: int = 0

    def missing(self, output: str) -> str:
        """The first expected line that the output lacks, or nothing. Three dots stand for anything within a line."""
        lines = iter(output.splitlines())
        for wanted in self.expected:
            pattern = ".*".join(map(re.escape, wanted.strip().split("...")))
            if not any(re.search(pattern, line) for line in lines):
                return wanted
        return ""


@dataclass(frozen=True)
class Runbook:
    """A page of docs/runbooks."""

    name: str
    title: str
    sections: tuple[str, ...]
    blocks: tuple[Block, ...]
    variables: tuple[str, ...]

    def run(self, release: Release, *, only: tuple[str, ...] = SECTIONS, **variables: str) -> str:
        """Run the blocks of these sections in order, as the reader of the page would; what they printed.

        variables are those that the page declares beside the common ones. Fails with the block that failed.
        """
        return "".join(self.run_block(block, release, **variables) for block in self.blocks if block.section in only)

    def run_block(self, block: Block, release: Release, **variables: str) -> str:
        """Run one of its blocks; what it printed."""
        common = {
            "KUBECONFIG": str(release.cluster.kubeconfig),
            "CONTEXT": release.cluster.context,
            "NAMESPACE": release.namespace,
            "RELEASE": release.name,
        }
        assert set(variables) == set(self.variables), f"{self.name} declares {self.variables}"
        path = os.pathsep.join([str(tools(release)), os.environ["PATH"]])
        return self._run(block, {**common, **variables, "PATH": path})

    def _run(self, block: Block, variables: Mapping[str, str]) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.command],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=1200,  # a deadline; one of them waits for running tasks
        )
        where = f"docs/runbooks/{self.name}.md:{block.line} ({block.section})"
        assert done.returncode == block.code, f"{where} exited with {done.returncode}:\n{block.command}\n{done.stdout}"
        lacking = block.missing(done.stdout)
        assert not lacking, f"{where} did not print {lacking!r} where it should:\n{block.command}\n{done.stdout}"
        return done.stdout


def names() -> list[str]:
    """Every runbook."""
    return sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")


def runbook(name: str) -> Runbook:
    """Read a page of docs/runbooks."""
    return parse(name, (FOLDER / f"{name}.md").read_text())


def parse(name: str, text: str) -> Runbook:
    """A page from its text: blocks fenced as `sh run`, each with the block fenced as `text` that follows it.

    `sh run 2` is a block that ends with exit code 2.
    """
    title, sections, blocks, variables = "", [], [], []
    fence, body, start = "", [], 0
    for number, line in enumerate(text.splitlines(), 1):
        if fence:
            if line.strip() != "```":
                body.append(line)
                continue
            section = sections[-1] if sections else ""
            if run := re.fullmatch(r"sh run(?: (\d+))?", fence):
                blocks.append(Block(section, start, "\n".join(body), code=int(run[1] or 0)))
            elif fence == "text" and blocks and not blocks[-1].expected and blocks[-1].section == section:
                blocks[-1] = replace(blocks[-1], expected=tuple(filter(str.strip, body)))
            fence = ""
        elif line.startswith("```"):
            fence, body, start = line[3:].strip() or "plain", [], number
        elif line.startswith("# "):
            title = line[2:].strip()
        elif line.startswith("## "):
            sections.append(line[3:].strip())
        elif declared := re.match(r"- `\$([A-Z_]+)`: ", line):
            variables.append(declared[1])
    assert not fence, f"{name}: a block is not closed"
    return Runbook(name, title, tuple(sections), tuple(blocks), tuple(variables))


def tools(release: Release) -> Path:
    """A folder with `airfleet`, `kubectl` and `helm`: what a runbook expects on PATH."""
    folder = release.folder / "bin"
    folder.mkdir(exist_ok=True)
    programs = {
        "airfleet": Path(sys.executable).parent / "airfleet",
        "kubectl": release.lab.program("kubectl"),
        "helm": helm(),
    }
    for name, program in programs.items():
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(program)
    return folder

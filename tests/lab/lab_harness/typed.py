"""Pages whose commands need no cluster: typed in a copy of the example fleet, their output held against the page.

Blocks are marked as in a runbook; `sh run 2` is one that ends with that exit code. Here all that is printed has to be
shown: three dots stand for anything within a line, and on a line of their own for any number of lines.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from airfleet.helm import helm
from airfleet.paths import project_root
from lab_harness.runbook import Block, Runbook


def on_path(folder: Path) -> Path:
    """A folder for PATH with `airfleet` and `helm`: the code that is tested, whatever else is installed."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "airfleet"
    program.write_text(f"#!{sys.executable}\nfrom airfleet.cli import main\n\nmain()\n")
    program.chmod(0o755)
    (folder / "helm").symlink_to(helm())
    return folder


def example(folder: Path) -> Path:
    """A Git repository with the example fleet and its chart, committed once."""
    for name in ("values", "chart"):
        shutil.copytree(project_root() / name, folder / name)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "the fleet")
    return folder


def git(folder: Path, *argv: str) -> None:
    """Run Git there, as nobody in particular."""
    subprocess.run(["git", "-C", folder, *argv], env=_environment(), check=True)


def play(page: Runbook, folder: Path, programs: Path) -> None:
    """Type a page's blocks in a folder, one after the other. Fails at the first that is not as the page says."""
    for block in page.blocks:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.command],
            cwd=folder,
            env={**_environment(), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        where = f"{page.name}:{block.line}"
        assert done.returncode == block.code, f"{where} exited with {done.returncode}:\n{block.command}\n{done.stdout}"
        assert shows(block, done.stdout), f"{where} is not what is printed:\n{block.command}\n{done.stdout}"


def shows(block: Block, output: str) -> bool:
    """Whether what a page shows is all that was printed, but for empty lines and what it leaves out by three dots."""
    printed = "".join(f"{line.rstrip()}\n" for line in output.splitlines() if line.strip())
    return re.fullmatch(_pattern(block.expected), printed) is not None


def _pattern(lines: Sequence[str]) -> str:
    return "".join(
        r"(?:.*\n)*" if line.strip() == "..." else ".*".join(map(re.escape, line.rstrip().split("..."))) + r"\n"
        for line in lines
    )


def _environment() -> dict[str, str]:
    """What a shell has, whose Git is nobody's in particular, and what programs print comes in its order."""
    who = {
        f"GIT_{role}_{what}": "someone@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    return {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "PYTHONUNBUFFERED": "1"}

"""What a shell is offered at a TAB, by the protocol that the scripts of `airfleet --show-completion` speak."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from airfleet.paths import project_root
from lab_harness.typed import on_path

# typer itself loads pydantic
HEAVY = ("yaml", "jinja2", "kubernetes", "cryptography", "airfleet.fleet.inventory", "airfleet.lab.cli")
CLUSTERS = ["dev-eu", "dev-us", "prod-eu-1", "prod-eu-2", "prod-us-1", "prod-us-gpu", "staging-eu", "staging-us"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """`airfleet`, as the shell finds it on PATH."""
    return on_path(tmp_path / "bin") / "airfleet"


def asked(program: Path, environment: Mapping[str, str], folder: Path | None = None) -> str:
    done = subprocess.run(
        [program],
        env={**os.environ, **environment},
        cwd=folder or project_root(),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def in_bash(program: Path, line: str, folder: Path | None = None) -> list[str]:
    words = line.split(" ")
    environment = {"_AIRFLEET_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(words)}
    return asked(program, {**environment, "COMP_CWORD": str(len(words) - 1)}, folder).split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("airfleet expl", ["explain"]),
        ("airfleet do", ["doctor"]),  # not `docs`, which is hidden
        ("airfleet chart ", ["package", "images", "sbom"]),
        ("airfleet lab kub", ["kubectl"]),
        ("airfleet lint --s", ["--since", "--strict"]),
        ("airfleet export --gitops ", ["argocd", "flux"]),
        ("airfleet explain ", CLUSTERS),
        ("airfleet rollback ", CLUSTERS),
        ("airfleet explain prod-eu", ["prod-eu-1", "prod-eu-2"]),
        ("airfleet explain prod-eu-2 ", []),
        ("airfleet explain nothing", []),
    ],
)
def test_bash_is_offered_commands_options_and_clusters(program: Path, line: str, offered: list[str]) -> None:
    assert in_bash(program, line) == offered


def test_zsh_and_fish_are_offered_the_same_with_its_help(program: Path) -> None:
    line = {"_TYPER_COMPLETE_ARGS": "airfleet li"}
    assert asked(program, {"_AIRFLEET_COMPLETE": "complete_zsh", **line}) == (
        """_arguments '*: :(("lint":"Find values that say nothing, and overdue overrides."))'\n"""
    )
    fish = {"_AIRFLEET_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert asked(program, {**fish, **line}) == "lint\tFind values that say nothing, and overdue overrides.\n"
    clusters = asked(program, {**fish, "_TYPER_COMPLETE_ARGS": "airfleet rollback prod-us"})
    assert clusters.split() == ["prod-us-1", "prod-us-gpu"]


def test_the_fleet_that_is_named_counts(program: Path, tmp_path: Path) -> None:
    assert in_bash(program, f"airfleet explain --fleet {project_root() / 'values'} staging", tmp_path) == CLUSTERS[-2:]
    (tmp_path / "home").symlink_to(project_root())
    words = {"COMP_WORDS": "airfleet\nexplain\n-f\n~/home/values\nstaging", "COMP_CWORD": "4", "HOME": str(tmp_path)}
    assert asked(program, {"_AIRFLEET_COMPLETE": "complete_bash", **words}, tmp_path).split() == CLUSTERS[-2:]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"fleet.yaml": ""},
        {"fleet.yaml": "chart: [", "clusters": "a file"},
    ],
)
def test_a_fleet_that_is_missing_or_broken_is_nobody_s_error(
    program: Path, tmp_path: Path, files: Mapping[str, str]
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    assert in_bash(program, "airfleet explain ", folder) == []
    assert in_bash(program, "airfleet explain --fleet nowhere ", folder) == []


def test_names_come_from_the_names_of_files_alone(program: Path, tmp_path: Path) -> None:
    clusters = tmp_path / "clusters"
    clusters.mkdir()
    (tmp_path / "fleet.yaml").write_text("broken: [")
    for name in ("a.yaml", "b.yaml", "b.sops.yaml", "c.yml", "README.md"):
        (clusters / name).write_text("{ broken")
    assert in_bash(program, "airfleet rollback ", tmp_path) == ["a", "b"]


@pytest.mark.parametrize("line", ["airfleet ", "airfleet explain "])
def test_nothing_slow_is_loaded(line: str) -> None:
    """No command that is only listed, and of a fleet nothing that reads it."""
    words = line.split(" ")
    code = (
        "import atexit, sys; sys.argv[0] = 'airfleet'\n"
        f"atexit.register(lambda: print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr))\n"
        "from airfleet.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "_AIRFLEET_COMPLETE": "complete_bash",
            "COMP_WORDS": "\n".join(words),
            "COMP_CWORD": str(len(words) - 1),
        },
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.split()) >= len(CLUSTERS)
    assert done.stderr.strip() == "[]"


def bash(script: str, home: Path, *options: str) -> str:
    done = subprocess.run(
        ["bash", *options, "-c", script],
        env={**os.environ, "HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}"},
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


TAB = """
COMP_WORDS=(airfleet explain prod-us); COMP_CWORD=2
$(complete -p airfleet | sed 's/.*-F //; s/ .*//') airfleet prod-us explain
echo "${COMPREPLY[@]}"
"""


@pytest.mark.usefixtures("program")
def test_bash_itself_completes_with_the_script_that_is_shown(tmp_path: Path) -> None:
    assert bash('eval "$(airfleet --show-completion)"' + TAB, tmp_path) == "prod-us-1 prod-us-gpu\n"


@pytest.mark.usefixtures("program")
def test_bash_itself_completes_once_it_is_installed(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("# mine\n")
    assert "bash completion installed" in bash("airfleet --install-completion; true", tmp_path)
    assert (tmp_path / ".bashrc").read_text().startswith("# mine\n")
    assert bash('source "$HOME/.bashrc"' + TAB, tmp_path) == "prod-us-1 prod-us-gpu\n"

"""The command itself: exit codes, messages without tracebacks, and a start that loads little."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("kubernetes", "rich.table", "ruamel", "yaml", "jinja2", "cryptography", "pydantic")


def airfleet(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    command = [sys.executable, "-c", "from airfleet.cli import main; main()", *argv]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, stdin=subprocess.DEVNULL)


def test_help_lists_the_commands() -> None:
    done = airfleet("--help")
    assert done.returncode == 0
    for command in ("demo", "lab", "image", "values"):
        assert command in done.stdout


def test_the_command_starts_without_loading_what_a_sub_command_needs() -> None:
    code = f"import sys, airfleet.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("argv", [["no-such-command"], ["demo", "--no-such-option"], ["demo", "--timeout", "soon"]])
def test_wrong_usage_exits_with_64_and_no_traceback(argv: list[str]) -> None:
    done = airfleet(*argv)
    assert done.returncode == 64
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_context_that_does_not_exist_is_one_clear_error(tmp_path) -> None:  # type: ignore[no-untyped-def]
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n")
    done = airfleet("demo", "--context", "nowhere", KUBECONFIG=str(kubeconfig))
    assert done.returncode == 1
    assert "error: the context nowhere can't be used" in done.stderr
    assert str(kubeconfig) in done.stderr
    assert "Traceback" not in done.stderr

"""The policy agent's own tests: the cases of Kubernetes' NetworkPolicy conformance suite, in Go."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from airfleet.lab import programs


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_policies_mean_what_the_conformance_suite_says() -> None:
    done = subprocess.run(
        ["go", "test", "./policy"],
        cwd=programs.SOURCES / "node",
        env={**os.environ, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""The command line: data on standard output, talk on standard error, exit codes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from airfleet.errors import ExitCode
from airfleet.lab import Lab

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(airfleet: Callable[..., subprocess.Popen[str]], selftest: Lab) -> Run:
    def run(*args: str) -> tuple[int, str, str]:
        process = airfleet("lab", *args)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return run


def test_status_as_json_and_as_text(run: Run) -> None:
    code, out, _ = run("status", "--name", "selftest", "--json")
    (status,) = json.loads(out)
    assert code == ExitCode.OK
    assert status["up"]
    assert [n["ready"] for n in status["nodes"]] == [True, True]
    assert 0 <= status["cpu_cores"] < 4
    code, out, _ = run("status", "--name", "selftest")
    assert code == ExitCode.OK
    assert "selftest: up" in out
    assert "kube-apiserver           running" in out


def test_kubectl_passes_arguments_and_the_exit_code(run: Run) -> None:
    assert run("kubectl", "--name", "selftest", "--", "get", "ns", "default", "-o", "name")[:2] == (
        0,
        "namespace/default\n",
    )
    code, out, err = run("kubectl", "--name", "selftest", "--", "get", "ns", "absent")
    assert (code, out) == (1, "")
    assert "not found" in err


def test_logs_are_listed_and_printed(run: Run) -> None:
    _, out, _ = run("logs", "--name", "selftest")
    assert {"selftest-1/etcd", "selftest-2/kubelet"} <= {line.split("\t")[0] for line in out.splitlines()}
    _, out, _ = run("logs", "kubelet", "--name", "selftest", "--lines", "1")
    assert [line for line in out.splitlines() if line.startswith("==>")] == [
        "==> selftest-1/kubelet <==",
        "==> selftest-2/kubelet <==",
    ]
    assert len(out.splitlines()) == 4
    code, out, err = run("logs", "nonesuch", "--name", "selftest")
    assert (code, out) == (ExitCode.USAGE, "")
    assert "lab selftest has no log of nonesuch" in err


def test_what_is_loaded_already_is_skipped(run: Run, selftest: Lab) -> None:
    code, _, err = run("load", selftest.record.base_images, "--name", "selftest")
    assert code == ExitCode.OK
    assert err.count("already there") == 2
    assert "imported" not in err


def test_an_unknown_lab_is_one_message(run: Run) -> None:
    code, out, err = run("status", "--name", "nonesuch")
    assert (code, out) == (ExitCode.ERROR, "")
    assert err.splitlines() == ["error: there is no lab nonesuch", "  fix:   airfleet lab up --name nonesuch"]

"""However a lab ends, nothing of it is left; and what is wrong with a request is said before anything is made."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airfleet.errors import AirfleetError, ExitCode, UsageError
from airfleet.lab import Lab, state, teardown

NAME = "selftest-brief"
Traces = Callable[[str], dict[str, list[str]]]
Airfleet = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def brief() -> Iterator[Lab]:
    """A lab that is gone before and after the test."""
    lab = Lab(NAME)
    lab.down()
    yield lab
    lab.down()


def test_nothing_is_left_after_down_and_down_again(
    brief: Lab, traces_of: Traces, nothing: dict[str, list[str]], interfaces: Callable[[], set[str]]
) -> None:
    assert traces_of(NAME) == nothing
    before = interfaces()
    brief.up(nodes=1)
    found = traces_of(NAME)
    assert all(found.values()), f"these traces are not seen while a lab is up: {[k for k, v in found.items() if not v]}"
    assert interfaces() == before, "a lab has no interface in the machine's own network namespace"
    brief.down()
    assert traces_of(NAME) == nothing
    brief.down()
    assert traces_of(NAME) == nothing
    assert not brief.is_up()


def test_other_labs_are_left_alone(selftest: Lab, brief: Lab) -> None:
    brief.up(nodes=0)
    assert brief.record.index != selftest.record.index
    brief.down()
    assert selftest.is_up()
    assert selftest.kubectl("get", "--raw", "/readyz").stdout == "ok"


def test_an_api_server_alone(brief: Lab) -> None:
    phases: list[str] = []
    brief.up(nodes=0, on_phase=lambda title, seconds: phases.append(title))
    assert phases == ["certificates, network, nodes started", "API server ready"]
    assert brief.kubectl("get", "nodes", "-o", "name").stdout == ""
    brief.kubectl("create", "namespace", "made")
    assert brief.status().up


def test_down_after_a_crash(brief: Lab, traces_of: Traces, nothing: dict[str, list[str]]) -> None:
    brief.up(nodes=1)
    init = brief.record.running(brief.nodes[0])
    assert init is not None
    os.kill(init.pid, signal.SIGKILL)
    brief.down()
    assert traces_of(NAME) == nothing


def test_down_without_a_readable_record(brief: Lab, traces_of: Traces, nothing: dict[str, list[str]]) -> None:
    brief.up(nodes=0)
    (brief.record.dir / "lab.json").write_text("{")
    with pytest.raises(AirfleetError, match="can't be read"):
        brief.is_up()
    brief.down()
    assert traces_of(NAME) == nothing


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_cleans_up(
    signal_number: int, brief: Lab, airfleet: Airfleet, traces_of: Traces, nothing: dict[str, list[str]], until: Any
) -> None:
    with airfleet("lab", "up", "--name", NAME, "--nodes", "1") as process:
        until("half of it is up", lambda: len(traces_of(NAME)["processes"]) >= 5)
        os.killpg(process.pid, signal_number)
        _, talk = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED, talk
    assert "is up" not in talk
    assert traces_of(NAME) == nothing


def test_up_after_a_killed_up(
    brief: Lab, airfleet: Airfleet, traces_of: Traces, nothing: dict[str, list[str]], until: Any
) -> None:
    with airfleet("lab", "up", "--name", NAME, "--nodes", "1") as process:
        until("half of it is up", lambda: len(traces_of(NAME)["processes"]) >= 5)
        process.kill()
    assert traces_of(NAME)["processes"]
    brief.down()
    assert traces_of(NAME) == nothing
    brief.up(nodes=0)
    assert brief.is_up()


def test_a_port_in_use_is_refused_and_nothing_is_left(
    brief: Lab, traces_of: Traces, nothing: dict[str, list[str]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 can't be used"):
            brief.up(nodes=0, port=port)
    assert traces_of(NAME) == nothing
    brief.up(nodes=0, port=port)
    assert brief.record.port == port


def test_two_commands_at_once_do_not_meet(brief: Lab, traces_of: Traces, nothing: dict[str, list[str]]) -> None:
    with state.locked(NAME):
        for action in (lambda: brief.up(nodes=0), brief.down):
            with pytest.raises(AirfleetError, match=f"another airfleet command is working on lab {NAME}") as refused:
                action()
            assert refused.value.where == f"pid {os.getpid()}"
    assert traces_of(NAME) == nothing


def test_a_running_lab_is_not_started_twice(selftest: Lab) -> None:
    with pytest.raises(AirfleetError, match="lab selftest is up already"):
        selftest.up()
    assert selftest.is_up()


def test_too_short_a_time_says_so_and_cleans_up(brief: Lab, traces_of: Traces, nothing: dict[str, list[str]]) -> None:
    with pytest.raises(AirfleetError, match="not true in time that the API server is ready"):
        brief.up(nodes=1, timeout=0.5)
    assert traces_of(NAME) == nothing


def test_teardown_refuses_to_delete_what_is_mounted(brief: Lab) -> None:
    brief.up(nodes=0)
    inside = brief.record.dir / "volumes" / "other"
    inside.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(inside)], check=True)
    try:
        with pytest.raises(AirfleetError, match="something is mounted in the lab's directory"):
            teardown.remove(NAME)
        assert inside.is_dir()
    finally:
        subprocess.run(["umount", str(inside)], check=True)

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airfleet.errors import AirfleetError, UsageError
from airfleet.lab import procs, state
from airfleet.lab.procs import ProcessId
from airfleet.lab.state import LabRecord, NodeProcesses


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLEET_STATE", str(tmp_path / "state"))


def record(name: str = "one", index: int = 0) -> LabRecord:
    return LabRecord(
        name=name,
        index=index,
        nodes=(f"{name}-1", f"{name}-2"),
        workers=True,
        port=6443,
        boot=procs.boot_id(),
        programs={"kube": "/programs"},
        base_images="/base.tar",
    )


def own_process() -> ProcessId:
    found = ProcessId.of(os.getpid())
    assert found is not None
    return found


def test_a_record_is_read_as_it_was_written() -> None:
    written = record().with_node("one-1", NodeProcesses(own_process(), own_process()))
    written = written.with_node("one-2", NodeProcesses(own_process(), None))
    state.write(written)
    assert state.read("one") == written
    assert state.read("two") is None


def test_a_damaged_record_says_how_to_go_on() -> None:
    state.write(record())
    (state.lab_dir("one") / "lab.json").write_text('{"name": "one"}')
    with pytest.raises(AirfleetError, match="can't be read") as refused:
        state.read("one")
    assert refused.value.fix == "airfleet lab down --name one"


def test_every_lab_gets_a_number_of_its_own() -> None:
    assert state.free_index() == 0
    state.write(record("one", 0))
    state.write(record("three", 2))
    assert state.free_index() == 1


@pytest.mark.parametrize("name", ["", "A", "1a", "a_b", "a-", "a" * 21, "../x", "a b"])
def test_names_that_nodes_could_not_have_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        state.check_name(name)


def test_a_recorded_process_counts_only_in_its_own_boot() -> None:
    running = record().with_node("one-1", NodeProcesses(own_process(), own_process()))
    assert running.running("one-1") == own_process()
    assert running.recorded()
    rebooted = LabRecord(**{**running.__dict__, "boot": "another"})
    assert rebooted.running("one-1") is None
    assert rebooted.recorded() == []


def test_labs_of_one_name_in_two_state_directories_have_different_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state.group("one")
    monkeypatch.setenv("AIRFLEET_STATE", str(tmp_path / "elsewhere"))
    assert state.group("one") != before


def test_a_lock_is_held_once_and_leaves_no_file() -> None:
    with state.locked("one"):
        with pytest.raises(AirfleetError, match="another airfleet command is working on lab one"), state.locked("one"):
            pass
        with state.locked("two"):
            pass
    with state.locked("one"):
        pass
    assert not state.state_dir().exists()


def test_a_lock_dies_with_its_holder() -> None:
    script = (
        "import os, signal\nfrom airfleet.lab import state\n"
        "with state.locked('one'):\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert (state.state_dir() / "one.lock").exists()
    with state.locked("one"):
        pass


def test_another_process_with_the_same_pid_is_not_ours() -> None:
    ours = own_process()
    assert ours.alive()
    assert not ProcessId(ours.pid, ours.started - 1).alive()
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        found = ProcessId.of(sleeper.pid)
        assert found is not None
        procs.kill_all([ProcessId(found.pid, found.started - 1)])
        assert found.alive(), "a process that only has a recorded pid was killed"
        procs.kill_all([found])
        assert not found.alive()

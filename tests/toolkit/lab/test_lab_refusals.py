"""What a machine lacks is said before anything is made, all of it at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from airfleet.errors import AirfleetError, UsageError
from airfleet.lab import Lab, preflight, programs

Disk = namedtuple("Disk", "total used free")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_everything_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    monkeypatch.setattr(preflight, "is_root", lambda: False)
    with pytest.raises(AirfleetError) as refused:
        preflight.check_machine()
    lines = refused.value.why.splitlines()
    assert refused.value.what == "this machine can't run a lab, for 3 reasons"
    assert [line.split(":")[0] for line in lines] == [
        "a lab needs Linux, this is Darwin",
        "the lab is built for x86_64 and aarch64, this is riscv64",
        "a lab needs root (network namespaces, mounts, control groups)",
    ]
    assert "AIRFLEET_CONTEXT" in refused.value.fix


@pytest.mark.parametrize(("release", "fine"), [("6.1.0-18-amd64", True), ("5.4.0", True), ("5.3.18-lp152", False)])
def test_the_kernel_must_be_new_enough(monkeypatch: pytest.MonkeyPatch, release: str, fine: bool) -> None:
    monkeypatch.setattr("platform.release", lambda: release)
    assert (preflight._check_kernel() == "") is fine


@root_only
def test_an_ordinary_user_is_refused_for_real(tmp_path: Path) -> None:
    loaded_first = "from airfleet.lab import Lab, boot, images, preflight, programs, teardown"  # root may read them
    script = f"import os\n{loaded_first}\nos.setuid(65534)\nLab('one').up()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"AIRFLEET_STATE": str(tmp_path / "state"), "PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "this machine can't run a lab" in done.stderr
    assert "a lab needs root" in done.stderr
    assert not (tmp_path / "state").exists()


def test_a_full_disk_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLEET_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(100 << 30, 99 << 30, 1 << 30))
    assert "the disk is too full: 1.0 GiB are free" in preflight._check_space()
    with pytest.raises(AirfleetError, match="too full for building"):
        preflight.check_space(tmp_path / "not" / "made" / "yet", 7 << 30, "building")


def test_a_missing_go_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preflight, "check_machine", lambda: None)
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(AirfleetError, match=r"Go 1\.\d+\S* is needed .* no `go` on PATH") as refused:
        programs.ensure()
    assert "https://go.dev/doc/install" in refused.value.fix
    assert not list(tmp_path.glob("bin/*"))


def test_an_old_go_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "path" / "go"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho go1.19.8\n")
    old.chmod(0o755)
    monkeypatch.setattr(preflight, "check_machine", lambda: None)
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")
    with pytest.raises(AirfleetError, match=r"Go 1\.\d+\S* is needed") as refused:
        programs.ensure()
    assert refused.value.why == "it is Go 1.19.8"
    assert refused.value.where == str(old)


@root_only
def test_a_disk_that_fills_up_while_building_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a real file system of 4 MiB; Go is played by a program that writes until it can't."""
    cache, tools = tmp_path / "cache", tmp_path / "tools"
    cache.mkdir()
    tools.mkdir()
    go = tools / "go"
    go.write_text(
        "#!/bin/sh\n"
        '[ "$1" = env ] && { echo go1.99; exit; }\n'
        'mkdir -p "$GOCACHE" && head -c 64M /dev/zero >"$GOCACHE/package" && exit 0\n'
        'echo "write $GOCACHE/package: no space left on device" >&2; exit 1\n'
    )
    go.chmod(0o755)
    monkeypatch.setenv("AIRFLEET_CACHE", str(cache))
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.delenv("GOCACHE", raising=False)
    monkeypatch.setattr(programs, "_BUILD_SPACE", 1 << 20)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(cache)], check=True)
    try:
        with pytest.raises(AirfleetError, match="the disk filled up while building"):
            programs.ensure()
        left = [p for p in cache.rglob("*") if p.is_file() and p.name != "lab-build.lock"]
        assert left == []
        assert list((cache / "bin").iterdir()) == []
    finally:
        subprocess.run(["umount", str(cache)], check=True)


def test_nothing_is_built_for_a_machine_that_cannot_run_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path))
    monkeypatch.setattr(preflight, "is_root", lambda: False)
    with pytest.raises(AirfleetError, match="can't run a lab"):
        programs.ensure()


@pytest.mark.parametrize("nodes", [-1, 101])
def test_a_number_of_nodes_out_of_range_is_refused(nodes: int) -> None:
    with pytest.raises(UsageError, match="a lab can have 0 to 100 nodes"):
        Lab("one").up(nodes=nodes)


def test_questions_about_a_lab_that_is_not_there_say_how_to_make_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLEET_STATE", str(tmp_path / "state"))
    lab = Lab("one")
    assert not lab.is_up()
    for action in (lab.status, lambda: lab.load([]), lambda: lab.program("kubectl"), lambda: lab.nodes):
        with pytest.raises(AirfleetError, match="there is no lab one") as refused:
            action()
        assert refused.value.fix == "airfleet lab up --name one"

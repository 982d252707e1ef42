"""A build that cannot work ends in one error with the fix, and leaves nothing half-made."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airfleet import machine
from airfleet.errors import AirfleetError
from airfleet.image import build, ensure
from airfleet.image.build import prune
from airfleet.image.layer import Layer, pack
from airfleet.machine import ensure_commands, is_root, locked, missing


def left(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*") if path.name != ".lock"}


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache on a file system of 40 MB."""
    if not is_root():
        pytest.skip("only root may mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "airfleet-test", disk], check=True)
    monkeypatch.setenv("AIRFLEET_CACHE", str(disk))
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_without_root_the_container_engine_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path))
    monkeypatch.setattr(build, "is_root", lambda: False)
    with pytest.raises(AirfleetError, match="needs root") as caught:
        ensure("airflow")
    assert "Dockerfile" in caught.value.fix
    assert not left(tmp_path)


def test_a_small_disk_is_refused_before_anything_is_fetched(small_disk: Path) -> None:
    with pytest.raises(AirfleetError, match="no room for images") as caught:
        ensure("postgres")
    assert caught.value.where == str(small_disk / "images")
    assert "AIRFLEET_CACHE" in caught.value.fix
    assert left(small_disk) == {"images"}


def test_what_a_killed_build_left_is_cleared_by_the_next(small_disk: Path) -> None:
    (small_disk / "images" / ".build-killed" / "tree").mkdir(parents=True)
    with pytest.raises(AirfleetError, match="no room for images"):
        ensure("postgres")
    assert left(small_disk) == {"images"}


def test_a_disk_that_fills_up_midway_keeps_nothing(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "large").write_bytes(bytes(100_000_000))
    base = pack(tmp_path / "tree", None, tmp_path / "base", 0)

    def base_layer(*_: object) -> Layer:
        return base

    monkeypatch.setattr(build, "_ROOM_BYTES", 0)
    monkeypatch.setattr(build, "_base_layer", base_layer)
    with pytest.raises(AirfleetError, match="no room for images") as caught:
        ensure("airflow")
    assert "filled up" in caught.value.why
    assert left(small_disk) == {"images"}


def test_what_is_missing_is_named_all_at_once_with_the_command_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "is_root", lambda: False)
    wanted = {"sh": "dash", "no-such-command": "package-b", "/no/such/header.h": "package-a"}
    with pytest.raises(AirfleetError) as caught:
        ensure_commands(wanted)
    assert caught.value.what == "this machine lacks no-such-command, /no/such/header.h"
    assert caught.value.fix == "as root: apt-get install package-a package-b"
    assert missing({"sh": "dash"}) == {}


def test_a_lock_keeps_a_second_process_out_until_it_is_released(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    take = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    argv = ["python3", "-c", take, str(lock)]
    with locked(lock):
        assert subprocess.run(argv, check=False, stderr=subprocess.DEVNULL).returncode != 0
    assert subprocess.run(argv, check=False).returncode == 0


def test_prune_deletes_older_images_and_nothing_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path))
    images = tmp_path / "images"
    (images / "wheels-0000").mkdir(parents=True)
    current = build._archive("airflow").name
    layer = f"{build._packages()}-00000000.json"
    old = {"airflow-3.3.2-00000000.tar", "base-0000.json", "packages-0000-0000.json"}
    for name in (current, layer, *old, "lab-base-1.tar"):
        (images / name).touch()
    assert {path.name for path in prune()} == {*old, "wheels-0000"}
    assert left(images) == {current, layer, "lab-base-1.tar"}


def test_a_fresh_build_forgets_the_layer_that_all_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path))
    images = tmp_path / "images"
    images.mkdir()
    archives = {kind: build._archive(kind).name for kind in ("airflow", "postgres")}
    base = {f"{build._base().name}.{end}" for end in ("json", "tar.zst")}
    for name in (*archives.values(), *base):
        (images / name).touch()
    build.forget(["postgres"])
    assert left(images) == {archives["airflow"]}

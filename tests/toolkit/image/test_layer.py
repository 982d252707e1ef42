"""A layer says exactly what its tree has that the parent has not, and says it in the same bytes every time."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest

from airfleet.errors import AirfleetError
from airfleet.image.layer import changes, pack, write_tar
from airfleet.machine import is_root

EPOCH = 1_700_000_000


def files(root: Path, **content: str) -> Path:
    for name, text in content.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def entries(tree: Path, parent: Path | None = None) -> dict[str, tarfile.TarInfo]:
    stream = io.BytesIO()
    write_tar(tree, changes(tree, parent), stream, EPOCH)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        return {entry.name: entry for entry in tar.getmembers()}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return files(tmp_path / "tree", etc__passwd="root", etc__group="root", usr__lib__a="a", usr__lib__b="b")


@pytest.fixture
def parent(tmp_path: Path, tree: Path) -> Path:
    return files(tmp_path / "parent", etc__passwd="root", etc__group="root", usr__lib__a="a", usr__lib__b="b")


def test_a_tree_equal_to_its_parent_is_an_empty_layer_whatever_its_time_stamps(tree: Path, parent: Path) -> None:
    os.utime(tree / "etc" / "passwd", (1, 1))
    assert entries(tree, parent) == {}


def test_only_what_differs_is_in_the_layer_with_the_directories_above(tree: Path, parent: Path) -> None:
    files(tree, usr__lib__b="B", opt__new="n")
    assert list(entries(tree, parent)) == ["opt", "opt/new", "usr", "usr/lib", "usr/lib/b"]


def test_the_same_size_and_time_stamp_do_not_hide_another_content(tree: Path, parent: Path) -> None:
    files(tree, usr__lib__a="x")
    for root in (tree, parent):
        os.utime(root / "usr" / "lib" / "a", (5, 5))
    assert "usr/lib/a" in entries(tree, parent)


def test_directories_above_keep_their_mode(tree: Path, parent: Path) -> None:
    for root in (tree, parent):
        (root / "usr").chmod(0o2750)
    files(tree, usr__lib__b="B")
    assert entries(tree, parent)["usr"].mode == 0o2750


def test_a_changed_mode_is_a_change(tree: Path, parent: Path) -> None:
    (tree / "usr" / "lib" / "a").chmod(0o4755)
    assert entries(tree, parent)["usr/lib/a"].mode == 0o4755


def test_what_is_gone_leaves_one_whiteout(tree: Path, parent: Path) -> None:
    (tree / "etc" / "group").unlink()
    subprocess.run(["rm", "-r", tree / "usr"], check=True)
    found = entries(tree, parent)
    assert sorted(found) == [".wh.usr", "etc", "etc/.wh.group"]
    assert found["etc/.wh.group"].size == 0
    assert found["etc/.wh.group"].mtime == EPOCH


def test_a_directory_that_became_a_file_needs_no_whiteout(tree: Path, parent: Path) -> None:
    subprocess.run(["rm", "-r", tree / "usr"], check=True)
    files(tree, usr="a file now")
    found = entries(tree, parent)
    assert list(found) == ["usr"]
    assert found["usr"].isreg()


def test_hard_links_are_stored_once(tree: Path) -> None:
    (tree / "usr" / "lib" / "c").hardlink_to(tree / "usr" / "lib" / "a")
    found = entries(tree)
    assert found["usr/lib/a"].isreg()
    assert (found["usr/lib/c"].islnk(), found["usr/lib/c"].linkname) == (True, "usr/lib/a")


def test_a_hard_link_to_a_file_of_the_parent_is_stored_whole(tree: Path, parent: Path) -> None:
    (tree / "usr" / "lib" / "c").hardlink_to(tree / "usr" / "lib" / "a")
    assert entries(tree, parent)["usr/lib/c"].isreg()


def test_symbolic_links_are_not_followed(tree: Path, parent: Path) -> None:
    (tree / "etc" / "mtab").symlink_to("/proc/mounts")
    (tree / "lib").symlink_to("usr/lib")
    found = entries(tree, parent)
    assert found["etc/mtab"].linkname == "/proc/mounts"
    assert found["lib"].linkname == "usr/lib"
    assert "lib/a" not in found


def test_names_of_any_kind_survive(tree: Path) -> None:
    long = "d" * 120 + "/" + "f" * 200
    (tree / long).parent.mkdir()
    (tree / long).write_text("x")
    (tree / "ünï cödé\n").write_text("x")
    found = entries(tree)
    assert long in found
    assert "ünï cödé\n" in found


def test_sockets_are_left_out_and_pipes_kept(tmp_path: Path) -> None:
    root = tmp_path / "t"
    root.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
    os.mkfifo(root / "pipe")
    found = entries(root)
    assert list(found) == ["pipe"]
    assert found["pipe"].isfifo()


@pytest.mark.skipif(not is_root(), reason="only root may give files away")
def test_owners_are_kept_as_numbers(tree: Path, parent: Path) -> None:
    os.chown(tree / "etc" / "passwd", 50000, 12345)
    entry = entries(tree, parent)["etc/passwd"]
    assert (entry.uid, entry.gid, entry.uname, entry.gname) == (50000, 12345, "", "")


def test_the_same_tree_made_in_another_order_at_another_time_gives_the_same_bytes(tmp_path: Path) -> None:
    names = [f"d{i % 3}__f{i}" for i in range(30)]
    one = files(tmp_path / "one", **{name: name for name in names})
    two = files(tmp_path / "two", **{name: name for name in reversed(names)})
    os.utime(two / "d0" / "f0", (1, 1))
    first, second = (pack(root, None, tmp_path / f"{root.name}.layer", EPOCH) for root in (one, two))
    assert first.blob.read_bytes() == second.blob.read_bytes()
    assert (first.digest, first.diff_id, first.size) == (second.digest, second.diff_id, second.size)
    files(two, d0__f0="another")
    assert pack(two, None, tmp_path / "third", EPOCH).digest != first.digest


def test_unpacking_gives_the_tree_back(tmp_path: Path, tree: Path) -> None:
    layer = pack(tree, None, tmp_path / "layer", EPOCH)
    back = tmp_path / "back"
    back.mkdir()
    subprocess.run(["tar", "--zstd", "-xpf", layer.blob, "-C", back], check=True)
    assert changes(back, tree) == []
    assert (back / "etc" / "passwd").stat().st_mtime == EPOCH


def test_a_layer_that_cannot_be_written_is_an_error(tree: Path) -> None:
    (tree / "large").write_bytes(os.urandom(1 << 20))
    with pytest.raises(AirfleetError, match="zstd exited with"):
        pack(tree, None, Path("/dev/full"), EPOCH)

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from airfleet.errors import InvalidError
from airfleet.lab import images
from airfleet.lab.loading import named_digests


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").write_text("x")
    (root / "bin" / "link").symlink_to("tool")
    return root


def test_archives_are_byte_identical(root: Path, tmp_path: Path) -> None:
    packed = []
    for name in ("one.tar", "two.tar"):
        images.pack([images.Image("docker.io/a/b:1", root, command=["sh"])], tmp_path / name)
        packed.append((tmp_path / name).read_bytes())
        (root / "bin" / "tool").touch()
    assert packed[0] == packed[1]


def test_what_is_packed_is_found_again(root: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    images.pack([images.Image(f"docker.io/a/{n}:1", root, entrypoint=[n]) for n in ("b", "c")], archive)
    found = named_digests(archive)
    assert list(found) == ["docker.io/a/b:1", "docker.io/a/c:1"]
    with tarfile.open(archive) as tar:
        for digest in found.values():
            blob = tar.extractfile(f"blobs/sha256/{digest.removeprefix('sha256:')}")
            assert blob is not None
            assert json.load(blob)["layers"]


def test_a_docker_archive_names_its_images_in_full(tmp_path: Path) -> None:
    archive = tmp_path / "d.tar"
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps([{"RepoTags": ["busybox:1", "a/b:2", "example.org/c:3", "localhost:5000/d:4"]}]))
    with tarfile.open(archive, "w") as tar:
        tar.add(manifest, "manifest.json")
    names = ["docker.io/library/busybox:1", "docker.io/a/b:2", "example.org/c:3", "localhost:5000/d:4"]
    assert named_digests(archive) == dict.fromkeys(names, "")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("hello")
    empty = tmp_path / "empty.tar"
    with tarfile.open(empty, "w"):
        pass
    for path in (text, empty, tmp_path / "missing"):
        with pytest.raises(InvalidError, match="is not an image archive"):
            named_digests(path)

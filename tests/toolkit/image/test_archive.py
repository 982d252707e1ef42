"""The archive is an OCI layout and a docker archive whose digests hold."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from airfleet.image.archive import manifest_digest, write_archive
from airfleet.image.layer import Layer, pack

EPOCH = 1_700_000_000
REFERENCE = "airfleet/airflow:3.3.2-0123abcd"
CONFIG = {"User": "50000", "Env": ["A=b"]}


@pytest.fixture
def layers(tmp_path: Path) -> list[Layer]:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    return [pack(tmp_path / name, None, tmp_path / f"{name}.layer", EPOCH) for name in ("one", "two")]


@pytest.fixture
def archive(tmp_path: Path, layers: list[Layer]) -> Path:
    target = tmp_path / "archive.tar"
    digest = write_archive(target, REFERENCE, layers, CONFIG, "amd64", EPOCH)
    assert digest == manifest_digest(target)
    return target


def contents(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {entry.name: file.read() for entry in tar if (file := tar.extractfile(entry))}


def blob(parts: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    """What a descriptor points to, after checking that it is what the descriptor says."""
    content = parts[f"blobs/{descriptor['digest'].replace(':', '/')}"]
    assert len(content) == descriptor["size"]
    assert hashlib.sha256(content).hexdigest() == descriptor["digest"].removeprefix("sha256:")
    return content


def test_every_digest_and_size_holds(archive: Path, layers: list[Layer]) -> None:
    parts = contents(archive)
    assert json.loads(parts["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (described,) = json.loads(parts["index.json"])["manifests"]
    manifest = json.loads(blob(parts, described))
    config = json.loads(blob(parts, manifest["config"]))
    assert config["config"] == CONFIG
    assert (config["architecture"], config["os"]) == ("amd64", "linux")
    assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in layers]
    assert len(config["history"]) == len(layers)
    assert [blob(parts, layer) for layer in manifest["layers"]] == [layer.blob.read_bytes() for layer in layers]


def test_containerd_is_told_the_full_name_and_docker_the_short_one(archive: Path) -> None:
    parts = contents(archive)
    (described,) = json.loads(parts["index.json"])["manifests"]
    assert described["annotations"] == {
        "io.containerd.image.name": f"docker.io/{REFERENCE}",
        "org.opencontainers.image.ref.name": "3.3.2-0123abcd",
    }
    (docker,) = json.loads(parts["manifest.json"])
    assert docker["RepoTags"] == [REFERENCE]
    assert {docker["Config"], *docker["Layers"]} <= set(parts)


def test_the_same_image_gives_the_same_bytes(tmp_path: Path, archive: Path, layers: list[Layer]) -> None:
    again = tmp_path / "again.tar"
    write_archive(again, REFERENCE, layers, CONFIG, "amd64", EPOCH)
    assert again.read_bytes() == archive.read_bytes()

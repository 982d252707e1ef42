"""The chart as an archive: reproducible, installable, and the same after a registry."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from airfleet.helm import run_helm, template
from airfleet.lab import companions
from airfleet.paths import project_root
from airfleet.supply.compact import compact
from airfleet.supply.package import digest, package


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "chart"
    shutil.copytree(project_root() / "chart", copy)
    for n, file in enumerate(sorted(path for path in copy.rglob("*") if path.is_file())):
        os.utime(file, (n, n))
        file.chmod(0o600)
    one = package(project_root() / "chart", tmp_path / "one")
    two = package(copy, tmp_path / "two")
    assert digest(one) == digest(two)
    (copy / "values.yaml").write_text((copy / "values.yaml").read_text() + "# changed\n")
    assert digest(package(copy, tmp_path / "three")) != digest(one)


def test_helm_renders_the_archive_as_it_renders_the_compact_folder(tmp_path: Path) -> None:
    archive = package(project_root() / "chart", tmp_path)
    compact(project_root() / "chart", tmp_path / "chart")
    assert template(archive, release="a") == template(tmp_path / "chart", release="a")


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """A real OCI registry on a free port of this machine; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([companions.program("registry"), "-port", str(port)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline and process.poll() is None, "the registry did not start"
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_a_registry_gives_back_what_was_pushed(registry: str, tmp_path: Path) -> None:
    archive = package(project_root() / "chart", tmp_path / "out")
    name, version = archive.stem.rsplit("-", 1)
    run_helm(["push", archive, f"oci://{registry}/charts", "--plain-http"])
    run_helm(["pull", f"oci://{registry}/charts/{name}", "--version", version, "--plain-http", "-d", tmp_path])
    assert (tmp_path / archive.name).read_bytes() == archive.read_bytes()
    manifest = urllib.request.Request(f"http://{registry}/v2/charts/{name}/manifests/{version}")
    manifest.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
    assert digest(archive) in urllib.request.urlopen(manifest).read().decode()  # noqa: S310

"""Loads image archives into the nodes of a lab."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airfleet.errors import AirfleetError, InvalidError
from airfleet.lab.node import CONTAINERD_SOCKET
from airfleet.lab.state import LabRecord
from airfleet.process import run


@dataclass(frozen=True)
class Loaded:
    """One archive on one node: the images in it, and whether they had to be imported."""

    node: str
    archive: Path
    images: tuple[str, ...]
    imported: bool


def load(lab: LabRecord, archives: Sequence[Path]) -> list[Loaded]:
    """Import archives (OCI layout or `docker save`) into every node, all nodes at once; skips what a node has already.

    Raises InvalidError for a file that is no image archive, AirfleetError if a node does not take it.
    """
    contents = {archive.resolve(): named_digests(archive) for archive in archives}
    with ThreadPoolExecutor(max_workers=len(lab.nodes)) as pool:
        per_node = pool.map(lambda node: _load_node(lab, node, contents), lab.nodes)
        return [loaded for results in per_node for loaded in results]


def _load_node(lab: LabRecord, node: str, contents: dict[Path, dict[str, str]]) -> list[Loaded]:
    results = []
    present = _present(lab, node)
    for archive, images in contents.items():
        needed = not images or any(not digest or present.get(name) != digest for name, digest in images.items())
        if needed:
            _ctr(lab, node, "images", "import", "--local", str(archive))
        results.append(Loaded(node, archive, tuple(images), needed))
    return results


def _present(lab: LabRecord, node: str) -> dict[str, str]:
    rows = [line.split() for line in _ctr(lab, node, "images", "ls").splitlines()[1:]]
    return {row[0]: row[2] for row in rows}


def _ctr(lab: LabRecord, node: str, *args: str) -> str:
    init = lab.running(node)
    if init is None:
        raise AirfleetError(f"node {node} is not running", fix="airfleet lab status")
    socket = f"/proc/{init.pid}/root{CONTAINERD_SOCKET}"
    ctr = Path(lab.programs["containers"]) / "ctr"
    return run([ctr, f"--address={socket}", "--namespace=k8s.io", *args]).stdout


def named_digests(archive: Path) -> dict[str, str]:
    """The images of an archive: name -> digest, with an empty digest where only importing tells it."""
    try:
        with tarfile.open(archive) as tar:
            names = set(tar.getnames())
            if "index.json" in names:
                return _from_index(_member(tar, "index.json"))
            if "manifest.json" in names:
                tags = [tag for image in _member(tar, "manifest.json") for tag in image["RepoTags"] or []]
                return dict.fromkeys(map(_full_name, tags), "")
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError) as e:
        raise InvalidError(f"{archive} is not an image archive", why=str(e)) from e
    raise InvalidError(f"{archive} is not an image archive", why="it has neither index.json nor manifest.json")


def _from_index(index: Any) -> dict[str, str]:
    found = {}
    for manifest in index["manifests"]:
        name = manifest.get("annotations", {}).get("io.containerd.image.name")
        if name:
            found[_full_name(name)] = str(manifest["digest"])
    return found


def _member(tar: tarfile.TarFile, name: str) -> Any:
    file = tar.extractfile(name)
    return json.load(file) if file else None


def _full_name(name: str) -> str:
    """The name as containerd keeps it: `airfleet/airflow:1` is docker.io/airfleet/airflow:1."""
    first, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"

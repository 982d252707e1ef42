"""Images with an older Airflow, for tests of upgrades: the image of the project with some of its packages replaced.

A lock here lists what an older release needs in other versions than the image has: Airflow's own packages and what it
bounds. All else is the same, down to the layers. The tag is no version, since the chart refuses those of Airflow 3.2.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any, cast

from airfleet import console, image
from airfleet.image import recipe
from airfleet.image.archive import write_archive
from airfleet.image.layer import Layer, pack
from airfleet.image.pip import download_wheels, uv
from airfleet.machine import locked
from airfleet.paths import cache_dir
from airfleet.process import run

HERE = Path(__file__).parent


def archive(version: str) -> tuple[str, Path]:
    """The reference and the archive of the image with this version of Airflow; built if it is not there."""
    ref = reference(version)
    place = cache_dir() / "images" / f"older-{version}-{ref.rpartition('-')[2]}.tar"
    if not place.is_file():
        current = image.ensure("airflow").archive
        with (
            locked(place.with_suffix(".lock")),
            console.step(f"image {ref}"),
            tempfile.TemporaryDirectory(dir=place.parent, prefix=".build-older-") as scratch,
        ):
            _build(version, ref, current, Path(scratch)).replace(place)
    return ref, place


def reference(version: str) -> str:
    """Its name and tag, which follow from what it is made of."""
    inputs = (
        recipe.digest("airflow").encode(),
        *((HERE / n).read_bytes() for n in (f"{version}.lock", "install-older")),
    )
    digest = hashlib.sha256(b"\0".join(inputs)).hexdigest()
    return f"airfleet/airflow:from-{version}-{digest[:8]}"


def _build(version: str, ref: str, current: Path, scratch: Path) -> Path:
    config, layers = _taken_apart(current, scratch)
    trees = [scratch / name for name in ("before", "after")]
    for tree in trees:
        tree.mkdir()
        for layer in layers:
            argv = ["tar", "--extract", "--file", layer.blob, "--zstd", "--numeric-owner", "--same-permissions"]
            run([*argv, "--directory", tree])
    before, after = trees
    inputs = scratch / "older"
    inputs.mkdir()
    shutil.copy(HERE / "install-older", inputs)
    shutil.copy(HERE / f"{version}.lock", inputs / "older.lock")
    download_wheels(inputs / "older.lock", scratch / "wheels", recipe.versions().python)
    mounts = {"inputs": recipe.inputs_dir(), "older": inputs, "wheels": scratch / "wheels", "uv": uv().parent}
    shared = [f"{name}={place}" for name, place in mounts.items()]
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--net"]
    inside = ["sh", recipe.inputs_dir() / "in-rootfs", after, *shared, "--", "bash", "/mnt/older/install-older"]
    epoch = recipe.versions().epoch
    run([*namespaces, *inside], env={"SOURCE_DATE_EPOCH": str(epoch)})
    layers.append(pack(after, before, scratch / "older.tar.zst", epoch))
    config["Env"] = [
        each if not each.startswith("AIRFLOW_VERSION=") else f"AIRFLOW_VERSION={version}" for each in config["Env"]
    ]
    write_archive(scratch / "archive", ref, layers, config, recipe.architecture(), epoch)
    return scratch / "archive"


def _taken_apart(current: Path, scratch: Path) -> tuple[dict[str, Any], list[Layer]]:
    """The configuration of a container of an image, and its layers as files."""
    with tarfile.open(current) as tar:
        tar.extractall(scratch / "oci", filter="data")
    blob = lambda digest: scratch / "oci" / "blobs" / "sha256" / digest.removeprefix("sha256:")
    index = json.loads((scratch / "oci" / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    about = json.loads(blob(manifest["config"]["digest"]).read_text())
    pairs = zip(manifest["layers"], about["rootfs"]["diff_ids"], strict=True)
    layers = [Layer(blob(each["digest"]), each["digest"], diff_id, each["size"]) for each, diff_id in pairs]
    return cast(dict[str, Any], about["config"]), layers

"""The image archive: an OCI layout in a tar file, which is a docker archive as well, the same bytes every time."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from airfleet.image.layer import Layer

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"


def write_archive(
    target: Path, reference: str, layers: Sequence[Layer], config: dict[str, Any], architecture: str, epoch: int
) -> str:
    """Write the archive that `ctr images import` and `docker load` take, and return the digest of its manifest.

    config is the `config` of the image configuration: entrypoint, user, environment and so on.
    """
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    platform = {"architecture": architecture, "os": "linux"}
    image = {
        **platform,
        "created": created,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": created, "created_by": "airfleet image build"} for _ in layers],
    }
    image_blob = _json(image)
    manifest_blob = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, image_blob),
            "layers": [{"mediaType": _LAYER, "digest": layer.digest, "size": layer.size} for layer in layers],
        }
    )
    manifest = _descriptor(_MANIFEST, manifest_blob)
    names = {
        "io.containerd.image.name": f"docker.io/{reference}",
        "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
    }
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [{**manifest, "platform": platform, "annotations": names}],
    }
    docker = [
        {
            "Config": _blob_path(_descriptor(_CONFIG, image_blob)["digest"]),
            "RepoTags": [reference],
            "Layers": [_blob_path(layer.digest) for layer in layers],
        }
    ]
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}), epoch)
        _add(tar, "index.json", _json(index), epoch)
        _add(tar, "manifest.json", _json(docker), epoch)
        _add(tar, _blob_path(manifest["digest"]), manifest_blob, epoch)
        _add(tar, _blob_path(_descriptor(_CONFIG, image_blob)["digest"]), image_blob, epoch)
        for layer in layers:
            _add(tar, _blob_path(layer.digest), layer.blob, epoch)
    return str(manifest["digest"])


def manifest_digest(archive: Path) -> str:
    """The digest of the image in an archive that write_archive made."""
    with tarfile.open(archive) as tar:
        index = json.load(cast(BinaryIO, tar.extractfile("index.json")))
    return str(index["manifests"][0]["digest"])


def _add(tar: tarfile.TarFile, name: str, content: bytes | Path, epoch: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.mtime = 0o644, epoch
    if isinstance(content, bytes):
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    else:
        entry.size = content.stat().st_size
        with content.open("rb") as file:
            tar.addfile(entry, file)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}", "size": len(blob)}


def _blob_path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"

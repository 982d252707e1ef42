"""The images that every node needs (pause, CoreDNS, a toolbox for tests), packed without a container engine."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from airfleet.console import step
from airfleet.machine import locked
from airfleet.paths import cache_dir
from airfleet.process import run

PAUSE = "docker.io/airfleet/pause:1"
COREDNS = "docker.io/airfleet/coredns:1"
TOOLBOX = "docker.io/airfleet/toolbox:1"

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_EPOCH = "1970-01-01T00:00:00Z"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """A one-layer image: its name, the directory that is its file system, and what it runs."""

    name: str
    root: Path
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    user: str = "65534:65534"


def ensure(programs: dict[str, str]) -> Path:
    """The archive of the base images, packed if it is not in the cache yet."""
    busybox = Path(shutil.which("busybox") or "busybox")
    sources = [Path(__file__), Path(__file__).parent / "images" / "pause.c", busybox]
    h = hashlib.sha256(programs["kube"].encode())
    for source in sources:
        h.update(source.read_bytes())
    archive = cache_dir() / "images" / f"lab-base-{h.hexdigest()[:16]}.tar"
    if archive.is_file():
        return archive
    with locked(cache_dir() / "lab-build.lock"), step("pack the lab's base images"):
        archive.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".lab-base-") as scratch:
            images = [_pause(Path(scratch)), _coredns(Path(scratch), programs), _toolbox(Path(scratch), busybox)]
            packed = Path(scratch) / "archive.tar"
            pack(images, packed)
            packed.rename(archive)
    return archive


def _pause(scratch: Path) -> Image:
    root = scratch / "pause"
    root.mkdir()
    run(["gcc", "-Os", "-static", "-s", "-o", root / "pause", Path(__file__).parent / "images" / "pause.c"])
    return Image(PAUSE, root, entrypoint=["/pause"], user="65535:65535")


def _coredns(scratch: Path, programs: dict[str, str]) -> Image:
    root = scratch / "coredns"
    root.mkdir()
    shutil.copy(Path(programs["kube"]) / "coredns", root / "coredns")
    return Image(COREDNS, root, entrypoint=["/coredns"], user="65532:65532")


def _toolbox(scratch: Path, busybox: Path) -> Image:
    root = scratch / "toolbox"
    for directory in ("bin", "etc", "tmp", "root", "home"):
        (root / directory).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy(busybox, root / "bin" / "busybox")
    for library in shared_libraries(busybox):
        target = root / str(library).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    for applet in run([busybox, "--list"]).stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (root / "etc" / "nsswitch.conf").write_text("hosts: files dns\n")
    return Image(TOOLBOX, root, command=["sh"])


def shared_libraries(program: Path) -> list[Path]:
    """What a dynamically linked program loads; nothing for a static one."""
    listed = run(["ldd", program], check=False)
    words = listed.stdout.split() if listed.code == 0 else []
    return [Path(w) for w in words if w.startswith("/")]


def pack(images: list[Image], target: Path) -> None:
    """Write images as one OCI archive, byte-identical for identical files."""
    blobs: dict[str, bytes] = {}
    manifests = [_add_image(image, blobs) for image in images]
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    }
    with tarfile.open(target, "w") as archive:
        _add_file(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add_file(archive, "index.json", json.dumps(index).encode())
        for digest, content in sorted(blobs.items()):
            _add_file(archive, f"blobs/sha256/{digest}", content)


def _add_image(image: Image, blobs: dict[str, bytes]) -> dict[str, object]:
    def add(kind: str, content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    layer = _layer(image.root)
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": _EPOCH,
        "config": {
            "Entrypoint": image.entrypoint,
            "Cmd": image.command,
            "User": image.user,
            "Env": [_PATH],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        "history": [{"created": _EPOCH, "created_by": "airfleet"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add("config.v1+json", json.dumps(config, sort_keys=True).encode()),
        "layers": [add("layer.v1.tar+gzip", gzip.compress(layer, 1, mtime=0))],
    }
    return {
        **add("manifest.v1+json", json.dumps(manifest, sort_keys=True).encode()),
        "platform": {"architecture": architecture, "os": "linux"},
        "annotations": {"io.containerd.image.name": image.name},
    }


def _layer(root: Path) -> bytes:
    """The directory as a tar whose bytes depend on names, modes and contents only."""

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(root.rglob("*")):
            archive.add(path, str(path.relative_to(root)), recursive=False, filter=anonymous)
    return buffer.getvalue()


def _add_file(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    archive.addfile(entry, io.BytesIO(content))

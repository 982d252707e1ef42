"""Images, built when they are asked for first and kept in the cache under the tag that their inputs give them."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from airfleet import console
from airfleet.errors import AirfleetError
from airfleet.image import recipe
from airfleet.image.archive import manifest_digest, write_archive
from airfleet.image.layer import Layer, pack
from airfleet.image.pgbouncer import make_pgbouncer
from airfleet.image.pip import download_wheels
from airfleet.image.recipe import Kind
from airfleet.image.rootfs import add_airflow, make_base, make_postgres, unpack
from airfleet.machine import ensure_commands, is_root, locked
from airfleet.paths import cache_dir
from airfleet.process import run

_COMMANDS = {
    "apt-config": "apt",
    "chroot": "coreutils",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "tar": "tar",
    "unshare": "util-linux",
    "zstd": "zstd",
}
# Debian's own archive is verified with this wherever the machine is not a Debian.
_KEYRING = {"/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring"}
_ROOM_BYTES = 2 * 1000**3  # the trees of one image, its layers and its archive
_NEARLY_NOTHING_BYTES = 8 * 1000**2
_KEPT = ("airflow-*.tar", "postgres-*.tar", "pgbouncer-*.tar", "base-*", "packages-*", "wheels-*")
_Step = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Image:
    """A built image. ref is its name and tag, archive an OCI archive, digest the manifest's, size in bytes."""

    kind: Kind
    ref: str
    archive: Path
    digest: str
    size: int


def ensure(name: str, say: Callable[[str], None] | None = None) -> Image:
    """The image of this kind (recipe.KINDS); built into the cache if it is not there, which takes a minute.

    say is told each step; without it the steps go to standard error. Needs root to build, and Debian's mmdebstrap.
    Raises AirfleetError, and leaves nothing half-made, if that is not given, the disk is full or a download fails.
    """
    kind = recipe.kind_of(name)
    if found := find(kind):
        return found
    _require_root(kind)
    step: _Step = console.step if say is None else partial(_told, say)
    directory = images_dir()
    with locked(directory / ".lock"):
        if found := find(kind):
            return found
        for cut_off in directory.glob(".build-*"):
            shutil.rmtree(cut_off)
        ensure_commands({**_COMMANDS, **_KEYRING})
        _require_room(directory)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".build-") as work, _disk_full_explained(directory):
            _build(kind, Path(work), step)
        return _image(kind)


def find(kind: Kind) -> Image | None:
    """The image if the cache holds it."""
    return _image(kind) if _archive(kind).is_file() else None


def images_dir() -> Path:
    """Where the archives and the shared layer are kept."""
    return cache_dir() / "images"


def prune() -> list[Path]:
    """Delete from the cache what this checkout does not use: older archives, shared layers and wheels.

    What others keep there stays. Returns what was deleted.
    """
    used = {_archive(kind).name for kind in recipe.KINDS} | {_wheels().name}
    used |= {f"{_base().name}.{end}" for end in ("tar.zst", "json")}
    with locked(images_dir() / ".lock"):
        ours = [path for name in _KEPT for path in images_dir().glob(name)]
        unused = sorted(path for path in ours if path.name not in used and not path.name.startswith(_packages()))
        for path in unused:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    return unused


def forget(kinds: Iterable[Kind]) -> None:
    """Delete these images and the layer that they share: the next build takes the Debian packages of its day."""
    with locked(images_dir() / ".lock"):
        for path in [*map(_archive, kinds), *images_dir().glob(f"{_base().name}.*")]:
            path.unlink(missing_ok=True)


def _build(kind: Kind, work: Path, step: _Step) -> None:
    layers = [] if kind == "pgbouncer" else [_base_layer(work, step)]
    with step(f"image {recipe.reference(kind)}: files"):
        if kind == "pgbouncer":
            layers.append(_pgbouncer_layer(work))
        elif kind == "postgres":
            layers.append(_postgres_layer(work, layers[0]))
        else:
            layers.append(_airflow_layer(kind, work, layers[0]))
        if kind == "airflow":
            layers.append(_boot_layer(work))
    with step(f"image {recipe.reference(kind)}: archive"):
        config, epoch = recipe.container_config(kind), recipe.versions().epoch
        archive = work / "archive"
        write_archive(archive, recipe.reference(kind), layers, config, recipe.architecture(), epoch)
        archive.replace(_archive(kind))


def _base_layer(work: Path, step: _Step) -> Layer:
    """The layer that the images share, kept so that they go on sharing it when Debian publishes updates."""

    def make(tree: Path) -> Layer:
        with step("image layer that all share: Debian packages"):
            make_base(tree, work)
            return pack(tree, None, work / "base.tar.zst", recipe.versions().epoch)

    return _kept(_base(), work / "base-tree", make)


def _airflow_layer(kind: Kind, work: Path, base: Layer) -> Layer:
    """Airflow; kept, for the boot files above it change more often."""

    def make(tree: Path) -> Layer:
        unpack(base.blob, work / "base")
        unpack(base.blob, tree)
        add_airflow(tree, _downloaded_wheels(), bytecode=kind == "airflow")
        return pack(tree, work / "base", work / "airflow.tar.zst", recipe.versions().epoch)

    place = images_dir() / f"{_packages()}-{base.diff_id[-8:]}"
    return _kept(place, work / "airflow-tree", make) if kind == "airflow" else make(work / "airflow-tree")


def _postgres_layer(work: Path, base: Layer) -> Layer:
    unpack(base.blob, work / "base")
    make_postgres(work / "postgres-tree", work)
    return pack(work / "postgres-tree", work / "base", work / "postgres.tar.zst", recipe.versions().epoch)


def _pgbouncer_layer(work: Path) -> Layer:
    make_pgbouncer(work / "pgbouncer-tree", work)
    return pack(work / "pgbouncer-tree", None, work / "pgbouncer.tar.zst", recipe.versions().epoch)


def _boot_layer(work: Path) -> Layer:
    """The chart's boot files."""
    tree = work / "boot-tree"
    for directory in (tree, tree / "opt", tree / "opt" / "airfleet"):
        directory.mkdir()
        directory.chmod(0o755)
    install_boot(tree / "opt" / "airfleet" / "boot")
    return pack(tree, None, work / "boot.tar.zst", recipe.versions().epoch)


def install_boot(target: Path) -> None:
    """Lay the chart's boot files out in a directory that becomes an image's /opt/airfleet/boot."""
    run(["sh", recipe.inputs_dir() / "install-boot", recipe.chart_files(), target])


def _kept(place: Path, tree: Path, make: Callable[[Path], Layer]) -> Layer:
    """The layer that is kept under a name, or else one that is made from a tree that is deleted afterwards."""
    blob, about = place.with_name(f"{place.name}.tar.zst"), place.with_name(f"{place.name}.json")
    if blob.is_file() and about.is_file():
        return Layer(blob, **json.loads(about.read_text()))
    packed = make(tree)
    shutil.rmtree(tree)
    packed.blob.replace(blob)
    facts = {name: value for name, value in asdict(packed).items() if name != "blob"}
    written = tree.with_suffix(".json")
    written.write_text(json.dumps(facts))
    written.replace(about)
    return replace(packed, blob=blob)


def _downloaded_wheels() -> Path:
    place = _wheels()
    if not place.is_dir():
        download_wheels(recipe.inputs_dir() / "requirements.lock", place, recipe.versions().python)
    return place


def _image(kind: Kind) -> Image:
    archive = _archive(kind)
    return Image(kind, recipe.reference(kind), archive, manifest_digest(archive), archive.stat().st_size)


def _archive(kind: Kind) -> Path:
    return images_dir() / f"{recipe.reference(kind).removeprefix('airfleet/').replace(':', '-')}.tar"


def _base() -> Path:
    return images_dir() / f"base-{recipe.base_digest()}"


def _packages() -> str:
    """How the name of Airflow's layer begins; the layer that it lies on follows."""
    return f"packages-{recipe.packages_digest('airflow')}"


def _wheels() -> Path:
    lock = (recipe.inputs_dir() / "requirements.lock").read_bytes()
    return images_dir() / f"wheels-{hashlib.sha256(lock).hexdigest()[:16]}"


def _require_root(kind: Kind) -> None:
    if not is_root():
        raise AirfleetError(
            f"building {recipe.reference(kind)} needs root",
            why="Debian packages are installed into a root file system of their own",
            fix="run this command as root; or build scripts/image/Dockerfile with a container engine",
        )


def _require_room(directory: Path) -> None:
    free = shutil.disk_usage(directory).free
    if free < _ROOM_BYTES:
        raise _disk_full(
            directory, f"an image takes {_ROOM_BYTES / 1e9:.0f} GB while it is built; {free / 1e9:.1f} GB are free"
        )


@contextmanager
def _disk_full_explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except (AirfleetError, OSError) as e:
        # Programs say it in the user's language; what is left tells as well, before the clean-up.
        if "No space left on device" in str(e) or shutil.disk_usage(directory).free < _NEARLY_NOTHING_BYTES:
            raise _disk_full(directory, "it filled up while an image was built; nothing of it was kept") from e
        raise


def _disk_full(directory: Path, why: str) -> AirfleetError:
    fix = "free some (`airfleet image prune` deletes images of older versions), or set AIRFLEET_CACHE to another disk"
    return AirfleetError("there is no room for images", where=str(directory), why=why, fix=fix)


@contextmanager
def _told(say: Callable[[str], None], title: str) -> Iterator[None]:
    say(title)
    yield

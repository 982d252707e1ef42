"""Root file systems for the images, made from Debian packages and locked wheels with no network inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from airfleet.image.apt import debian_sources, reach_settings
from airfleet.image.pip import uv
from airfleet.image.recipe import inputs_dir, packages, versions
from airfleet.process import run

# Documentation and translations that no container reads; licences stay.
_LEFT_OUT = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)


def make_base(rootfs: Path, work: Path) -> None:
    """Debian with the packages of every image, at rootfs."""
    _debootstrap(rootfs, work, packages("base"))
    _inside(rootfs, ["sh", "/mnt/inputs/prepare-base"])


def make_postgres(rootfs: Path, work: Path) -> None:
    """Debian with the packages of every image and PostgreSQL, at rootfs."""
    before = [f"--essential-hook={inputs_dir() / 'postgres-user'}"]
    _debootstrap(rootfs, work, [*packages("base"), *packages("postgres")], before)
    _inside(rootfs, ["bash", "/mnt/inputs/prepare-postgres", versions().postgres])
    _inside(rootfs, ["sh", "/mnt/inputs/prepare-base"])


def add_airflow(rootfs: Path, wheels: Path, *, bytecode: bool) -> None:
    """Airflow, from the wheels of its lock, into a base tree at rootfs."""
    shared = {"wheels": wheels, "uv": uv().parent}
    command = ["bash", "/mnt/inputs/install-airflow", "yes" if bytecode else "no"]
    _inside(rootfs, command, shared)


def unpack(layer: Path, rootfs: Path) -> None:
    """A packed layer that has no parent, as a tree at rootfs."""
    rootfs.mkdir()
    run(["tar", "--extract", "--file", layer, "--zstd", "--numeric-owner", "--same-permissions", "--directory", rootfs])


def _debootstrap(rootfs: Path, work: Path, include: Sequence[str], options: Sequence[str] = ()) -> None:
    """Install Debian packages at rootfs. Where the archive is, and how to reach it, stays out of it."""
    # By file, since both may hold the credentials of a private mirror or proxy.
    settings = _private_file(work / "apt.conf", reach_settings() + 'APT::Install-Recommends "false";\n')
    sources = debian_sources(versions().debian)
    mirror = [str(_private_file(work / "sources.list", sources))] if sources else []
    dpkg = [f"--dpkgopt={option}" for option in (*_LEFT_OUT, "force-unsafe-io")]
    run(
        [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            "--components=main",
            f"--include={','.join(include)}",
            f"--aptopt={settings}",
            *dpkg,
            *options,
            versions().debian,
            str(rootfs),
            *mirror,
        ],
        env=_environment(),
    )
    # Every container gets its devices from its runtime.
    for device in (rootfs / "dev").iterdir():
        if device.is_dir() and not device.is_symlink():
            device.rmdir()
        else:
            device.unlink()


def _inside(rootfs: Path, command: Sequence[str], shared: Mapping[str, Path] | None = None) -> None:
    directories = {"inputs": inputs_dir(), **(shared or {})}
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--net"]
    mounts = [f"{name}={directory}" for name, directory in directories.items()]
    run([*namespaces, "sh", str(inputs_dir() / "in-rootfs"), str(rootfs), *mounts, "--", *command], env=_environment())


def _environment() -> dict[str, str]:
    return {"SOURCE_DATE_EPOCH": str(versions().epoch)}


def _private_file(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path

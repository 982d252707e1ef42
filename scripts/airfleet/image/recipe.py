"""What the images are made of, and the tag that follows from it: the inputs' digest, so it is known before a build."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Literal, get_args

from airfleet.errors import AirfleetError, UsageError
from airfleet.paths import project_root

Kind = Literal["airflow", "airflow-stock", "postgres", "pgbouncer"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# The files of scripts/image, and the modules of this package, that decide what is in a layer.
_BASE_INPUTS = ("versions.toml", "base.packages", "in-rootfs", "prepare-base", "compile-bytecode")
_AIRFLOW_INPUTS = ("airflow.config.json", "requirements.lock", "install-airflow", "entrypoint", "clean-logs")
_BOOT_INPUTS = ("install-boot",)
_POSTGRES_INPUTS = (
    "postgres.config.json",
    "postgres.packages",
    "postgres-user",
    "prepare-postgres",
    "postgres-entrypoint",
)
# Its own Debian release and no shared layer: bookworm's PgBouncer is too old to keep prepared statements apart.
PGBOUNCER, PGBOUNCER_DEBIAN = "1.24", "trixie"
_PGBOUNCER_INPUTS = ("pgbouncer.config.json", "prepare-pgbouncer", "in-rootfs")
_BUILDER = ("rootfs.py", "layer.py", "archive.py")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Versions:
    """The content of scripts/image/versions.toml that says what goes into the images."""

    airflow: str
    python: str
    postgres: str
    debian: str
    epoch: int


def inputs_dir() -> Path:
    """The folder with the inputs of the images."""
    return project_root() / "scripts" / "image"


@functools.cache
def versions() -> Versions:
    """What scripts/image/versions.toml says."""
    found = tomllib.loads((inputs_dir() / "versions.toml").read_text())
    return Versions(found["airflow"], found["python"], found["postgres"], found["debian"], found["source-date-epoch"])


def architecture() -> str:
    """This machine's architecture as image registries write it; the images are made for it."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        known = " or ".join(_ARCHITECTURES)
        raise AirfleetError(f"images are made on {known}", why=f"this machine is {machine}")
    return _ARCHITECTURES[machine]


def kind_of(name: str) -> Kind:
    """The image that a user means. Raises UsageError that lists them all."""
    for kind in KINDS:
        if kind == name:
            return kind
    raise UsageError(f"there is no image {name!r}", fix=f"name one of {', '.join(KINDS)}")


def chart_files() -> Path:
    """The folder of the chart's files."""
    return project_root() / "chart" / "files"


def boot_files() -> list[Path]:
    """The chart's own programs in Airflow's pods, for boot.source: image; the lab's stock image has none of them."""
    return sorted(path for folder in ("boot", "running") for path in (chart_files() / folder).glob("airfleet_*"))


def base_digest() -> str:
    """What names the layer that the images share: 16 hexadecimal digits."""
    return _digest(_BASE_INPUTS, "base")


def packages_digest(kind: Kind) -> str:
    """What names the layer above it, with the packages of the image: 16 hexadecimal digits."""
    return _digest((*_BASE_INPUTS, *(_POSTGRES_INPUTS if kind == "postgres" else _AIRFLOW_INPUTS)), kind)


def digest(kind: Kind) -> str:
    """What names everything that goes into an image: 16 hexadecimal digits."""
    if kind == "pgbouncer":
        return _digest(_PGBOUNCER_INPUTS, f"{kind} {PGBOUNCER_DEBIAN} {versions().epoch}")
    return _digest(_BOOT_INPUTS, packages_digest(kind), boot_files()) if kind == "airflow" else packages_digest(kind)


def reference(name: str) -> str:
    """The name and tag of an image, such as `airfleet/airflow:3.3.2-1a2b3c4d`; nothing is built to know it.

    Only the lab's images are called so, never the official ones. Raises UsageError if there is no such image.
    """
    kind = kind_of(name)
    if kind == "postgres":
        return f"airfleet/postgres:{versions().postgres}-{digest(kind)[:8]}"
    if kind == "pgbouncer":
        return f"airfleet/pgbouncer:{PGBOUNCER}-{digest(kind)[:8]}"
    variant = "-stock" if kind == "airflow-stock" else ""
    return f"airfleet/airflow:{versions().airflow}{variant}-{digest(kind)[:8]}"


def packages(name: str) -> list[str]:
    """The Debian packages that scripts/image/NAME.packages lists."""
    lines = (inputs_dir() / f"{name}.packages").read_text().splitlines()
    return [package for line in lines if (package := line.partition("#")[0].strip())]


def container_config(kind: Kind) -> dict[str, Any]:
    """How a container of the image starts: the `config` of an OCI image configuration."""
    text = (inputs_dir() / f"{kind.removesuffix('-stock')}.config.json").read_text()
    known = {"airflow": versions().airflow, "postgres": versions().postgres, "pgbouncer": PGBOUNCER}
    config: dict[str, Any] = json.loads(Template(text).substitute(known))
    return config


def _digest(names: Iterable[str], salt: str, others: Iterable[Path] = ()) -> str:
    files = [inputs_dir() / name for name in names] + [Path(__file__).with_name(name) for name in _BUILDER] + [*others]
    whole = hashlib.sha256(f"{salt} {architecture()}\n".encode())
    for file in files:
        content = file.read_bytes()
        whole.update(f"{file.name} {len(content)}\n".encode() + content)
    return whole.hexdigest()[:16]

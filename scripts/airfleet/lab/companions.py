"""Programs of others that tests need (an S3 server, an exporter, linters), built from pinned Go modules like the lab.

Each is one package of one module in a folder of lab/go that carries its name. It is built when something asks for it,
so `lab up` never waits for it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from airfleet.console import step
from airfleet.errors import UsageError
from airfleet.lab import images, programs
from airfleet.machine import locked
from airfleet.paths import cache_dir

# name -> (module, package)
_PACKAGES: Mapping[str, tuple[str, str]] = {
    "registry": ("github.com/google/go-containerregistry", "github.com/google/go-containerregistry/cmd/registry"),
    "kustomize-controller": ("github.com/fluxcd/kustomize-controller", "github.com/fluxcd/kustomize-controller"),
    "metrics-server": ("sigs.k8s.io/metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"),
    "helmfile": ("github.com/helmfile/helmfile", "github.com/helmfile/helmfile"),
    "kube-score": ("github.com/zegl/kube-score", "github.com/zegl/kube-score/cmd/kube-score"),
    "promtool": ("github.com/prometheus/prometheus", "github.com/prometheus/prometheus/cmd/promtool"),
    "statsd-exporter": ("github.com/prometheus/statsd_exporter", "github.com/prometheus/statsd_exporter"),
    "versitygw": ("github.com/versity/versitygw", "github.com/versity/versitygw/cmd/versitygw"),
}


@dataclass(frozen=True)
class CompanionImage:
    """An image in the cache: its reference, as a pod names it, and the archive that `Lab.load` takes."""

    ref: str
    archive: Path


def names() -> list[str]:
    """Every companion, sorted."""
    return sorted(_PACKAGES)


def version(name: str) -> str:
    """The version that the companion's go.mod requires, such as `v1.2.3`. Raises UsageError for an unknown name."""
    module, _ = _package(name)
    return programs.required(programs.SOURCES / name / "go.mod", module)


def program(name: str) -> Path:
    """The companion's program, built if it is not in the cache yet. Raises AirfleetError if the build fails."""
    _, package = _package(name)
    module = programs.Module(name, f"{name} {version(name)}", (programs.Build((package,)),))
    if not programs.destination(module).is_dir():  # a folder comes into being whole, so nobody waits for others' builds
        with locked(cache_dir() / "lab-build.lock"):
            programs.build(module)
    return programs.destination(module) / package.rsplit("/", 1)[-1]


def image(name: str) -> CompanionImage:
    """An image that holds the companion's program and nothing else, and runs it as an ordinary user."""
    built = program(name)
    ref = f"docker.io/airfleet/{name}:{version(name)}"
    archive = cache_dir() / "images" / f"{built.parent.name}.tar"
    if not archive.is_file():
        with (
            locked(archive.with_name(f".{name}.lock")),
            step(f"pack {name}"),
            tempfile.TemporaryDirectory(dir=archive.parent, prefix=".companion-") as scratch,
        ):
            root = Path(scratch) / "root"
            (root / "tmp").mkdir(parents=True)
            (root / "tmp").chmod(0o1777)
            (root / built.name).hardlink_to(built)
            packed = Path(scratch) / "archive.tar"
            images.pack([images.Image(ref, root, entrypoint=[f"/{built.name}"])], packed)
            packed.rename(archive)
    return CompanionImage(ref, archive)


def _package(name: str) -> tuple[str, str]:
    if name not in _PACKAGES:
        raise UsageError(f"there is no companion {name!r}", fix=f"name one of {', '.join(names())}")
    return _PACKAGES[name]

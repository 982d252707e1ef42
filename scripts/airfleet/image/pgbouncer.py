"""PgBouncer's root file system: a Debian of its own, with nothing else in it."""

from __future__ import annotations

import shutil
from pathlib import Path

from airfleet.image.apt import debian_sources, reach_settings
from airfleet.image.recipe import PGBOUNCER_DEBIAN
from airfleet.image.rootfs import _environment, _inside, _private_file
from airfleet.process import run


def make_pgbouncer(rootfs: Path, work: Path) -> None:
    """Debian with PgBouncer at rootfs. Needs root."""
    settings = _private_file(work / "apt.conf", reach_settings() + 'APT::Install-Recommends "false";\n')
    sources = debian_sources(PGBOUNCER_DEBIAN)
    mirror = [str(_private_file(work / "sources.list", sources))] if sources else []
    options = ["--quiet", "--mode=root", "--variant=minbase", "--components=main", "--include=pgbouncer"]
    leave_out = ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*"]
    apt = [f"--aptopt={settings}", "--dpkgopt=force-unsafe-io", *leave_out]
    run(["mmdebstrap", *options, *apt, PGBOUNCER_DEBIAN, str(rootfs), *mirror], env=_environment())
    # Every container gets its devices from its runtime.
    shutil.rmtree(rootfs / "dev")
    (rootfs / "dev").mkdir()
    _inside(rootfs, ["sh", "/mnt/inputs/prepare-pgbouncer"])

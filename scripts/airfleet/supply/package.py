"""The chart as an archive that Helm installs and pushes, byte for byte the same whenever its files are the same."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tempfile
from pathlib import Path

from airfleet.helm import run_helm
from airfleet.supply.compact import compact


def package(chart: Path, folder: Path) -> Path:
    """Write NAME-VERSION.tgz of a chart into a folder and return its path.

    It holds the compact chart. `helm package` decides which files are in it (.helmignore) and checks it; times, owners,
    modes and the order of files are taken out. Raises AirfleetError if Helm refuses the chart.
    """
    with tempfile.TemporaryDirectory(prefix="airfleet-package-") as scratch:
        compact(chart, Path(scratch) / "chart")
        run_helm(["package", Path(scratch) / "chart", "--destination", scratch])
        (built,) = Path(scratch).glob("*.tgz")
        content = normalised(built.read_bytes())
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / built.name
    target.write_bytes(content)
    return target


def digest(archive: Path) -> str:
    """The digest of an archive's bytes, which its layer has in a registry as well."""
    return f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"


def normalised(archive: bytes) -> bytes:
    """A .tgz with the same files, sorted, without anything that tells when, where and by whom it was made."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as source,
        gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=9, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as target,
    ):
        for member in sorted((m for m in source.getmembers() if m.isfile()), key=lambda m: m.name):
            content = source.extractfile(member)
            plain = tarfile.TarInfo(member.name)
            plain.size, plain.mode, plain.mtime = member.size, 0o644, 0
            target.addfile(plain, content)
    return out.getvalue()

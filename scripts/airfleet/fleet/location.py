"""Where a fleet's files are, without reading any of them."""

from __future__ import annotations

from pathlib import Path

from airfleet.errors import UsageError

CLUSTERS = "clusters"
ENCRYPTED = ".sops"


def find_fleet(path: Path | None = None) -> Path:
    """fleet.yaml: the one that is named (the file or its folder), else in values/ or . of this folder or one above it.

    Raises UsageError if there is none.
    """
    if path is not None:
        found = path / "fleet.yaml" if path.is_dir() else path
        if not found.is_file():
            raise UsageError(f"{found} was not found", fix="name the fleet.yaml, or its folder, with --fleet")
        return found
    here = Path.cwd()
    for folder in (here, *here.parents):
        for candidate in (folder / "fleet.yaml", folder / "values" / "fleet.yaml"):
            if candidate.is_file():
                return candidate
    raise UsageError("no fleet.yaml here or above", where=str(here), fix="name it with --fleet")


def cluster_files(folder: Path) -> list[Path]:
    """The files of the clusters below the folder of fleet.yaml, those of secrets left out, by name."""
    found = sorted((folder / CLUSTERS).glob("*.yaml"))
    return [file for file in found if not file.stem.endswith(ENCRYPTED)]

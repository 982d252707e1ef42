"""DAG files from a mounted directory: a ConfigMap, a Secret or an OCI image volume.
Airflow takes the kubelet's `..data` links for a loop, so files are copied. Interface: DagBundle of Airflow 3.3.2."""

import contextlib
import hashlib
import logging
import os
import shutil
from pathlib import Path

from airflow.dag_processing.bundles.base import BaseDagBundle

log = logging.getLogger(__name__)
_TRIES = 5  # the kubelet swaps a volume in an instant; other sources may be written while they are read


def _skipped(folder: str, names: list[str]) -> set[str]:
    """The kubelet's own `..*` and links that lead nowhere."""
    return {name for name in names if name.startswith("..") or not Path(folder, name).exists()}


def fingerprint(source: Path) -> str:
    """Changes whenever a file is added, removed, replaced or written. Raises FileNotFoundError without a directory."""
    digest = hashlib.sha256(str(source.stat().st_dev).encode())
    for folder, folders, names in os.walk(source, followlinks=True):
        skipped = _skipped(folder, folders + names)
        folders[:] = sorted(set(folders) - skipped)
        for path in (Path(folder, name) for name in sorted(set(names) - skipped)):
            status = path.stat()
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}\n".encode())
    return digest.hexdigest()[:16]


class MountedDagBundle(BaseDagBundle):
    """Copies of the mounted directory `source` behind one stable path that always shows a whole copy."""

    supports_versioning = False  # what was mounted yesterday cannot be had again

    def __init__(self, *, source: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.source = Path(source)

    @property
    def path(self) -> Path:
        """A link to the current copy; it is replaced in one step."""
        return self.base_dir / "current"

    def get_current_version(self) -> None:
        """Nothing: there are no versions."""

    def initialize(self) -> None:
        """Make the first copy. Raises FileNotFoundError if nothing is mounted."""
        if not self.source.is_dir():
            raise FileNotFoundError(f"bundle {self.name!r}: nothing is mounted at {self.source}")
        self.refresh()
        super().initialize()

    def refresh(self) -> None:
        """Copy again if the source has changed. A source that has gone keeps the last copy."""
        with self.lock():
            for _ in range(_TRIES):
                with contextlib.suppress(FileNotFoundError, shutil.Error):  # replaced while it was read
                    name = fingerprint(self.source)
                    if self.path.resolve().name == name:
                        return
                    shutil.rmtree(self.base_dir / name, ignore_errors=True)
                    shutil.copytree(self.source, self.base_dir / name, ignore=_skipped)
                    for folder, _, _ in os.walk(self.base_dir / name):
                        Path(folder).chmod(0o775)  # the mode of a read-only source would keep us from deleting it
                    if fingerprint(self.source) == name:
                        self._show(self.base_dir / name)
                        return
        log.warning("bundle %s: %s could not be copied as a whole; the last copy stays", self.name, self.source)

    def _show(self, copy: Path) -> None:
        shown = self.path.resolve()
        link = self.base_dir / "next"
        link.unlink(missing_ok=True)
        link.symlink_to(copy.name)
        link.replace(self.path)
        # The copy before stays until the next change: a parser that has begun in it can finish in it.
        for other in self.base_dir.iterdir():
            if not other.is_symlink() and other.name not in (copy.name, shown.name):
                shutil.rmtree(other, ignore_errors=True)
        log.info("bundle %s: copied %s as %s", self.name, self.source, copy.name)

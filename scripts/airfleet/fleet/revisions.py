"""The fleet as a Git revision has it: its files and its chart, without touching the working tree.

The files are read from Git's objects and kept in the cache, by the digest of what they are: the same content is written
once, whatever the revisions are called. Encrypted layers stay encrypted.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import yaml

from airfleet.errors import AirfleetError, UsageError
from airfleet.fleet.inventory import BASE, CLUSTERS, ENCRYPTED, Fleet, read_fleet
from airfleet.fleet.model import FleetError
from airfleet.fleet.schema import FleetSpec
from airfleet.paths import cache_dir
from airfleet.process import run, run_bytes

WORKING_TREE = "the working tree"
_SHALLOW = "in a shallow clone, as CI makes them, fetch the whole history first"
_UNUSED = 7 * 24 * 3600  # seconds after which a kept copy goes
_FILE, _EXECUTABLE, _LINK, _MODULE = "100644", "100755", "120000", "160000"


@dataclass(frozen=True)
class Revision:
    """One side of a comparison: a commit, or the working tree if commit is empty. name is what the user calls it."""

    name: str
    commit: str = ""

    def __str__(self) -> str:
        if not self.commit:
            return WORKING_TREE
        short = self.commit[:9]
        return short if self.commit.startswith(self.name) else f"{self.name} ({short})"


@dataclass(frozen=True)
class Repository:
    """A Git repository, and where the fleet is in it."""

    root: Path
    fleet: str
    """fleet.yaml, from the root."""

    @classmethod
    def around(cls, fleet: Path) -> Repository:
        """The repository of a fleet.yaml. Raises UsageError if it is in none."""
        folder = fleet.resolve().parent
        done = run(["git", "-C", folder, "rev-parse", "--show-toplevel"], check=False)
        if done.code != 0:
            raise UsageError(
                "the fleet is in no Git repository",
                where=str(fleet),
                why=done.stderr.strip(),
                fix="only a Git repository knows what was; `airfleet diff --live` compares with the clusters instead",
            )
        root = Path(done.stdout.rstrip("\n")).resolve()
        return cls(root, (folder / fleet.name).relative_to(root).as_posix())

    def sides(self, text: str) -> tuple[Revision, Revision]:
        """What `REF` (against the working tree), `REF..REF` or `REF...REF` (from where they parted) compares."""
        for dots in ("...", ".."):
            if dots in text:
                before, after = (self.revision(part or "HEAD") for part in text.split(dots, 1))
                return (self.parted(before, after) if dots == "..." else before), after
        return self.revision(text), Revision("")

    def revision(self, name: str) -> Revision:
        """The commit that a name stands for. Raises UsageError if there is none."""
        code, found = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if code != 0:
            raise UsageError(f"there is no revision {name}", where=str(self.root), fix=f"name a commit; {_SHALLOW}")
        return Revision(name, found.decode().strip())

    def parted(self, before: Revision, after: Revision) -> Revision:
        """The newest commit that two revisions have in common."""
        code, found = self.git("merge-base", before.commit, after.commit)
        if code != 0:
            raise UsageError(f"{before.name} and {after.name} have no commit in common", fix=_SHALLOW)
        return Revision(before.name, found.decode().strip())

    def read(self, revision: Revision) -> Fleet | None:
        """The fleet as a revision has it; None if there is none. Raises FleetError if its files are wrong.

        A chart that lies outside of the repository is the same one for every revision: the one that is there now.
        """
        if not revision.commit:
            return read_fleet(self.root / self.fleet, self.root)
        code, spec = self.git("cat-file", "blob", f"{revision.commit}:{self.fleet}")
        if code != 0:
            return None
        copy = self.copy(revision, self.wanted(spec))
        try:
            fleet = read_fleet(copy / self.fleet, copy)
        except FleetError as e:
            raise FleetError(f"{e.what} of {revision}", code=e.code, findings=e.findings) from e
        if "://" in fleet.spec.chart or self.inside(fleet.spec.chart):
            return fleet
        outside = os.path.normpath(self.root / self.folder / fleet.spec.chart)
        return replace(fleet, spec=fleet.spec.model_copy(update={"chart": outside}))

    @property
    def folder(self) -> PurePosixPath:
        """The folder of fleet.yaml, from the root."""
        return PurePosixPath(self.fleet).parent

    def inside(self, name: str) -> str:
        """A path that fleet.yaml names, from the root; empty if it leads out of the repository."""
        path = os.path.normpath(self.folder / name)
        return "" if path.startswith("/") or path.split("/")[0] == os.pardir else path

    def wanted(self, spec: bytes) -> list[str]:
        """What belongs to a fleet, as paths from the root: its settings, layers and clusters, and its chart."""
        try:
            content = yaml.safe_load(spec)
        except yaml.YAMLError:
            content = None
        content = content if isinstance(content, dict) else {}  # whatever is wrong with it is told when it is read
        axes = content.get("axes", FleetSpec.model_fields["axes"].default)
        names = [PurePosixPath(self.fleet).name, f"{BASE}.yaml", f"{BASE}{ENCRYPTED}.yaml", CLUSTERS]
        names += [str(axis) for axis in axes] if isinstance(axes, list | tuple) else []
        chart = str(content.get("chart", ""))
        names += [chart] if chart and "://" not in chart else []
        return sorted({path for name in names if (path := self.inside(name))})

    def copy(self, revision: Revision, paths: Sequence[str]) -> Path:
        """A folder that holds these paths of a revision."""
        chosen = [] if "." in paths else paths
        _, listed = self.git("ls-tree", "-r", "-z", "--full-tree", revision.commit, "--", *chosen)
        entries = [_Entry.parse(line) for line in listed.decode(errors="surrogateescape").split("\0") if line]
        digest = hashlib.sha256("\n".join(map(str, sorted(entries))).encode(errors="surrogateescape")).hexdigest()
        target = cache_dir() / "revisions" / digest
        if target.is_dir():
            target.touch()
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        _forget_unused(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as scratch:
            folder = Path(scratch) / "copy"
            folder.mkdir()
            self.write(entries, folder, revision)
            try:
                folder.rename(target)
            except OSError:
                if not target.is_dir():  # another process was faster with the same
                    raise
        return target

    def write(self, entries: Sequence[_Entry], folder: Path, revision: Revision) -> None:
        """Write files of a revision below a folder, with one Git process for all of them."""
        for entry in entries:
            if entry.mode == _MODULE:
                raise AirfleetError(
                    "a Git submodule is part of the fleet or its chart, and a revision does not have its files",
                    where=f"{revision}:{entry.path}",
                )
        asked = "".join(f"{entry.blob}\n" for entry in entries).encode()
        answer = memoryview(self.git("cat-file", "--batch", stdin=asked)[1])
        at = 0
        for entry in entries:
            end = bytes(answer[at : at + 200]).index(b"\n") + at
            size = int(bytes(answer[at:end]).split()[2])
            content = bytes(answer[end + 1 : end + 1 + size])
            at = end + 1 + size + 1
            file = folder / entry.path
            file.parent.mkdir(parents=True, exist_ok=True)
            if entry.mode == _LINK:
                _link(file, content.decode(), folder)
            else:
                file.write_bytes(content)
                file.chmod(0o755 if entry.mode == _EXECUTABLE else 0o644)

    def git(self, *argv: str, stdin: bytes = b"") -> tuple[int, bytes]:
        """Run `git ARGV` in the repository; its exit code and what it printed."""
        return run_bytes(["git", "-C", self.root, *argv], stdin)


@dataclass(frozen=True, order=True)
class _Entry:
    """A line of `git ls-tree`."""

    path: str
    mode: str
    blob: str

    @classmethod
    def parse(cls, line: str) -> _Entry:
        about, path = line.split("\t", 1)
        mode, _, blob = about.split()
        return cls(path, mode, blob)


def _link(file: Path, to: str, folder: Path) -> None:
    """A symbolic link that leads out of what was copied would lead to the working tree, or anywhere: it is left out."""
    if Path(os.path.normpath(file.parent / to)).is_relative_to(folder):
        file.symlink_to(to)


def _forget_unused(folder: Path) -> None:
    for copy in folder.iterdir():
        if time.time() - copy.stat().st_mtime > _UNUSED:
            shutil.rmtree(copy, ignore_errors=True)

"""A layer: what a tree of files has that its parent has not, as a tar stream that is the same every time."""

from __future__ import annotations

import filecmp
import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from airfleet.process import feed

_COMPRESS = ("zstd", "--quiet", "--stdout", "--threads=0", "-6")
_WHITEOUT = ".wh."
_TOP = PurePosixPath(".")


@dataclass(frozen=True)
class Layer:
    """A packed layer. digest and size are of the compressed blob, diff_id is of the tar stream inside."""

    blob: Path
    digest: str
    diff_id: str
    size: int


@dataclass(frozen=True)
class Change:
    """What a layer says about one path: the file is as in the tree, or (whiteout) it is gone."""

    path: PurePosixPath
    whiteout: bool = False


def changes(tree: Path, parent: Path | None) -> list[Change]:
    """What turns parent into tree, sorted by path; everything in tree if there is no parent.

    Time stamps do not count, since a layer does not keep them. Directories above a change are included, so that
    unpacking gives them their own owner and mode.
    """
    new = dict(_walk(tree))
    old = dict(_walk(parent)) if parent else {}
    changed = {path for path, status in new.items() if not _same(path, status, old.get(path), tree, parent)}
    # Of a directory that is gone, or is no directory any more, nothing inside needs a whiteout of its own.
    directories = {_TOP, *(path for path, status in new.items() if stat.S_ISDIR(status.st_mode))}
    gone = {path for path in old if path not in new and path.parent in directories}
    above = {up for path in changed | gone for up in path.parents if up in new}
    return sorted(
        [*(Change(path) for path in changed | above), *(Change(path, whiteout=True) for path in gone)],
        key=lambda change: (str(change.path), change.whiteout),
    )


def pack(tree: Path, parent: Path | None, target: Path, epoch: int) -> Layer:
    """Write the layer between parent and tree to target, compressed; every file gets the time stamp epoch.

    Raises AirfleetError if zstd fails, for one because the disk is full.
    """
    with target.open("wb") as blob, feed(_COMPRESS, blob) as compressor:
        stream = _Hashed(compressor)
        write_tar(tree, changes(tree, parent), cast(BinaryIO, stream), epoch)
    with target.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    return Layer(target, f"sha256:{digest}", f"sha256:{stream.hash.hexdigest()}", target.stat().st_size)


def write_tar(tree: Path, what: list[Change], stream: BinaryIO, epoch: int) -> None:
    """Write changes as a layer's tar stream. Owners, modes and hard links are kept; sockets are left out."""
    first_name: dict[tuple[int, int], str] = {}
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as tar:
        for change in what:
            if change.whiteout:
                entry = tarfile.TarInfo(str(change.path.with_name(_WHITEOUT + change.path.name)))
                entry.mtime = epoch
                tar.addfile(entry)
            else:
                _add(tar, tree / change.path, str(change.path), first_name, epoch)


def _add(tar: tarfile.TarFile, file: Path, name: str, first_name: dict[tuple[int, int], str], epoch: int) -> None:
    status = file.lstat()
    entry = tarfile.TarInfo(name)
    entry.mode, entry.uid, entry.gid, entry.mtime = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, epoch
    if stat.S_ISDIR(status.st_mode):
        entry.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, str(file.readlink())
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        entry.type = tarfile.CHRTYPE if stat.S_ISCHR(status.st_mode) else tarfile.BLKTYPE
        entry.devmajor, entry.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    elif stat.S_ISFIFO(status.st_mode):
        entry.type = tarfile.FIFOTYPE
    elif stat.S_ISREG(status.st_mode):
        first = first_name.setdefault((status.st_dev, status.st_ino), name)
        if first == name:
            entry.size = status.st_size
            with file.open("rb") as content:
                tar.addfile(entry, content)
            return
        entry.type, entry.linkname = tarfile.LNKTYPE, first
    else:
        return
    tar.addfile(entry)


def _walk(root: Path) -> Iterator[tuple[PurePosixPath, os.stat_result]]:
    def below(directory: str, relative: PurePosixPath) -> Iterator[tuple[PurePosixPath, os.stat_result]]:
        with os.scandir(directory) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                yield relative / entry.name, status
                if stat.S_ISDIR(status.st_mode):
                    yield from below(entry.path, relative / entry.name)

    return below(str(root), _TOP)


def _same(
    path: PurePosixPath, new: os.stat_result, old: os.stat_result | None, tree: Path, parent: Path | None
) -> bool:
    if old is None or parent is None:
        return False
    if (new.st_mode, new.st_uid, new.st_gid) != (old.st_mode, old.st_uid, old.st_gid):
        return False
    if stat.S_ISREG(new.st_mode):
        return new.st_size == old.st_size and filecmp.cmp(tree / path, parent / path, shallow=False)
    if stat.S_ISLNK(new.st_mode):
        return (tree / path).readlink() == (parent / path).readlink()
    return new.st_rdev == old.st_rdev


class _Hashed:
    """A stream that passes everything on and takes its digest."""

    def __init__(self, stream: object) -> None:
        self._stream = cast(BinaryIO, stream)
        self.hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        return self._stream.write(data)

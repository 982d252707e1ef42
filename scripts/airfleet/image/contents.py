"""What a built image holds, read from its archive: the package databases of Debian and of Airflow's environment."""

from __future__ import annotations

import contextlib
import email.parser
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from airfleet.errors import AirfleetError

_STATUS = "var/lib/dpkg/status"
_RELEASE = "usr/lib/os-release"
# Debian's own Python packages have such folders elsewhere, and are packages of Debian.
_METADATA = "home/airflow/.local/lib/*/site-packages/*.dist-info/METADATA"
_WANTED = (_STATUS, _RELEASE, _METADATA)
_ABSENT = re.compile(r"Not found in archive|Exiting with failure status due to previous errors")
_PLAIN = {**os.environ, "LC_ALL": "C"}


@dataclass(frozen=True, order=True)
class Package:
    """A package and its version; of a Debian one also its architecture."""

    name: str
    version: str
    architecture: str = ""


@dataclass(frozen=True)
class Contents:
    """The packages of an image, sorted. status is dpkg's database, release the number of the Debian release."""

    debian: tuple[Package, ...]
    python: tuple[Package, ...]
    status: str
    release: str


def contents(archive: Path) -> Contents:
    """The packages in an archive that `airfleet image build` made; a later layer's word counts."""
    texts: dict[str, str] = {}
    for blob in _layers(archive):
        texts |= _interesting(archive, blob)
    python = [_python(text) for name, text in texts.items() if name.endswith("/METADATA")]
    release = re.search(r'^VERSION_ID="?([^"\n]+)', texts[_RELEASE], re.MULTILINE)
    status = texts[_STATUS]
    return Contents(tuple(sorted(installed(status))), tuple(sorted(python)), status, release[1] if release else "")


def installed(status: str) -> Iterator[Package]:
    """The installed packages of dpkg's database."""
    for stanza in status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Architecture|Status): (.*)$", stanza, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            yield Package(fields["Package"], fields["Version"], fields["Architecture"])


def _python(metadata: str) -> Package:
    message = email.parser.HeaderParser().parsestr(metadata)
    return Package(re.sub(r"[-_.]+", "-", message["Name"]).lower(), message["Version"])


def _layers(archive: Path) -> list[str]:
    """The names of the layers' blobs, the lowest first."""
    with tarfile.open(archive) as tar:
        manifest = json.load(cast(IO[bytes], tar.extractfile("manifest.json")))
    return [str(name) for name in manifest[0]["Layers"]]


def _interesting(archive: Path, blob: str) -> dict[str, str]:
    """Name -> text of the files of a layer that tell of packages."""
    with tempfile.TemporaryDirectory() as scratch:
        wanted = ["--wildcards", "--no-wildcards-match-slash", *(f"./{name}" for name in _WANTED), *_WANTED]
        command = ["tar", "--extract", "--zstd", "--file=-", f"--directory={scratch}", "--no-same-owner", *wanted]
        with tarfile.open(archive) as tar, tempfile.TemporaryFile() as output:
            unpack = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=_PLAIN)
            # If it ends early, it says why.
            with contextlib.suppress(BrokenPipeError), cast(IO[bytes], unpack.stdin) as stdin:
                shutil.copyfileobj(cast(IO[bytes], tar.extractfile(blob)), stdin, 1 << 20)
            code = unpack.wait()
            output.seek(0)
            said = output.read().decode(errors="replace")
        # A layer need not have all of them, which tar takes for an error.
        if code != 0 and (others := [line for line in said.splitlines() if not _ABSENT.search(line)]):
            raise AirfleetError("an image's layer can't be read", where=f"{archive} {blob}", why="\n".join(others))
        files = (path for path in Path(scratch).rglob("*") if path.is_file())
        return {path.relative_to(scratch).as_posix(): path.read_text(errors="replace") for path in files}

"""Programs that are built once into the cache, from pinned Go modules, where the user has none of his own."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from airfleet import console
from airfleet.errors import AirfleetError
from airfleet.machine import locked
from airfleet.paths import cache_dir
from airfleet.process import run

GO_MINIMUM = (1, 26)
_GO_FETCHES_NEWER = (1, 21)  # from here on Go downloads the toolchain that a module asks for, unless told not to


@dataclass(frozen=True)
class GoProgram:
    """A program of a Go module. title is how people call it; takes is how long its build does, in words."""

    name: str
    title: str
    package: str
    version: str
    takes: str
    ldflags: str = ""

    @property
    def target(self) -> Path:
        """Where it is, once it is built."""
        return cache_dir() / "bin" / f"{self.name}-{self.version}"

    def built(self, otherwise: str) -> Path:
        """Its path; it is built if it is not there yet.

        otherwise is what the user can do instead. Raises AirfleetError if Go is missing or too old.
        """
        if self.target.exists():
            return self.target
        with locked(self.target.with_name(f".{self.name}.lock")):
            if not self.target.exists():
                self._build(_usable_go(self.title, otherwise))
        return self.target

    def _build(self, go: str) -> None:
        with (
            console.step(f"build {self.title} {self.version} (once; {self.takes})"),
            tempfile.TemporaryDirectory(dir=self.target.parent, prefix=f".{self.name}-") as scratch,
        ):
            flags = f"-s -w {self.ldflags}".strip()
            install = [go, "install", "-trimpath", "-ldflags", flags, f"{self.package}@{self.version}"]
            # The target is this machine, whatever the user's GOOS and GOARCH say.
            run(install, env={"GOBIN": scratch, "CGO_ENABLED": "0", "GOOS": "", "GOARCH": ""})
            (Path(scratch) / self.name).replace(self.target)


def _usable_go(title: str, otherwise: str) -> str:
    need = f"Go {GO_MINIMUM[0]}.{GO_MINIMUM[1]} or newer"
    go = shutil.which("go")
    if go is None:
        why = f"building it needs {need}, and there is no `go` on PATH"
    else:
        version, toolchain = (*run([go, "env", "GOVERSION", "GOTOOLCHAIN"]).stdout.split(), "", "")[:2]
        found = parse_version(version) or (0, 0)
        if found >= GO_MINIMUM or (found >= _GO_FETCHES_NEWER and toolchain != "local"):
            return go
        why = f"building it needs {need}; {go} is of version {version or 'unknown'}"
    raise AirfleetError(f"{title} was not found and cannot be built", why=why, fix=f"{otherwise}, or install {need}")


def parse_version(text: str) -> tuple[int, int] | None:
    """Major and minor of `v4.3.1`, `go1.26.8` or `1.36`; None if it is no version."""
    match = re.match(r"(?:v|go)?(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None

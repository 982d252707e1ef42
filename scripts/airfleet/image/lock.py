"""The locks of the Airflow image's packages: resolved as of the day that versions.toml names; hashes, and no index."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path

from airfleet.image.pip import uv, uv_environment
from airfleet.image.recipe import inputs_dir, versions
from airfleet.process import run


def relock(*, check: bool) -> list[Path]:
    """Resolve scripts/image/*.in anew and write the locks that change; with check, write nothing.

    Returns the locks that changed, or would. Raises AirfleetError in uv's words if a requirement cannot be met.
    """
    lock, test_lock = inputs_dir() / "requirements.lock", inputs_dir() / "requirements-test.lock"
    changed = []
    with tempfile.TemporaryDirectory() as scratch:
        new, new_test = Path(scratch) / lock.name, Path(scratch) / test_lock.name
        _resolve(lock.with_suffix(".in"), new, [])
        # What tests need on top must not move a version of the image.
        _resolve(test_lock.with_suffix(".in"), new_test, ["--constraints", str(new)])
        for fresh, current in ((new, lock), (new_test, test_lock)):
            if fresh.read_bytes() != current.read_bytes():
                changed.append(current)
                if not check:
                    current.write_bytes(fresh.read_bytes())
    return changed


def _resolve(requirements: Path, output: Path, options: list[str]) -> None:
    when = tomllib.loads((inputs_dir() / "versions.toml").read_text())["resolve"]
    newer = [f"--exclude-newer-package={package}={day}" for package, day in when["before-of"].items()]
    plain = ["--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate"]
    target = ["--python-version", versions().python, "--exclude-newer", when["before"], *newer]
    argv = [str(uv()), "pip", "compile", "--quiet", *plain, *target, *options, str(requirements), "-o", str(output)]
    run(argv, env=uv_environment())

"""Where things are: the checkout, the cache outside it, and the labs' state."""

from __future__ import annotations

import os
from pathlib import Path

from airfleet.errors import AirfleetError


def project_root() -> Path:
    """The checkout that this package was installed from (`make install` installs it in place).

    Raises AirfleetError if the package runs without its checkout.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "chart" / "Chart.yaml").is_file():
        raise AirfleetError(
            "airfleet's chart, images and lab are read from its checkout, which was not found",
            where=str(root),
            fix="run `make install` in a clone of the project and use its .venv/bin/airfleet",
        )
    return root


def cache_dir() -> Path:
    """Built programs and images, shared by every checkout: $AIRFLEET_CACHE, else ~/.cache/airfleet."""
    if explicit := os.environ.get("AIRFLEET_CACHE"):
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airfleet"


def state_dir() -> Path:
    """What running labs and demos need to be found again: $AIRFLEET_STATE, else /var/lib/airfleet."""
    return Path(os.environ.get("AIRFLEET_STATE") or "/var/lib/airfleet")

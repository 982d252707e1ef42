"""The chart's boot files come from the image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab_harness.release import Release


def prepare(release: Release) -> dict[str, Any]:
    """Values; the image without bytecode is as the official one and has none."""
    return {} if os.environ.get("AIRFLEET_TEST_IMAGE") == "airflow-stock" else {"boot": {"source": "image"}}

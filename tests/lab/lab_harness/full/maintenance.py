"""Both clean-ups, which only tests start: on a schedule that never comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab_harness.release import Release

NEVER = "0 0 30 2 *"


def prepare(release: Release) -> dict[str, Any]:
    """Small batches, so that a few rows make several."""
    return {
        "maintenance": {
            "podCleanup": {"enabled": True, "schedule": NEVER, "minutes": 60},
            "dbCleanup": {"enabled": True, "schedule": NEVER, "retentionDays": 30, "batchSize": 2},
        }
    }

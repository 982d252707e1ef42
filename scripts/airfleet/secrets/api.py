"""Rotation of the API's secret key: it signs FAB's sessions, and the requests for the logs of the triggerer."""

from __future__ import annotations

from secrets import token_urlsafe

from airfleet.secrets.installed import fingerprint
from airfleet.secrets.rotation import Rotation, Step

KEY = "api-secret-key"


def steps(rotation: Rotation) -> list[Step]:
    """The steps, in order."""
    return [
        Step("write a new key", lambda: _write(rotation)),
        Step(
            "restart api-server and triggerer together, which sign and check with it",
            rotation.rollout("keys", (KEY,)),
        ),
        Step("verify", lambda: rotation.verify_pods("keys", KEY)),
    ]


def _write(rotation: Rotation) -> str:
    if "old" not in rotation.facts:
        rotation.facts["old"] = fingerprint(rotation.installed.read("keys")[KEY])
        rotation.save()

    def accepted(data: dict[str, str]) -> str:
        value = data.get(KEY, "")
        return "" if value and fingerprint(value) != rotation.facts["old"] else f"{KEY} is the old one still"

    return rotation.write("keys", lambda _: {KEY: token_urlsafe(32)}, accepted)

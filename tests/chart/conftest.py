"""Helm is found or built once, before the first test, so that no test's time includes it."""

from __future__ import annotations

import pytest

from airfleet.helm import helm


@pytest.fixture(scope="session", autouse=True)
def _helm() -> None:
    helm()

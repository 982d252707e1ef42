"""A real API server for the toolkit's tests: a lab without nodes, made once."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from airfleet.lab import Lab


@pytest.fixture(scope="session")
def api_server() -> Iterator[Lab]:
    """etcd, an API server and the controllers. A run of its own name, so that two at once do not meet."""
    lab = Lab(f"api{os.getpid()}")
    lab.up(nodes=0)
    yield lab
    lab.down()

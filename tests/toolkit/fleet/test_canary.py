"""A canary waits for its DAG to be parsed, and not for ever; tests/lab/airflow/test_fleet.py runs one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from airfleet.errors import AirfleetError
from airfleet.fleet import airflow


@dataclass
class Api:
    """An API that knows the DAG from the so-manieth question on: a real one can't be made to show that."""

    absent: int
    asked: list[str] = field(default_factory=list)

    def send(self, method: str, path: str) -> tuple[int, str]:
        self.asked.append(f"{method} {path}")
        return (404, "") if len(self.asked) <= self.absent else (200, "{}")

    def request(self, method: str, path: str) -> dict[str, bool]:
        if self.send(method, path)[0] == 404:
            raise AirfleetError("Airflow answered 404")
        return {"is_paused": False}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow.time, "sleep", lambda _: None)


def ask(api: Any, seconds: float, stop: bool = False) -> Any:
    return airflow._parsed(api, "a b", time.monotonic() + seconds, lambda: stop)


def test_it_asks_until_the_dag_is_there() -> None:
    api = Api(absent=3)
    assert ask(api, 60) == {"is_paused": False}
    assert set(api.asked) == {"GET /api/v2/dags/a%20b"}
    assert len(api.asked) == 5


def test_it_gives_up_at_its_deadline_and_when_told_to_stop() -> None:
    with pytest.raises(AirfleetError, match="404"):
        ask(Api(absent=10**9), 0.05)
    with pytest.raises(InterruptedError):
        ask(Api(absent=10**9), 60, stop=True)

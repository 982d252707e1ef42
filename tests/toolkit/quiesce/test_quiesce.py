"""What `airfleet quiesce` waits for and says; tests/lab/airflow/test_airflow_versions.py shows it on a real release."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airfleet import quiesce
from airfleet.errors import AirfleetError
from airfleet.quiesce import Activity, Task

NAP, MEAL = Task("day.nap of manual", 12), Task("day.meal[3] of manual", 4)


def activity(*tasks: Task, starting: tuple[str, ...] = (), rows: dict[str, int] | None = None) -> Activity:
    return Activity(tasks, starting, rows or {}, 10_000_000, "3.2.2")


def installed(replicas: int) -> Any:
    """A release of which only the scheduler's Deployment is looked at."""
    scheduler = SimpleNamespace(
        kind="Deployment", name="a-scheduler", component="scheduler", spec=SimpleNamespace(replicas=replicas)
    )
    server = SimpleNamespace(
        kind="Deployment", name="a-api-server", component="api-server", spec=SimpleNamespace(replicas=2)
    )
    return SimpleNamespace(workloads=lambda: [server, scheduler], namespace="team", release="a")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiesce, "_POLL", 0)


def test_a_scheduler_that_runs_is_refused_with_the_values_that_stop_it() -> None:
    with pytest.raises(AirfleetError) as caught:
        quiesce.wait(installed(2), 60, print)
    assert "the scheduler still starts tasks" in caught.value.what
    assert caught.value.where == "Deployment team/a-scheduler has 2 replicas"
    assert "scheduler: {replicas: 0}" in caught.value.fix


def test_what_runs_is_told_when_it_changes_and_what_starts_counts() -> None:
    older = Task(NAP.name, 15)
    seen = [activity(NAP, MEAL), activity(older, MEAL), activity(older), activity(starting=("team/p",)), activity()]
    told: list[str] = []
    found = quiesce.wait(installed(0), 60, told.append, lambda _: seen.pop(0))
    assert found.quiet
    assert told == [
        "2 running: day.nap of manual (12 s), day.meal[3] of manual (4 s)",
        "1 running: day.nap of manual (15 s)",
        "1 starting: team/p",
    ]


def test_the_deadline_names_what_still_runs() -> None:
    with pytest.raises(AirfleetError) as caught:
        quiesce.wait(installed(0), 0, lambda _: None, lambda _: activity(NAP))
    assert "1 running: day.nap of manual (12 s)" in caught.value.what
    assert "--timeout" in caught.value.fix


def test_long_lists_are_cut() -> None:
    many = activity(*(Task(f"d.t{n} of r", 1) for n in range(40)))
    assert str(many).startswith("40 running: d.t0 of r (1 s), ")
    assert str(many).endswith("d.t9 of r (1 s), ...")


@pytest.mark.parametrize(
    ("rows", "seconds"), [({}, 300), ({"log": 2_000_000}, 1300), ({"log": 10**7, "xcom": 10**7}, 10300)]
)
def test_a_migration_gets_time_by_its_rows(rows: dict[str, int], seconds: int) -> None:
    found = activity(rows=rows)
    assert found.deadline == found.as_dict()["migration_deadline_seconds"] == seconds

"""What Airflow sends reaches the exporter from every component and from tasks, under the names that alerts look at."""

from __future__ import annotations

import re

import pytest
import yaml

from airfleet.paths import project_root
from lab_harness import runbook as books
from lab_harness.full.metrics import scrape
from lab_harness.release import Release, until

LOOKED_AT = [p for folder in ("alerts", "dashboards") for p in (project_root() / "chart/files" / folder).glob("*.yaml")]
RARE = yaml.safe_load((project_root() / "tests/runtime/metrics/rare.yaml").read_text())
# Of a database with TLS, which this release has not: test_database.py looks at it.
ELSEWHERE = {"airflow_certificate_left_seconds"}
ALERTS = books.parse("alerts/README", (project_root() / "docs/runbooks/alerts/README.md").read_text())


def names_looked_at() -> set[str]:
    """Every metric of Airflow in an alert or a panel."""
    return {name for path in LOOKED_AT for name in re.findall(r"\bairflow_[a-z_]+", path.read_text())}


def test_every_metric_that_is_looked_at_is_there(full: Release) -> None:
    full.run("hello_pods")
    wanted = names_looked_at() - set(RARE) - ELSEWHERE
    missing = lambda: wanted - {re.split(r"[{ ]", line)[0] for line in scrape(full)}
    try:
        until("every metric", lambda: not missing(), 90)
    except AssertionError:
        assert missing() == set()


def test_only_what_is_never_sent_here_counts_as_rare() -> None:
    assert set(RARE) <= names_looked_at()


def test_labels_are_few(full: Release) -> None:
    """No task, no run: what grows with the number of tasks would fill Prometheus."""
    lines = [line for line in scrape(full) if line.startswith("airflow_")]
    labels = {label for line in lines for label in re.findall(r'[{,](\w+)="[^"]', line)}
    known = {
        "api",
        "file",
        "key",
        "dag_id",
        "state",
        "queue",
        "status",
        "executor",
        "executor_class_name",
        "pool_name",
        "hostname",
        "le",
    }
    assert labels <= known
    assert any('airflow_ti_finish_total{dag_id="hello_pods",state="success"}' in line for line in lines)


@pytest.mark.parametrize("alert", ALERTS.sections)
def test_what_a_runbook_looks_at_is_there_to_look_at(full: Release, alert: str) -> None:
    assert ALERTS.run(full, only=(alert,)).strip() or "Pending" in alert

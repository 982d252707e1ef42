"""The dashboards are what Grafana imports, and their queries what Prometheus understands."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfleet.lab import companions
from airfleet.paths import project_root
from airfleet.process import run
from chart_harness.render import render

NAMES = ("deployment", "fleet", "task-pods")
UNITS = {"none", "s", "bytes", "percentunit"}
GRAFANAS_OWN = {"$__rate_interval": "5m", "$namespace": "data", "$release": "airflow"}


@cache
def dashboards() -> dict[str, dict[str, Any]]:
    """File name -> dashboard, of each ConfigMap with the label that Grafana's sidecar looks for."""
    maps = render({"metrics": {"enabled": True, "dashboards": {"enabled": True}}}).of("ConfigMap")
    found = [m["data"] for m in maps if m["metadata"]["labels"].get("grafana_dashboard") == "1"]
    return {name: json.loads(text) for data in found for name, text in data.items()}


def test_there_are_three() -> None:
    assert sorted(dashboards()) == [f"airfleet-{name}.json" for name in NAMES]
    assert len({d["uid"] for d in dashboards().values()}) == len({d["title"] for d in dashboards().values()}) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_has_the_shape_that_grafana_imports(name: str) -> None:
    dashboard = dashboards()[f"airfleet-{name}.json"]
    assert dashboard["schemaVersion"] >= 36  # data sources are objects from then on
    variables = {v["name"]: v for v in dashboard["templating"]["list"]}
    assert list(variables) == ["datasource", "namespace", "release"]
    assert variables["datasource"]["type"] == "datasource"
    panels = dashboard["panels"]
    assert [p["id"] for p in panels] == list(range(1, len(panels) + 1))
    taken = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels]
    assert len(set(taken)) == len(taken)
    assert {x for x, _ in taken} <= {0, 12}
    for panel in panels:
        assert (panel["type"], bool(panel["title"])) == ("timeseries", True)
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert len({t["refId"] for t in panel["targets"]}) == len(panel["targets"]) >= 1
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(t["legendFormat"] for t in panel["targets"])


@pytest.mark.parametrize("name", NAMES)
def test_queries_use_the_dashboards_variables_only(name: str) -> None:
    names = {v["name"] for v in dashboards()[f"airfleet-{name}.json"]["templating"]["list"]}
    for expr in queries(name):
        assert set(re.findall(r"\$\{?(\w+)", expr)) <= names | {"__rate_interval"}, expr
        assert "$namespace" in expr, f"it mixes namespaces: {expr}"


def test_queries_parse(tmp_path: Path) -> None:
    """promtool reads them as recording rules."""
    rules = [{"record": f"q:{i}", "expr": plain(q)} for i, q in enumerate(q for name in NAMES for q in queries(name))]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": rules}]}))
    done = run([str(companions.program("promtool")), "check", "rules", str(tmp_path / "rules.yaml")], check=False)
    assert done.code == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_labels_of_legends_are_those_of_their_queries() -> None:
    for name in NAMES:
        for panel in dashboards()[f"airfleet-{name}.json"]["panels"]:
            for target in panel["targets"]:
                by = {
                    label.strip()
                    for found in re.findall(r"by \(([^)]*)\)", target["expr"])
                    for label in found.split(",")
                }
                if by:
                    assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= by, target


def queries(name: str) -> list[str]:
    return [t["expr"] for panel in dashboards()[f"airfleet-{name}.json"]["panels"] for t in panel["targets"]]


def plain(query: str) -> str:
    for name, value in GRAFANAS_OWN.items():
        query = query.replace(name, value)
    return query


def test_alerts_and_dashboards_stay_small() -> None:
    """Helm keeps every file of the chart in every release's Secret."""
    files = [f for folder in ("alerts", "dashboards") for f in (project_root() / "chart/files" / folder).iterdir()]
    assert sum(f.stat().st_size for f in files) <= 15 << 10

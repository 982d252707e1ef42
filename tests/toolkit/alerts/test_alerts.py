"""Every alert fires when it should and stays silent when it should, says what a reader needs, and has its runbook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfleet.lab import companions
from airfleet.paths import project_root
from airfleet.process import run
from chart_harness.render import RefusedError, render

ON = {"metrics": {"enabled": True, "alerts": {"enabled": True}, "dashboards": {"enabled": True}}}
CASES: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text())
TOKENS = {"$airflow": 'namespace="data",service="airflow-metrics"', "$ns": 'namespace="data"'}


@cache
def rules() -> Mapping[str, dict[str, Any]]:
    """Alert -> rule, as rendered for the release `airflow` in the namespace `data`."""
    (rule,) = render(ON).of("PrometheusRule")
    (group,) = rule["spec"]["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def promtool(*argv: str) -> Any:
    return run([str(companions.program("promtool")), *argv], check=False)


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    assert list(CASES) == list(yaml.safe_load((project_root() / "chart/files/alerts/rules.yaml").read_text()))
    assert set(CASES) == set(rules())
    assert {alert: sorted(cases) for alert, cases in CASES.items() if sorted(cases) != ["fires", "silent"]} == {}


def test_alerts_fire_and_stay_silent(tmp_path: Path) -> None:
    """All in one run of promtool, which is quick; a failure names the alert by its test's name."""
    tests = [unit(alert, which) for alert, cases in CASES.items() for which in cases]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": list(rules().values())}]}))
    unit_tests = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(unit_tests))
    done = promtool("test", "rules", str(tmp_path / "tests.yaml"))
    assert done.code == 0, done.stdout + done.stderr


def unit(alert: str, which: str) -> dict[str, Any]:
    """One unit test of promtool: the alert's state at that minute, with the labels that say how bad and whose it is."""
    case = CASES[alert][which]
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(rules()[alert]["labels"].items()))
    return {
        "name": f"{alert} {which}",
        "interval": "1m",
        "input_series": [{"series": fill(name), "values": values} for name, values in case["series"].items()],
        "promql_expr_test": [
            {
                "expr": f'count by (namespace, release, severity) (ALERTS{{alertname="{alert}",alertstate="firing"}})',
                "eval_time": case["at"],
                "exp_samples": [{"labels": f"{{{labels}}}", "value": 1}] if which == "fires" else [],
            }
        ],
    }


def fill(text: str) -> str:
    for token, meaning in TOKENS.items():
        text = text.replace(token, meaning)
    return text


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_says_how_bad_it_is_what_is_wrong_and_what_to_do(alert: str) -> None:
    rule = rules()[alert]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert all(rule["annotations"][name].strip() for name in ("summary", "description"))
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^## (\w+)$", (project_root() / page).read_text(), re.MULTILINE)
    assert anchor in {heading.lower() for heading in headings}


def test_every_runbook_is_one_of_an_alert() -> None:
    text = (project_root() / "docs/runbooks/alerts/README.md").read_text()
    assert re.findall(r"^## (Airflow\w+)$", text, re.MULTILINE) == list(CASES)


def test_alerts_can_be_changed_removed_and_added() -> None:
    own = {"AirflowNoOpenSlots": {"for": "1h"}, "AirflowSlotLeak": None, "Mine": {"expr": "up{$airflow} == 0"}}
    (rule,) = render({"metrics": {**ON["metrics"], "alerts": {"enabled": True, "rules": own}}}).of("PrometheusRule")
    found = {entry["alert"]: entry for entry in rule["spec"]["groups"][0]["rules"]}
    assert set(found) == set(CASES) - {"AirflowSlotLeak"} | {"Mine"}
    assert found["AirflowNoOpenSlots"] == {**rules()["AirflowNoOpenSlots"], "for": "1h"}
    assert found["Mine"]["expr"] == f"up{{{TOKENS['$airflow']}}} == 0"


def test_an_alert_that_asks_nothing_is_refused() -> None:
    own = {"AirflowSlotLeek": {"for": "1h"}}
    with pytest.raises(RefusedError, match=r"AirflowSlotLeek has no expr.*Fix: "):
        render({"metrics": {**ON["metrics"], "alerts": {"enabled": True, "rules": own}}})

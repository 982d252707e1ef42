"""No alert waits for a metric that Airflow never sends: the rare ones are in the source of the installed Airflow."""

import re
from pathlib import Path

import airflow
import pytest
import yaml

MAPPING = Path(__file__).parents[3] / "chart/files/metrics/mapping.yaml"
RARE = yaml.safe_load(Path(__file__).with_name("rare.yaml").read_text())
METHODS = {"incr": "counter", "gauge": "gauge", "timing": "observer", "timer": "observer"}


@pytest.mark.parametrize("name", RARE)
def test_a_rare_metric_is_sent_by_airflow_and_mapped_to_its_name(name: str) -> None:
    sent, source = RARE[name]["sent"], Path(airflow.__path__[0]) / RARE[name]["by"]
    found = re.search(rf'stats\.(\w+)\(\s*"{re.escape(sent)}"', source.read_text())
    assert found, f"{source} does not send {sent}"
    assert name.removesuffix("_bucket") == mapped(f"airflow.{sent}", METHODS[found[1]])


def mapped(sent: str, kind: str) -> str:
    """The name that the exporter gives it: the first mapping that matches, dots as underscores."""
    for entry in yaml.safe_load(MAPPING.read_text())["mappings"]:
        match = re.search(entry["match"], sent)
        if match and entry.get("match_metric_type", kind) == kind:
            return match.expand(re.sub(r"\$\{?(\d)\}?", r"\\\1", entry["name"])).replace(".", "_")
    return ""

"""The example of docs/guide/coming-from-the-official-chart.md is what the command does."""

from __future__ import annotations

import re
from pathlib import Path

from airfleet.migrate.convert import convert
from airfleet.migrate.emit import values_text
from airfleet.migrate.model import Status
from airfleet.migrate.target import chart
from airfleet.paths import project_root


def test_the_example_of_the_guide(tmp_path: Path) -> None:
    text = (project_root() / "docs/guide/coming-from-the-official-chart.md").read_text()
    given, expected = re.findall(r"<!-- example: \w+ -->\n```yaml\n(.*?)```", text, re.DOTALL)
    file = tmp_path / "values.yaml"
    file.write_text(given)
    conversion = convert([file])
    assert values_text(conversion, chart().defaults) == expected
    assert [finding.key for finding in conversion.of(Status.HUMAN)] == ["podTemplate"]

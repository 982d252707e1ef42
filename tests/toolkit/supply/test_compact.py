"""The compact chart renders what the chart in the folder renders, and Helm stores far less of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfleet.errors import AirfleetError
from airfleet.helm import run_helm
from airfleet.paths import project_root
from airfleet.supply.compact import compact, without_comments, without_descriptions

CHART = project_root() / "chart"
PRESETS = sorted((project_root() / "values" / "presets").glob("*.yaml"))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("compact") / "airfleet"
    compact(CHART, target)
    return target


def objects(chart: Path, preset: Path) -> dict[str, Any]:
    """Name -> object; Python without comments, and without the digests that follow from its text."""
    text = run_helm(["template", "airflow", str(chart), "--namespace", "data", "--values", str(preset)]).stdout
    text = re.sub(r"airfleet/[a-z-]+-digest: \S+|-bootstrap-[0-9a-f]{8}", "", text)
    found = [o for o in yaml.safe_load_all(text) if o]
    for data in (o["data"] for o in found if o["kind"] == "ConfigMap"):
        data |= {name: without_comments(text) for name, text in data.items() if name.endswith(".py")}
    return {f"{o['kind']}/{o['metadata']['name']}": o for o in found}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: p.stem)
def test_it_renders_the_same(packed: Path, preset: Path) -> None:
    assert objects(packed, preset) == objects(CHART, preset)


def test_it_refuses_what_the_chart_refuses(packed: Path) -> None:
    with pytest.raises(AirfleetError, match="additional properties 'replica' not allowed"):
        run_helm(["template", "airflow", str(packed), "--set", "scheduler.replica=2"])
    with pytest.raises(AirfleetError, match=r"Fix: use an image of Airflow 3\.3"):
        run_helm(["template", "airflow", str(packed), "--set", "image.tag=3.2.0"])


def test_it_is_less_than_the_chart_and_has_no_comment(packed: Path) -> None:
    assert size(packed) < 0.9 * size(CHART)
    assert [p.name for p in packed.rglob("*.*") if p.suffix in {".tpl", ".yaml"} and "{{- /*" in p.read_text()] == []


def size(chart: Path) -> int:
    return sum(p.stat().st_size for p in chart.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def test_a_property_called_description_stays() -> None:
    schema = {"description": "x", "properties": {"description": {"type": "string", "description": "y"}}}
    assert without_descriptions(schema) == {"properties": {"description": {"type": "string"}}}


def test_a_program_without_comments_does_the_same() -> None:
    bare = without_comments('"""Doc."""\n\n\ndef f():\n    """Doc."""\n\n\nx = "# no comment"  # one\n')
    assert bare == "def f():\n    pass\nx = '# no comment'\n"
    assert json.dumps(bare)

"""The compact chart renders what the chart in the folder renders, and Helm stores far less of it."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfleet.errors import AirfleetError
from airfleet.helm import run_helm
from airfleet.paths import project_root
from airfleet.supply.compact import aligned, aligned_actions, compact, without_comments, without_descriptions

CHART = project_root() / "chart"
PRESETS = {path.stem: path for path in sorted((project_root() / "values" / "presets").glob("*.yaml"))}
OWN_IMAGE = "image: {repository: registry.example.com/airflow}\n"  # what a preset leaves to its user
PROGRAMS = """
apiServer: {baseUrl: https://airflow.example.com}
auth:
  manager: fab
  oidc: {enabled: true, issuer: https://id.example.com, clientId: a, secretName: b, roleMapping: {a: [Admin]}}
maintenance: {podCleanup: {enabled: true}, dbCleanup: {enabled: true}}
metrics: {enabled: true}
logs: {remote: {type: elasticsearch, elasticsearch: {url: https://es.example.com}}}
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("compact") / "airfleet"
    compact(CHART, target)
    return target


def objects(chart: Path, values: str) -> dict[str, Any]:
    """Name -> object; Python without comments, and without the digests that follow from its text."""
    argv = ["template", "airflow", str(chart), "--namespace", "data", "--values", "-"]
    text = re.sub(r"airfleet/[a-z-]+-digest: \S+|-bootstrap-[0-9a-f]{8}", "", run_helm(argv, stdin=values).stdout)
    found = [o for o in yaml.safe_load_all(text) if o]
    return {f"{o['kind']}/{o['metadata']['name']}": bare(o) for o in found}


def bare(value: Any) -> Any:
    """A rendered value in which every program is without comments: a file of a ConfigMap, or what `python -c` runs."""
    if isinstance(value, dict):
        return {name: without_comments(v) if name.endswith(".py") else bare(v) for name, v in value.items()}
    if isinstance(value, list):
        return ["python", "-c", without_comments(value[2])] if value[:2] == ["python", "-c"] else [*map(bare, value)]
    return value


@pytest.mark.parametrize(
    "values", [*(p.read_text() + OWN_IMAGE for p in PRESETS.values()), PROGRAMS], ids=[*PRESETS, "programs"]
)
def test_it_renders_the_same(packed: Path, values: str) -> None:
    assert objects(packed, values) == objects(CHART, values)


def test_every_program_is_compared(packed: Path) -> None:
    """None is as long as in the folder, and each is rendered by the values above."""
    programs = {p.relative_to(packed): p.read_text() for p in packed.rglob("*.py")}
    assert [name for name, text in programs.items() if len(text) >= (CHART / name).stat().st_size] == []
    rendered = str(objects(packed, PROGRAMS))
    assert [name for name, text in programs.items() if repr(without_comments(text))[1:-1] not in rendered] == []


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
    source = '"""Doc."""\n\n\ndef f(a: int = 1, *b: str) -> None:\n    """Doc."""\n\n\nx: str = "# no comment"  # one\n'
    assert without_comments(source) == "def f(a=1,*b):\n pass\nx:str=  '# no comment'\n"


def test_indentation_within_a_text_stays() -> None:
    source = 'def f():\n    return """\n    four\n"""\n'
    assert without_comments(source).splitlines()[1].startswith(" return")
    assert ast.dump(ast.parse(without_comments(source))) == ast.dump(ast.parse(source))


def test_words_that_come_again_are_aligned() -> None:
    text = aligned_actions('a: {{include "x.y" $root|indent 2}}{{- with (include "x.y" $root) -}}\n{{`a  b`}}')
    assert [found.start() % 3 for found in re.finditer('"x.y"|\\$root', text)] == [0, 0, 0, 0]
    assert re.sub(" +", " ", text).replace("( ", "(") == (
        'a: {{include "x.y" $root|indent 2}}{{- with (include "x.y" $root) -}}\n{{`a b`}}'
    )
    assert "`a  b`" in text


def test_aligned_json_says_the_same() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    text = aligned(schema)
    assert json.loads(text) == schema
    keys = list(re.finditer(r'(?<=[{,])\s*("[^"]+":)', aligned({"a": {"b": [1, {"c": 2}], "dd": ""}, "eee": {}})))
    assert [key.start(1) % 3 for key in keys if key[1] != '"c":'] == [0, 0, 0, 0]

"""The schema as Helm applies it: a typo is refused by name wherever it is, the defaults and presets are accepted."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
import yaml

from chart_harness.render import CHART, RefusedError, render
from chart_harness.scenarios import OWN_IMAGE, PRESETS, SCENARIOS

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)

TYPOS: dict[str, tuple[dict[str, Any], str]] = {
    "at the root": ({"schedulr": {}}, "schedulr"),
    "in a component": ({"scheduler": {"replica": 1}}, "replica"),
    "in a shared pod option": ({"triggerer": {"nodeSelektor": {}}}, "nodeSelektor"),
    "in pod": ({"pod": {"tollerations": []}}, "tollerations"),
    "in workers": ({"workers": {"serviceAcount": {}}}, "serviceAcount"),
    "in a pod template": ({"podTemplates": {"gpu": {"queue": ["gpu"]}}}, "queue"),
    "in resources": ({"scheduler": {"resources": {"limit": {}}}}, "limit"),
    "in a nested block": ({"logs": {"persistence": {"enable": True}}}, "enable"),
    "in a bundle": ({"dags": {"bundles": {"x": {"paht": "/"}}}}, "paht"),
    "in networkPolicies": ({"networkPolicies": {"outbound": {"cidr": []}}}, "cidr"),
    "of a component's name": ({"api-server": {}}, "api-server"),
}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a word for a number": ({"scheduler": {"replicas": "two"}}, "/scheduler/replicas"),
    "no pull policy": ({"image": {"pullPolicy": "always"}}, "/image/pullPolicy"),
    "no digest": ({"image": {"digest": "sha256:123"}}, "/image/digest"),
    "no quantity": ({"logs": {"sizeLimit": "1 GB"}}, "/logs/sizeLimit"),
    "a list for a map": ({"workers": {"env": [{"name": "A", "value": "b"}]}}, "/workers/env"),
    "a port too high": ({"networkPolicies": {"database": {"port": 70000}}}, "/networkPolicies/database/port"),
}


@pytest.mark.parametrize(("values", "name"), TYPOS.values(), ids=TYPOS.keys())
def test_a_typo_is_refused_by_its_name(values: dict[str, Any], name: str) -> None:
    with pytest.raises(RefusedError, match=f"additional properties '{name}' not allowed"):
        render(values)


@pytest.mark.parametrize(("values", "path"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_value_is_refused_by_its_path(values: dict[str, Any], path: str) -> None:
    with pytest.raises(RefusedError, match=f"at '{path}'"):
        render(values)


def test_a_parent_chart_may_share_global_values() -> None:
    assert render({"global": {"anything": {"at": "all"}}}).text == render({}).text


def test_the_defaults_are_accepted() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert [e.message for e in VALIDATOR.iter_errors(values)] == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_helm_accepts_the_schema_accepts_before_defaults_are_merged(scenario: str) -> None:
    """An editor checks a values file by itself, nulls included."""
    assert [e.message for e in VALIDATOR.iter_errors(SCENARIOS[scenario])] == []


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_render(preset: str) -> None:
    assert render({**yaml.safe_load(PRESETS[preset].read_text()), **OWN_IMAGE}).objects


def test_there_are_presets() -> None:
    assert PRESETS


def test_every_object_of_ours_is_closed() -> None:
    """Only what is handed on as it stands is open: maps from names, and Kubernetes' own types."""
    open_blocks = []

    def look(schema: dict[str, Any], path: str) -> None:
        for name, child in schema.get("properties", {}).items():
            look(child, f"{path}.{name}")
        if "properties" in schema and schema.get("additionalProperties") is not False:
            open_blocks.append(path)

    look(SCHEMA, "values")
    for name, definition in SCHEMA["definitions"].items():
        look(definition, name)
    assert open_blocks == []

"""The schema made from values.yaml: what it accepts, what it refuses, and the name that the refusal gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from airfleet.values.schema import schema_of, schema_text
from airfleet.values.source import read_values

SAMPLE = Path(__file__).with_name("sample.yaml")
SCHEMA = schema_of(read_values(SAMPLE), "Sample")
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)


def test_the_schema_is_a_schema_and_its_text_is_the_same() -> None:
    jsonschema_rs.meta.validate(SCHEMA)
    assert json.loads(schema_text(read_values(SAMPLE), "Sample")) == SCHEMA


def test_the_defaults_validate() -> None:
    assert [e.message for e in VALIDATOR.iter_errors(yaml.safe_load(SAMPLE.read_text()))] == []


ACCEPTED: dict[str, Any] = {
    "null unsets a scalar": {"fullnameOverride": None},
    "null unsets an enum": {"scheduler": {"mode": None}},
    "null unsets a list": {"scheduler": {"options": {"hosts": None}}},
    "null removes an entry": {"pod": {"env": {"FOO": None}}, "podTemplates": {"default": None}, "bundles": {"x": None}},
    "global is open": {"global": {"anything": 1}},
    "an open type is open": {"pod": {"affinity": {"anything": [1]}}},
    "a map of maps": {"config": {"core": {"x": 1, "y": None}, "api": None}},
    "a quantity": {"size": "500M", "pod": {"resources": {"limits": {"cpu": 2, "memory": "1.5Gi", "x.io/gpu": None}}}},
    "a component takes shared keys": {"scheduler": {"env": {"A": 1}, "resources": None}},
    "a pod template takes shared and own keys": {"podTemplates": {"gpu": {"queues": ["gpu"], "env": {"A": "b"}}}},
    "either type": {"scheduler": {"interval": "5s"}},
    "an entry of a commented definition": {"bundles": {"x": {"path": "/dags", "refresh": 3}}},
}
REFUSED: dict[str, tuple[Any, str]] = {
    "a typo at the root": ({"schedulr": {}}, "schedulr"),
    "a typo in a component": ({"scheduler": {"replica": 1}}, "replica"),
    "a typo in a nested block": ({"scheduler": {"options": {"enabeld": True}}}, "enabeld"),
    "a typo in a pod template": ({"podTemplates": {"gpu": {"queue": "x"}}}, "queue"),
    "a typo in an entry": ({"bundles": {"x": {"paht": ""}}}, "paht"),
    "a key of another block": ({"pod": {"mode": "fast"}}, "mode"),
    "a typo in resources": ({"pod": {"resources": {"limit": {}}}}, "limit"),
    "no quantity": ({"size": "1GB"}, "1GB"),
    "no map of maps": ({"config": {"core": 1}}, "1 is not"),
    "a wrong type": ({"scheduler": {"replicas": "two"}}, '"two" is not'),
    "a wrong enum": ({"scheduler": {"mode": "quick"}}, "quick"),
    "too small": ({"scheduler": {"interval": 0}}, "minimum"),
    "too large": ({"scheduler": {"interval": 61}}, "maximum"),
    "too long": ({"fullnameOverride": "x" * 41}, "longer"),
    "a wrong name in a map": ({"pod": {"env": {"foo": "x"}}}, "foo"),
    "a wrong item": ({"podTemplates": {"default": {"queues": [1]}}}, "string"),
    "null for a block": ({"scheduler": None}, "null"),
}


@pytest.mark.parametrize("values", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepts(values: Any) -> None:
    assert [e.message for e in VALIDATOR.iter_errors(values)] == []


@pytest.mark.parametrize(("values", "word"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses_and_says_what(values: Any, word: str) -> None:
    assert word in " ".join(e.message for e in VALIDATOR.iter_errors(values))


def test_every_property_says_what_it_is() -> None:
    """A reference to a shared key says so there; every other one has its own description."""
    bare: list[str] = []

    def look(schema: Any, path: str) -> None:
        for name, child in schema.get("properties", {}).items():
            if "description" not in child and "$ref" not in child:
                bare.append(f"{path}.{name}")
            look(child, f"{path}.{name}")

    look(SCHEMA, "")
    for name, definition in SCHEMA["definitions"].items():
        look(definition, name)
    assert bare == []

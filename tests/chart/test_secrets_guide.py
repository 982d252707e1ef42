"""The examples of docs/guide/secrets.md make the Secrets, with the keys, that a release with its values reads."""

from __future__ import annotations

import re
from typing import Any

import yaml

from airfleet.secrets.cli import KINDS
from chart_harness.render import CHART, render
from chart_harness.rules.references import config_sources

PAGE = (CHART.parent / "docs" / "guide" / "secrets.md").read_text()
EXAMPLES: list[dict[str, Any]] = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def made(example: dict[str, Any]) -> tuple[str, set[str]]:
    """Name and keys of the Secret that a manifest becomes."""
    match example["apiVersion"], example["kind"]:
        case "external-secrets.io/v1", "ExternalSecret":
            return example["spec"]["target"]["name"], {entry["secretKey"] for entry in example["spec"]["data"]}
        case "bitnami.com/v1alpha1", "SealedSecret":
            return example["spec"]["template"]["metadata"]["name"], set(example["spec"]["encryptedData"])
        case "v1", "Secret":
            assert all(value.startswith("ENC[") for value in example["stringData"].values())
            return example["metadata"]["name"], set(example["stringData"])
    raise AssertionError(f"{example['kind']} is not known")


def test_the_examples_make_what_the_release_reads() -> None:
    (values,) = [example for example in EXAMPLES if "kind" not in example]
    rendered = render(values)
    read: dict[str, set[str]] = {"airflow-admin": {"username", "password"}}  # by the bootstrap Job, through the API
    for pod in rendered.pods:
        for _, name, keys in config_sources(pod, "secret"):
            if name != "airflow-jwt-overlap":
                read.setdefault(name, set()).update(keys)
    assert dict(made(example) for example in EXAMPLES if "kind" in example) == read
    assert rendered.made_by_bootstrap == frozenset()


def test_every_rotation_of_the_command_is_on_the_page() -> None:
    (kinds,) = re.findall(r"airfleet secrets rotate ([a-z|]+)`", PAGE)
    assert tuple(kinds.split("|")) == KINDS

"""docs/reference/values.md: readable, complete, and refused by --check when values.yaml has moved on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import airfleet.values.cli as cli
from airfleet.errors import InvalidError
from airfleet.values.reference import reference_text
from airfleet.values.source import read_values

SAMPLE = Path(__file__).with_name("sample.yaml")


def test_every_key_has_one_row() -> None:
    text = reference_text(read_values(SAMPLE))
    for row in (
        '| `fullnameOverride` | string | `""` | Replaces the release\'s name as the prefix of every object. |',
        '| `scheduler.mode` | one of `fast`, `slow` | `"fast"` | How it starts. It has two sentences. |',
        "| `scheduler.interval` | integer or string, 1 to 60 | `5` | Seconds between two looks. |",
        "| `scheduler.options` | keys below |  | What it may be told. |",
        "| `scheduler.options.hosts` | list of string | `[]` | Hosts that it knows. |",
        '| `podTemplates` | map of name to [podTemplate](#podtemplate) | `{"default": {"queues": ["default"]}}` |',
        '| `path` | string | `""` | A folder in the image. |',
    ):
        assert row in text
    assert "It takes every key of [`podOptions`](#podoptions) as well." in text
    assert "Example of `pod.env`:\n\n```yaml\nFOO: bar\n```" in text


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "chart/templates").mkdir(parents=True)
    shutil.copy(SAMPLE, tmp_path / "chart/values.yaml")
    monkeypatch.setattr(cli, "project_root", lambda: tmp_path)
    return tmp_path


def test_docs_writes_both_and_check_fails_once_they_are_stale(checkout: Path) -> None:
    run = CliRunner()
    assert run.invoke(cli.app, ["docs"]).exit_code == 0
    assert run.invoke(cli.app, ["docs", "--check"]).exit_code == 0
    values = checkout / "chart/values.yaml"
    values.write_text(values.read_text().replace("interval: 5", "interval: 6"))
    refused = run.invoke(cli.app, ["docs", "--check"]).exception
    assert isinstance(refused, InvalidError)
    assert "docs/reference/values.md does not match chart/values.yaml" in refused.what
    (checkout / "chart/values.schema.json").unlink()
    refused = run.invoke(cli.app, ["docs", "--check"]).exception
    assert isinstance(refused, InvalidError)
    assert "chart/values.schema.json and docs/reference/values.md do not match" in refused.what


def test_lint_fails_with_the_keys_that_no_template_uses(checkout: Path) -> None:
    refused = CliRunner().invoke(cli.app, ["lint"]).exception
    assert isinstance(refused, InvalidError)
    assert "chart/values.yaml:5: fullnameOverride is not used by any template" in refused.why

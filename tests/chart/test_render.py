"""Rendering itself: the same bytes every time, nothing random in it, clean for Helm's and YAML's own linters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from airfleet.helm import run_helm
from chart_harness import sizes
from chart_harness.render import CHART, KUBERNETES, RefusedError, render, render_again
from chart_harness.rules import violations
from chart_harness.scenarios import SCENARIOS, rendered

# toYaml does not indent the items of a list; blank lines inside of ConfigMaps' texts are indented by templates.
YAMLLINT = YamlLintConfig(
    "{extends: default, rules: {line-length: disable, trailing-spaces: disable, document-start: disable, "
    "comments: {min-spaces-from-content: 1}, indentation: {spaces: consistent, indent-sequences: whatever}}}"
)
NOT_DETERMINISTIC = re.compile(
    r"\b(rand\w+|genPrivateKey|genCA\w*|genSelfSigned\w+|genSignedCert\w*|htpasswd|bcrypt|uuidv4|now|ago|lookup|getHostByName)\b"
)
_COMMENTS = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)


@pytest.mark.parametrize("scenario", ["defaults", "every pod option, in each component"])
def test_the_same_values_render_the_same_bytes(scenario: str) -> None:
    assert render_again(rendered(scenario)) == rendered(scenario).text


def test_values_that_say_the_defaults_change_nothing() -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    assert render(defaults).text == render({}).text


def test_every_supported_kubernetes_renders_the_same() -> None:
    assert {render({}, kubernetes=version).text for version in KUBERNETES} == {render({}).text}


def test_an_older_kubernetes_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"requires kubeVersion: >=1\.33"):
        render({}, kubernetes="1.32")


def test_no_template_function_differs_from_run_to_run() -> None:
    for name, text in sizes.templates(CHART).items():
        actions = " ".join(re.findall(r"\{\{.*?\}\}", _COMMENTS.sub("", text), re.DOTALL))
        assert NOT_DETERMINISTIC.findall(re.sub(r'"[^"]*"', '""', actions)) == [], name


def test_only_guards_refuse() -> None:
    failing = [
        name
        for name, text in sizes.templates(CHART).items()
        if re.search(r"\b(fail|required)\s", _COMMENTS.sub("", text))
    ]
    assert set(failing) <= {"_guards.tpl"}


@pytest.mark.parametrize(
    "values", [{}, SCENARIOS["every pod option, in each component"]], ids=["defaults", "all options"]
)
def test_helm_lint_is_clean(values: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    done = run_helm(["lint", "--strict", str(CHART), "--values", str(file)], check=False)
    assert done.code == 0, done.stderr
    assert "[WARNING]" not in done.stdout + done.stderr
    assert "[ERROR]" not in done.stdout + done.stderr


@pytest.mark.parametrize("scenario", ["every pod option, once for all", "persisted logs", "addresses told"])
def test_the_output_is_clean_yaml(scenario: str) -> None:
    problems = list(linter.run(rendered(scenario).text, YAMLLINT))
    assert [f"{p.line}: {p.desc}" for p in problems] == []


@pytest.mark.parametrize("name", ["a", "airflow-2", "a" * 40])
@pytest.mark.parametrize("namespace", ["default", "n" * 63])
def test_any_release_name_and_namespace(name: str, namespace: str) -> None:
    assert violations(render({"postgres": {"embedded": True}}, release=name, namespace=namespace)) == []


@pytest.mark.parametrize("length", [41, 53])
def test_a_name_that_is_too_long_is_refused_with_the_way_out(length: int) -> None:
    with pytest.raises(RefusedError, match=r"(?s)fullnameOverride"):
        render({}, release="a" * length)
    assert violations(render({"fullnameOverride": "airflow"}, release="a" * length)) == []


def test_a_dead_schedulers_tasks_are_looked_for_every_minute_unless_the_values_say_otherwise() -> None:
    longer = {"config": {"scheduler": {"orphaned_tasks_check_interval": 300}}}
    for values, seconds in (({}, 60), (longer, 300)):
        text = render(values).get("ConfigMap/airflow-config")["data"]["airflow.cfg"]
        assert f"\norphaned_tasks_check_interval = {seconds}\n" in text

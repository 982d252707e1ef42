"""The tables of facts: every key of the official chart has a rule; they agree with our chart and with Airflow's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airfleet.errors import InvalidError
from airfleet.migrate.convert import convert
from airfleet.migrate.files import read_values
from airfleet.migrate.model import Status
from airfleet.migrate.official import moved_options, official
from airfleet.migrate.rules import rule_for
from airfleet.migrate.rules.config import ELSEWHERE, OWNED
from airfleet.paths import project_root


def test_every_key_of_the_official_chart_has_a_rule() -> None:
    assert not [".".join(path) for path in official().leaves() if rule_for(path) is None]
    assert len(official().leaves()) > 1100


def test_the_options_that_the_guards_refuse_are_the_ones_that_are_not_converted() -> None:
    text = (project_root() / "chart/templates/_guards.tpl").read_text()
    (block,) = re.findall(r'define "airfleet\.guards\.config" -?\}\}\n(.*?)-\}\}\n\{\{- range split', text, re.DOTALL)
    values = re.sub(r'^  "[^"]*"', "", block, flags=re.MULTILINE)
    refused = set(re.findall(r"[a-z_]+\.[a-z_]+", values))
    assert {"core.executor", "kubernetes_executor.multi_namespace_mode_namespace_list"} <= refused
    assert refused - {"dag_processor.dag_bundle_config_list"} <= {*OWNED, *ELSEWHERE}


def test_moved_options_end_at_options_that_did_not_move() -> None:
    assert len(moved_options()) > 100
    assert moved_options()["webserver.base_url"] == "api.base_url"
    assert moved_options()["core.check_slas"] is None
    assert not [new for new in moved_options().values() if new in moved_options()]


@pytest.mark.parametrize("value", ["'False'", "false"])
def test_a_value_that_repeats_a_default_is_not_a_choice(tmp_path: Path, value: str) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(f"executor: KubernetesExecutor\nconfig: {{core: {{load_examples: {value}}}}}\n")
    (finding,) = [f for f in convert([file]).findings if f.key == "config.core.load_examples"]
    assert finding.status is Status.DROPPED
    assert "default" in finding.why


def test_long_defaults_are_recognised_by_their_hash() -> None:
    assert official().is_default(("cleanup", "args"), ["bash", "-c", "x"]) is False
    assert official().is_default(("scheduler", "args"), ["bash", "-c", "exec airflow scheduler"])


def test_null_takes_an_option_away_and_is_asked_about_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(
        "executor: KubernetesExecutor\ndata: {metadataSecretName: x}\n"
        "config: {scheduler: {enable_health_check: null}}\nlabels: null\n"
        "scheduler: {terminationGracePeriodSeconds: null}\n"
    )
    conversion = convert([file])
    assert conversion.values["config"] == {"scheduler": {"enable_health_check": None}}
    assert [f.key for f in conversion.of(Status.HUMAN)] == ["scheduler.terminationGracePeriodSeconds"]


def test_what_the_input_leaves_out_and_matters_is_told_too(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("scheduler: {replicas: 2}\n")
    assert {f.key for f in convert([file]).of(Status.HUMAN)} == {"executor", "postgresql.enabled"}


def test_all_unreadable_files_are_named_at_once(tmp_path: Path) -> None:
    broken, listed = tmp_path / "a.yaml", tmp_path / "b.yaml"
    broken.write_text("a: 1\nb: [\n")
    listed.write_text("- a\n")
    with pytest.raises(InvalidError) as caught:
        read_values([broken, listed, tmp_path / "none.yaml"])
    assert f"{broken}:3" in caught.value.why
    assert f"{listed}: is not a map of keys" in caught.value.why
    assert f"{tmp_path / 'none.yaml'}: No such file" in caught.value.why


def test_anchors_and_merge_keys_keep_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("x: &r\n  a: 1\ny:\n  <<: *r\n  b: 2\n")
    values = read_values([file])
    assert values.data["y"] == {"a": 1, "b": 2}
    assert values.origins["y", "a"].line == 2
    assert values.origins["y", "b"].line == 5

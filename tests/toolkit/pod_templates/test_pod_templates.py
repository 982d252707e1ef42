"""`airfleet pod-template` with the real Helm: what it prints is what the executor would start from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from airfleet.errors import AirfleetError
from airfleet.paths import project_root
from airfleet.pod_templates import as_created, catalogue, find

EXAMPLES = sorted((project_root() / "values" / "pod-templates").glob("*.yaml"))


def airfleet(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from airfleet.cli import main; main()", "pod-template", *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.fixture
def values(tmp_path: Path) -> Path:
    file = tmp_path / "values.yaml"
    base = {"abstract": True, "nodeSelector": {"pool": "gpu"}}
    gpu = {"extends": ["base"], "namespace": "team", "queues": ["gpu", "cuda"]}
    file.write_text(yaml.safe_dump({"podTemplates": {"base": base, "gpu": gpu}}))
    return file


def test_the_list_has_every_template_with_its_queues(values: Path) -> None:
    done = airfleet("list", "-f", str(values), "--namespace", "data")
    assert done.returncode == 0, done.stderr
    rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()[1:]]
    assert rows == [["default", "data", "default"], ["gpu", "team", "cuda, gpu"], ["highmem", "data", "highmem"]]


def test_a_template_is_printed_as_its_values_compose_it(values: Path) -> None:
    done = airfleet("render", "gpu", "-f", str(values))
    pod = yaml.safe_load(done.stdout)
    assert (pod["kind"], pod["metadata"]["namespace"], pod["spec"]["nodeSelector"]) == ("Pod", "team", {"pool": "gpu"})
    assert "args" not in pod["spec"]["containers"][0]
    assert "--as-created" in done.stderr


def test_what_the_executor_adds_is_shown_on_request(values: Path) -> None:
    created = as_created(find(catalogue([values]), "gpu"))
    base = created["spec"]["containers"][0]
    assert base["args"][:3] == ["python", "-m", "airflow.sdk.execution_time.execute_workload"]
    assert base["command"][-1].endswith("airfleet_launch.py")
    assert created["metadata"]["labels"]["airfleet/pod-template"] == "gpu"
    assert created["metadata"]["labels"]["kubernetes_executor"] == "True"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_gives_templates_that_tasks_can_have(file: Path) -> None:
    said = yaml.safe_load(file.read_text())["podTemplates"]
    found = {t.name: t.queues for t in catalogue([file])}
    for name, own in said.items():
        assert (name in found) == (not own.get("abstract")), name
        assert own.get("abstract") or set(found[name]) == set(own.get("queues") or [name])


def test_an_unknown_name_suggests_the_nearest(values: Path) -> None:
    done = airfleet("render", "gqu", "-f", str(values))
    assert done.returncode == 64
    assert done.stdout == ""
    assert "there is no pod template 'gqu'" in done.stderr
    assert "did you mean 'gpu'? use one of default, gpu, highmem" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_values_file_is_one_clear_error() -> None:
    done = airfleet("list", "-f", "nowhere.yaml")
    assert done.returncode == 3
    assert "there is no values file nowhere.yaml" in done.stderr


def test_what_the_chart_refuses_is_told_in_its_words(values: Path) -> None:
    values.write_text("podTemplates: {gpu: {extends: [bse]}}")
    with pytest.raises(AirfleetError, match=r"podTemplates\.gpu extends"):
        catalogue([values])

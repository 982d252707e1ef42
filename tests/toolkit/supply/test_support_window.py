"""The versions in docs/reference/support-window.md are those of the code."""

from __future__ import annotations

import ast
import re
import tomllib

import yaml

from airfleet import helm
from airfleet.image.recipe import versions
from airfleet.lab import programs
from airfleet.paths import project_root

ROOT = project_root()


def rows() -> dict[str, str]:
    text = (ROOT / "docs/reference/support-window.md").read_text()
    found = re.findall(r"^\| ([A-Z][^|]*?) \| (.*) \|$", text, re.MULTILINE)
    return dict(found)


def test_airflow_and_kubernetes() -> None:
    chart = yaml.safe_load((ROOT / "chart/Chart.yaml").read_text())
    airflow, kubernetes = rows()["Airflow"], rows()["Kubernetes"]
    assert chart["appVersion"] == versions().airflow
    assert airflow.count(chart["appVersion"]) == 2
    oldest = re.fullmatch(r">=(\d+\.\d+)\.0-0", chart["kubeVersion"])
    assert oldest and kubernetes.startswith(f"{oldest[1]} or newer")
    source = (ROOT / "tests/chart/chart_harness/render.py").read_text()
    (listed,) = re.findall(r"^KUBERNETES = (\(.*\))$", source, re.MULTILINE)
    assert f"accepted by {', '.join(ast.literal_eval(listed))};" in kubernetes
    live = programs.required(programs.SOURCES / "kube" / "go.mod", "k8s.io/kubernetes").removeprefix("v")
    assert f"live tests run {live}" in kubernetes


def test_helm_and_python() -> None:
    assert rows()["Helm"].startswith(".".join(map(str, helm.MINIMUM)) + " or newer")
    assert f"the tests run {helm.PINNED} " in rows()["Helm"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert rows()["Python of the toolkit"].startswith(project["project"]["requires-python"] + " ")
    assert rows()["Python of the toolkit"].endswith(project["tool"]["mypy"]["python_version"])
    assert rows()["Python in the project's image"].startswith(f"{versions().python} ")


def test_postgresql() -> None:
    image = yaml.safe_load((ROOT / "chart/values.yaml").read_text())["postgres"]["image"]
    assert rows()["PostgreSQL"].startswith(f"{versions().postgres} ")
    assert f"{image['repository']}:{image['tag']}" in rows()["PostgreSQL"]

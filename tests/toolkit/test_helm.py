"""Helm 4 is found or built, and runs against what it is told, never against the user's current context."""

from __future__ import annotations

from pathlib import Path

import pytest

from airfleet.errors import AirfleetError
from airfleet.gotools import GO_MINIMUM
from airfleet.helm import helm, helm_version, run_helm, template


@pytest.fixture(autouse=True)
def asked_anew() -> None:
    helm.cache_clear()


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "chart" / "templates").mkdir(parents=True)
    (tmp_path / "chart" / "Chart.yaml").write_text("{apiVersion: v2, name: tiny, version: 0.1.0}\n")
    (tmp_path / "chart" / "templates" / "a.yaml").write_text(
        "release: {{ .Release.Name }}\n"
        "namespace: {{ .Release.Namespace }}\n"
        "colour: {{ .Values.colour }}\n"
        "kubernetes: {{ .Capabilities.KubeVersion.Version }}\n"
        'monitors: {{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}\n'
    )
    return tmp_path / "chart"


def fake(directory: Path, name: str, says: str) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_the_helm_in_use_is_a_helm_4() -> None:
    found = helm_version(helm())
    assert found is not None
    assert found >= (4, 0)


def test_templates_see_the_release_the_values_and_the_cluster_they_are_for(chart: Path, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("colour: blue\n")
    text = template(
        chart,
        release="r",
        namespace="n",
        values=[tmp_path / "values.yaml"],
        kube_version="1.34.2",
        api_versions=["monitoring.coreos.com/v1"],
    )
    lines = text.splitlines()
    assert "release: r" in lines
    assert "namespace: n" in lines
    assert "colour: blue" in lines
    assert "kubernetes: v1.34.2" in lines
    assert "monitors: true" in lines


def test_the_user_s_own_settings_for_helm_are_not_followed(chart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM_NAMESPACE", "elsewhere")
    monkeypatch.setenv("HELM_KUBECONTEXT", "production")
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")
    assert "namespace: default" in run_helm(["template", "r", chart]).stdout


def test_a_wrong_airfleet_helm_is_an_error_and_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLEET_HELM", str(fake(tmp_path, "helm", "v3.19.0")))
    with pytest.raises(AirfleetError, match="AIRFLEET_HELM is not a Helm 4"):
        helm()


def test_a_helm_4_on_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLEET_HELM", raising=False)
    path = fake(tmp_path, "helm", "v4.9.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert helm() == path


@pytest.mark.parametrize(
    ("go", "why"),
    [
        (None, "no `go` on PATH"),
        ("go1.19.8\nauto", "is of version go1.19.8"),
        ("go1.25.1\nlocal", "is of version go1.25.1"),
    ],
)
def test_an_old_helm_and_no_usable_go_give_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go: str | None, why: str
) -> None:
    programs = tmp_path / "programs"
    fake(programs, "helm", "v3.19.0")
    if go:
        fake(programs, "go", go)
    monkeypatch.delenv("AIRFLEET_HELM", raising=False)
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(AirfleetError, match="cannot be built") as caught:
        helm()
    assert str(GO_MINIMUM[1]) in caught.value.why
    assert why in caught.value.why
    assert "AIRFLEET_HELM" in caught.value.fix

"""The demo on a cluster of the user's: it shows which one, and asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from airfleet.demo.install import dag_files, demo_values
from airfleet.demo.target import context_target
from airfleet.errors import UsageError
from airfleet.lab import Lab


def target(api_server: Lab, monkeypatch: pytest.MonkeyPatch, *, yes: bool, storage_class: str = ""):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    return context_target(
        api_server.context, namespace="airflow", release="airflow", logs_storage_class=storage_class, yes=yes
    )


def test_nobody_there_to_confirm_is_refused_after_showing_the_cluster(
    api_server: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.isatty", lambda _: False)
    with pytest.raises(UsageError, match="nobody is there to confirm"):
        target(api_server, monkeypatch, yes=False)
    shown = capsys.readouterr().err
    assert api_server.context in shown
    assert "https://127.0.0.1:" in shown
    assert "UID of kube-system" in shown


def test_with_yes_it_names_the_commands_that_remove_it(api_server: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    found = target(api_server, monkeypatch, yes=True)
    assert found.remove[0].startswith("helm uninstall airflow --namespace airflow")
    assert f"--kube-context {api_server.context}" in found.remove[0]
    assert found.values["logs"]["persistence"]["enabled"] is False


def test_a_shared_storage_class_keeps_logs(api_server: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    found = target(api_server, monkeypatch, yes=True, storage_class="fast-rwx")
    assert found.values["logs"]["persistence"] == {"enabled": True, "storageClassName": "fast-rwx", "size": "1Gi"}
    assert demo_values(found)["dags"]["bundles"]["demo"]["configMap"] == "airflow-dags"


def test_the_demo_takes_the_example_dags_as_they_are() -> None:
    assert set(dag_files()) >= {"hello_pods.py", "fan_out.py"}
    assert all(text == Path("dags", name).read_text() for name, text in dag_files().items())

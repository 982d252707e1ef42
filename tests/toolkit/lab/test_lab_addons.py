"""Add-ons of a lab: names are checked before anything starts, and what they install fits the companion's image."""

from __future__ import annotations

from string import Template

import pytest
import yaml
from typer.testing import CliRunner

from airfleet.errors import UsageError
from airfleet.lab import Lab, addons, companions
from airfleet.lab.boot import MANIFESTS
from airfleet.lab.cli import app


def test_an_unknown_add_on_is_refused_with_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lab, "up", lambda *args, **kwargs: pytest.fail("the lab was started"))
    refused = CliRunner().invoke(app, ["up", "--with", "metrics-sever"]).exception
    assert isinstance(refused, UsageError)
    assert "metrics-server" in refused.fix


@pytest.mark.parametrize("name", addons.names())
def test_an_add_on_runs_its_companion(name: str) -> None:
    assert companions.version(name).startswith("v")
    text = Template((MANIFESTS / "addons" / f"{name}.yaml").read_text()).substitute(IMAGE="docker.io/airfleet/x:v1")
    (pod,) = (o["spec"]["template"]["spec"] for o in yaml.safe_load_all(text) if o["kind"] == "Deployment")
    assert [c["image"] for c in pod["containers"]] == ["docker.io/airfleet/x:v1"]
    assert pod["containers"][0]["imagePullPolicy"] == "Never"

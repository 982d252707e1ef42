"""A fleet on disk that a test writes and uses, with a chart that prints its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from airfleet.fleet.inventory import Fleet, read_fleet
from airfleet.helm import helm

CHART = {
    "chart/Chart.yaml": "{apiVersion: v2, name: printer, version: 1.0.0}\n",
    "chart/values.yaml": "colour: grey\nsize: 1\n",
    "chart/templates/all.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n"
        "data:\n  values.json: {{ toJson .Values | quote }}\n"
    ),
}
FLEET = {
    "fleet/fleet.yaml": (
        "chart: ../chart\naxes: [env]\nadapter: none\nrelease: printer\nlistKeys: {items: name}\n"
        "waves:\n  - {name: first, select: env=dev}\n  - {name: rest}\n"
    ),
    "fleet/base.yaml": "colour: red\n",
    "fleet/env/dev.yaml": "",
    "fleet/env/prod.yaml": "size: 3\n",
    "fleet/clusters/a.yaml": 'axes: {env: dev}\nkubernetes: "1.36"\ncontext: a\n',
    "fleet/clusters/b.yaml": 'axes: {env: prod}\nkubernetes: "1.36"\ncontext: b\nvalues:\n  colour: blue\n',
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], Fleet]:
    """Write files over the fleet's, and read it. Places are shown from the folder above the fleet's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLEET_HELM", str(helm()))  # not one to be built into the empty cache
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path / "cache"))

    def written(files: Mapping[str, str]) -> Fleet:
        for name, text in {**CHART, **FLEET, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return read_fleet(tmp_path / "fleet" / "fleet.yaml")

    return written

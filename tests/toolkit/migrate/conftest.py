"""Cases: real-shaped values of the official chart, converted and rendered once."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfleet.helm import template
from airfleet.migrate.convert import convert
from airfleet.migrate.emit import values_text
from airfleet.migrate.model import Conversion, Status
from airfleet.migrate.target import chart
from airfleet.paths import project_root

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """A conversion, and what Helm renders from it."""

    conversion: Conversion
    objects: dict[tuple[str, str], dict[str, Any]]

    def status(self, key: str) -> Status:
        (found,) = {finding.status for finding in self.conversion.findings if finding.key == key}
        return found

    def why(self, key: str) -> str:
        return " ".join(finding.why for finding in self.conversion.findings if finding.key == key)

    @property
    def human(self) -> set[str]:
        return {finding.key for finding in self.conversion.of(Status.HUMAN)}

    def pod(self, component: str) -> dict[str, Any]:
        """The pod template of a component; `worker` is the default pod template's."""
        if component == "worker":
            text = self.objects["ConfigMap", "airflow-pod-templates"]["data"]["default.yaml"]
            found: dict[str, Any] = yaml.safe_load(text)
            return found
        kind = "Job" if component == "bootstrap" else "Deployment"
        names = [name for name in self.objects if name[0] == kind and name[1].startswith(f"airflow-{component}")]
        template_of: dict[str, Any] = self.objects[names[0]]["spec"]["template"]
        return template_of

    def base(self, component: str) -> dict[str, Any]:
        """The component's own container."""
        found: dict[str, Any] = self.pod(component)["spec"]["containers"][0]
        return found

    def env(self, component: str) -> dict[str, Any]:
        return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in self.base(component)["env"]}

    def config(self) -> str:
        text: str = self.objects["ConfigMap", "airflow-config"]["data"]["airflow.cfg"]
        return text


@functools.cache
def load(*names: str) -> Case:
    files = [CASES / f"{name}.yaml" for name in names]
    conversion = convert(files)
    out = Path(render_folder()) / f"{'-'.join(names)}.yaml"
    out.write_text(values_text(conversion, chart().defaults))
    manifests = template(project_root() / "chart", release="airflow", namespace="airflow", values=[out])
    objects = [found for found in yaml.safe_load_all(manifests) if found]
    return Case(conversion, {(found["kind"], found["metadata"]["name"]): found for found in objects})


@functools.cache
def render_folder() -> str:
    import tempfile

    return tempfile.mkdtemp(prefix="airfleet-migrate-")


@pytest.fixture
def case():  # type: ignore[no-untyped-def]
    """A case by the names of its files."""
    return load

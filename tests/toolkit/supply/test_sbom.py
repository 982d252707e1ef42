"""The bill of materials lists what a rendering and its images have, changes only with them, and is valid CycloneDX."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from airfleet.image.archive import write_archive
from airfleet.image.build import Image as BuiltImage
from airfleet.image.contents import Package, contents
from airfleet.image.layer import pack
from airfleet.paths import project_root
from airfleet.supply.images import Image, release_images
from airfleet.supply.sbom import document

CHART = project_root() / "chart"
DIGEST = "sha256:" + "0" * 64
OURS = "airfleet/airflow:3.3.2-12345678"
STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 2.36-9+deb12u13

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""
FILES = {
    "var/lib/dpkg/status": STATUS.replace("deb12u13", "deb12u1"),
    "usr/lib/os-release": 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\n',
    "usr/lib/python3/dist-packages/of_debian-1.dist-info/METADATA": "Name: of-debian\nVersion: 1\n",
    "usr/share/doc/README": "not a package",
}
SITE = "home/airflow/.local/lib/python3.11/site-packages"
UPPER = {
    "var/lib/dpkg/status": STATUS,
    f"{SITE}/Foo_Bar-1.0.dist-info/METADATA": "Name: Foo_Bar\nVersion: 1.0\n\nx",
    f"{SITE}/foo/METADATA": "Name: vendored\nVersion: 2\n",
}


def tree(place: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltImage:
    """An image of two layers, the upper one with a newer libc."""
    place = tmp_path_factory.mktemp("image")
    lower, upper = tree(place / "lower", FILES), tree(place / "upper", FILES | UPPER)
    layers = [pack(lower, None, place / "1", 0), pack(upper, lower, place / "2", 0)]
    digest = write_archive(place / "archive.tar", OURS, layers, {}, "amd64", 0)
    return BuiltImage("airflow", OURS, place / "archive.tar", digest, 0)


@pytest.fixture(scope="module")
def bill(built: BuiltImage) -> dict[str, Any]:
    images = [*release_images(), Image(OURS), Image(f"r.example.com/team/airflow@{DIGEST}")]
    return document(CHART, images, {OURS: built})


def test_the_packages_of_an_image_are_those_of_its_uppermost_layers(built: BuiltImage) -> None:
    found = contents(built.archive)
    assert found.debian == (Package("libc6", "2.36-9+deb12u13", "amd64"),)
    assert found.python == (Package("foo-bar", "1.0"),)
    assert (found.release, found.status) == ("12", STATUS)


def test_the_chart_its_images_and_their_packages_are_in_it(bill: dict[str, Any], built: BuiltImage) -> None:
    parts = {part["bom-ref"]: part for part in bill["components"]}
    assert len(parts) == len(bill["components"])
    containers = {part["name"]: part for part in parts.values() if part["type"] == "container"}
    assert set(containers) == {"docker.io/apache/airflow", "docker.io/airfleet/airflow", "r.example.com/team/airflow"}
    assert containers["r.example.com/team/airflow"]["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]
    ours = containers["docker.io/airfleet/airflow"]
    assert ours["version"] == built.digest
    depends = {entry["ref"]: entry["dependsOn"] for entry in bill["dependencies"]}
    assert depends[bill["metadata"]["component"]["bom-ref"]] == sorted(c["bom-ref"] for c in containers.values())
    assert depends[ours["bom-ref"]] == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64&distro=debian-12",
        "pkg:pypi/foo-bar@1.0",
    ]
    assert set(depends[ours["bom-ref"]]) <= set(parts)


def test_it_says_of_which_images_it_knows_the_packages(bill: dict[str, Any]) -> None:
    known, unknown = bill["compositions"]
    assert known["aggregate"] == "complete" and unknown["aggregate"] == "unknown"
    assert [ref for ref in known["dependencies"] if "oci" in ref] == [
        part["bom-ref"] for part in bill["components"] if part["name"] == "docker.io/airfleet/airflow"
    ]
    assert len(unknown["dependencies"]) == 2


def violations(bill: Any) -> list[str]:
    """What the published schema of CycloneDX 1.6 has against a document."""
    folder = resources.files("cyclonedx.schema") / "_res"
    read = lambda name: json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text())
    others = [(f"http://cyclonedx.org/schema/{n}.SNAPSHOT.schema.json", read(n)) for n in ("spdx", "jsf-0.82")]
    registry = jsonschema_rs.Registry(others, draft=jsonschema_rs.Draft7)
    schema = jsonschema_rs.Draft7Validator(read("bom-1.6"), registry=registry, validate_formats=True)
    return [error.message for error in schema.iter_errors(bill)]


def test_it_is_valid_cyclonedx(bill: dict[str, Any]) -> None:
    assert violations(bill) == []
    assert violations({**bill, "components": [{"type": "pod"}]}) != []
    assert violations({**bill, "serialNumber": "1"}) != []


def test_the_command_prints_the_same_document_each_time() -> None:
    command = [sys.executable, "-c", "from airfleet.cli import main; main()", "chart", "sbom"]
    one, two = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert one == two
    printed = json.loads(one)
    assert (printed["bomFormat"], printed["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", printed["serialNumber"])

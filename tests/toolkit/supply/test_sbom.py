"""The bill of materials lists what the lock and the rendering have, and changes only with them."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from airfleet.paths import project_root
from airfleet.supply.images import Image, release_images
from airfleet.supply.sbom import locked, sbom

LOCK = project_root() / "scripts/image/requirements.lock"
DIGEST = "sha256:" + "0" * 64


def test_every_locked_package_is_in_it() -> None:
    document = sbom(project_root() / "chart", [], LOCK)
    purls = {part["purl"] for part in document["components"]}
    lines = [line for line in LOCK.read_text().splitlines() if re.match(r"^[A-Za-z0-9]", line)]
    assert len(purls) == len(lines) > 100
    assert any(purl.startswith("pkg:pypi/apache-airflow-core@") for purl in purls)


def test_images_and_the_chart_are_in_it() -> None:
    images = [*release_images(), Image(f"r.example.com/team/airflow@{DIGEST}")]
    document = sbom(project_root() / "chart", images, LOCK)
    assert document["metadata"]["component"]["name"] == "airfleet"
    containers = [part for part in document["components"] if part["type"] == "container"]
    assert {part["name"] for part in containers} == {"docker.io/apache/airflow", "r.example.com/team/airflow"}
    (pinned,) = [part for part in containers if part.get("hashes")]
    assert pinned["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]
    references = [part["bom-ref"] for part in document["components"]]
    assert len(references) == len(set(references))
    assert set(document["dependencies"][0]["dependsOn"]) <= set(references)


def test_names_are_normalised_and_extras_left_out() -> None:
    assert locked("Foo_Bar.baz[x]==1.0 \\\n    --hash=sha256:00\n# a==1\nb==2 ; python_version < '4'\n") == [
        ("foo-bar-baz", "1.0"),
        ("b", "2"),
    ]


def test_the_command_prints_the_same_document_each_time() -> None:
    command = [sys.executable, "-c", "from airfleet.cli import main; main()", "sbom"]
    one, two = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert one == two
    document = json.loads(one)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", document["serialNumber"])

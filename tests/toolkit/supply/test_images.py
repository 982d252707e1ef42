"""Every image of a rendering is listed, whoever uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from airfleet.errors import AirfleetError
from airfleet.helm import template
from airfleet.migrate.target import chart
from airfleet.paths import project_root
from airfleet.supply.images import Image, images_of, mirror, release_images

DIGEST = "sha256:" + "0123456789abcdef" * 4


def test_all_images_of_a_release_are_found(tmp_path: Path) -> None:
    values = {
        "image": {"repository": "registry.example.com/airflow", "digest": DIGEST},
        "postgres": {"embedded": True},
        "workers": {"sidecars": {"proxy": {"image": "envoyproxy/envoy:v1.36.2"}}},
        "podTemplates": {"gpu": {"initContainers": {"warm": {"image": "busybox"}}}},
        "pod": {"volumes": {"model": {"image": {"reference": "quay.io/models/big:1"}}}},
    }
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    found = {image.full: image for image in release_images([file])}
    assert set(found) == {
        f"registry.example.com/airflow@{DIGEST}",
        f"docker.io/library/postgres:{chart().defaults['postgres']['image']['tag']}",
        "docker.io/envoyproxy/envoy:v1.36.2",
        "docker.io/library/busybox",
        "quay.io/models/big:1",
    }
    airflow = found[f"registry.example.com/airflow@{DIGEST}"]
    assert airflow.digest == DIGEST
    assert "Deployment/airflow-scheduler container base" in airflow.used_by
    assert "ConfigMap/airflow-pod-templates default.yaml container base" in airflow.used_by
    assert found["docker.io/library/busybox"].used_by == ("ConfigMap/airflow-pod-templates gpu.yaml container warm",)


def test_no_image_of_the_rendering_is_left_out() -> None:
    """Counted differently: every `image:` in the text of the manifests."""
    text = template(project_root() / "chart", release="airflow", namespace="airflow")
    named = {
        line.split("image:", 1)[1].strip().strip('"')
        for line in text.splitlines()
        if line.strip(" -").startswith("image:")
    }
    assert {image.reference for image in release_images()} == named


@pytest.mark.parametrize(
    ("reference", "full", "repository", "tag"),
    [
        ("busybox", "docker.io/library/busybox", "docker.io/library/busybox", ""),
        ("apache/airflow:3.3.2", "docker.io/apache/airflow:3.3.2", "docker.io/apache/airflow", "3.3.2"),
        ("localhost:5000/a:b", "localhost:5000/a:b", "localhost:5000/a", "b"),
        (f"r.example.com/a:1@{DIGEST}", f"r.example.com/a:1@{DIGEST}", "r.example.com/a", "1"),
    ],
)
def test_references_are_read_as_runtimes_read_them(reference: str, full: str, repository: str, tag: str) -> None:
    image = Image(reference)
    assert (image.full, image.repository, image.tag) == (full, repository, tag)


def test_a_mirror_keeps_names_and_refuses_two_for_one() -> None:
    images = [Image("apache/airflow:3.3.2"), Image(f"quay.io/x/y@{DIGEST}")]
    assert mirror(images, "mirror.example.com/team/") == [
        ("docker.io/apache/airflow:3.3.2", "mirror.example.com/team/apache/airflow:3.3.2"),
        (f"quay.io/x/y@{DIGEST}", f"mirror.example.com/team/x/y@{DIGEST}"),
    ]
    with pytest.raises(AirfleetError, match="the same one"):
        mirror([Image("a/b:1"), Image("quay.io/a/b:1")], "m")


def test_pods_anywhere_in_an_object_count() -> None:
    job = {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "x/y:1"}]}}}}
    cron = {"kind": "CronJob", "metadata": {"name": "c"}, "spec": {"jobTemplate": job}}
    assert images_of([cron]) == [Image("x/y:1", ("CronJob/c container a",))]


def test_the_command(tmp_path: Path) -> None:
    def airfleet(*argv: str) -> str:
        command = [sys.executable, "-c", "from airfleet.cli import main; main()", *argv]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    (listed,) = json.loads(airfleet("chart", "images", "--json"))
    assert listed["repository"] == "docker.io/apache/airflow"
    source, target = airfleet("chart", "images", "--mirror", "mirror.example.com").split()
    assert (source, target) == (listed["image"], listed["image"].replace("docker.io", "mirror.example.com"))

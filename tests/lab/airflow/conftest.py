"""The live tests' cluster and the release that most of them look at. Both are made once and shared.

AIRFLEET_KEEP_LAB=1 leaves the lab running for the next run; AIRFLEET_TEST_LAB=name uses another lab, so that two runs
can go on side by side; AIRFLEET_TEST_IMAGE=airflow-stock runs the same suite on the image without bytecode;
AIRFLEET_TEST_PARTS=logs,metrics leaves the other parts out of the release `full`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airfleet import image
from airfleet.kube import Cluster
from airfleet.lab import Lab
from lab_harness import full as parts
from lab_harness.release import DAGS, Release

LAB = os.environ.get("AIRFLEET_TEST_LAB", "test")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rotations come last: they replace the keys and the passwords of the release that the other tests look at."""
    items.sort(key=lambda item: item.path.name == "test_secrets.py")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Three nodes, with the images loaded."""
    lab = Lab(LAB)
    if not lab.is_up():
        lab.up(nodes=3)
    kind = os.environ.get("AIRFLEET_TEST_IMAGE", "airflow")
    lab.load([image.ensure(kind).archive, image.ensure("postgres").archive])
    yield lab
    if not os.environ.get("AIRFLEET_KEEP_LAB"):
        lab.down()


@pytest.fixture(scope="session")
def cluster(lab: Lab) -> Cluster:
    return Cluster(lab.kubeconfig, lab.context)


@pytest.fixture(scope="session")
def kube_config(lab: Lab) -> str:
    """pytest-helm-charts' own fixture: the kubeconfig that its `kube_cluster` uses."""
    return str(lab.kubeconfig)


@pytest.fixture(scope="session")
def airflow(lab: Lab, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """The release that most tests look at: preset demo, logs on the shared volume, in a restricted namespace."""
    release = Release(lab, cluster, "airflow", "airflow", tmp_path_factory.mktemp("values"))
    release.prepare([*DAGS, *Path(__file__).parent.glob("dags/*.py")])
    start = time.monotonic()
    release.install()
    print(f"\ninstalled with --wait in {time.monotonic() - start:.1f} s")
    yield release
    release.remove()


@pytest.fixture(scope="session")
def full(lab: Lab, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """One release with every part of lab_harness/full turned on, each with the real server that it needs."""
    release = Release(lab, cluster, "full", "full", tmp_path_factory.mktemp("full"))
    release.prepare([*DAGS, *Path(__file__).parent.glob("dags/*.py")])
    start = time.monotonic()
    release.install(parts.values(release, parts.chosen(os.environ.get("AIRFLEET_TEST_PARTS", ""))))
    print(f"\ninstalled with every part in {time.monotonic() - start:.1f} s")
    yield release
    release.remove()

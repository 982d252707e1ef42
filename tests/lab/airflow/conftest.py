"""The live tests' cluster and the release that most of them look at. Both are made once and shared.

AIRFLEET_KEEP_LAB=1 leaves the lab running for the next run; AIRFLEET_TEST_LAB=name uses another lab, so that two runs
can go on side by side; AIRFLEET_TEST_IMAGE=airflow-stock runs the same suite on the image without bytecode;
AIRFLEET_TEST_PARTS=logs,metrics leaves the other parts out of the release `full`.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from airfleet import image
from airfleet.kube import Cluster
from airfleet.lab import Lab
from airfleet.paths import project_root
from airfleet.supply.package import package
from lab_harness import full as parts
from lab_harness.release import DAGS, Release

LAB = os.environ.get("AIRFLEET_TEST_LAB", "test")


_HERE = Path(__file__).parent
_SHARED = ("airflow", "full")
_running: dict[str, Release] = {}
_last_use: dict[str, pytest.Item] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules that share a release come one after the other, since what idles takes much of a small machine. Rotations
    are the last of theirs: they replace the keys and the passwords of the release that the others look at."""
    used: dict[Path, set[str]] = defaultdict(set)
    for item in items:
        used[item.path] |= {name for name in _SHARED if name in getattr(item, "fixturenames", ())}
    users = lambda item: [name not in used[item.path] for name in _SHARED]
    items.sort(key=lambda item: (_HERE in item.path.parents, users(item), item.path.name == "test_secrets.py"))
    _last_use.update({name: item for item in items for name in used[item.path]})


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Take down a release that nobody needs any more."""
    for name in [name for name in _running if _last_use.get(name) is item]:
        _running.pop(name).remove()


def _share(name: str, release: Release) -> Iterator[Release]:
    _running[name] = release
    yield release
    if name in _running:
        _running.pop(name).remove()


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Two nodes, with the images loaded; three where one of them is going to be lost."""
    lab = Lab(LAB)
    if not lab.is_up():
        lab.up(nodes=3 if any(item.get_closest_marker("long") for item in request.session.items) else 2)
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
    """The release that most tests look at: the packed chart with the preset demo, logs on the shared volume, in a
    restricted namespace."""
    release = Release(lab, cluster, "airflow", "airflow", tmp_path_factory.mktemp("values"))
    release.chart = package(project_root() / "chart", release.folder)
    release.prepare([*DAGS, *Path(__file__).parent.glob("dags/*.py")])
    start = time.monotonic()
    release.install()
    print(f"\ninstalled with --wait in {time.monotonic() - start:.1f} s")
    yield from _share("airflow", release)


@pytest.fixture(scope="session")
def full(lab: Lab, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """One release with every part of lab_harness/full turned on, each with the real server that it needs."""
    release = Release(lab, cluster, "full", "full", tmp_path_factory.mktemp("full"))
    here = Path(__file__).parent
    release.prepare([*DAGS, *here.glob("dags/*.py"), *here.glob("dags/full/*.py")])
    start = time.monotonic()
    release.install(parts.values(release, parts.chosen(os.environ.get("AIRFLEET_TEST_PARTS", ""))))
    print(f"\ninstalled with every part in {time.monotonic() - start:.1f} s")
    yield from _share("full", release)

"""Three real clusters of one node each, and a fleet on them whose chart is tiny: what is tested is the toolkit.

AIRFLEET_KEEP_LAB=1 leaves the labs running for the next run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airfleet.lab import Lab
from lab_harness.fleet import CHART, NAMES, FleetOnDisk


@pytest.fixture(scope="session")
def labs() -> Iterator[dict[str, Lab]]:
    labs = {name: Lab(name) for name in NAMES}
    for lab in labs.values():
        if not lab.is_up():
            lab.up(nodes=1)
    yield labs
    if not os.environ.get("AIRFLEET_KEEP_LAB"):
        with ThreadPoolExecutor() as pool:
            list(pool.map(Lab.down, labs.values()))


@pytest.fixture
def fleet(labs: dict[str, Lab], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FleetOnDisk]:
    """A fleet of the three clusters, one in each wave, in a namespace of the test's own; nothing is installed."""
    namespace = f"t{abs(hash(request.node.name)) % 10**8}"
    fleet = FleetOnDisk(tmp_path, labs, namespace)
    waves = [{"name": name, "select": f"env={env}"} for name, env in (("first", "a"), ("second", "b"), ("third", "c"))]
    spec = {"chart": str(CHART), "axes": ["env"], "adapter": "none", "release": "tiny", "namespace": namespace}
    fleet.write("fleet.yaml", {**spec, "waves": waves, "gates": {"rollout": "15s"}})
    fleet.write("base.yaml", "message: one\n")
    for name, env in zip(NAMES, "abc", strict=True):
        lab = labs[name]
        identity = fleet.cluster(name).identity()
        where = {"context": lab.context, "kubeconfig": str(lab.kubeconfig), "identity": identity}
        fleet.write(f"env/{env}.yaml", "")
        fleet.write(f"clusters/{name}.yaml", {"axes": {"env": env}, "kubernetes": "1.36", **where})
    yield fleet
    for name in NAMES:
        cluster = fleet.cluster(name)
        if cluster.exists(cluster.core.read_namespace, namespace):
            cluster.core.delete_namespace(namespace)

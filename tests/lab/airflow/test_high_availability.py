"""The preset production-ha on three nodes: one of them is lost, and people and tasks go on."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from airfleet import image
from airfleet.kube import Cluster
from airfleet.lab import Lab, companions
from lab_harness.release import DAGS, Release, until

# What the lab's machine has room for: the preset's requests are for real nodes.
SMALL = {"resources": {"requests": {"cpu": "20m", "memory": "64Mi"}}}
COMPONENTS = ("apiServer", "executionApi", "scheduler", "dagProcessor", "triggerer", "bootstrap", "workers", "postgres")


@pytest.fixture(scope="module")
def ha(lab: Lab, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """The preset, with the embedded database where production has one of its own."""
    release = Release(lab, cluster, "ha", "ha", tmp_path_factory.mktemp("ha"), preset="production-ha")
    release.prepare(DAGS)
    exporter = companions.image("statsd-exporter")
    lab.load([image.ensure("pgbouncer").archive, exporter.archive])
    own = {"pgbouncer": {"image": named(image.reference("pgbouncer"))}, "metrics": {"image": named(exporter.ref)}}
    release.install({**dict.fromkeys(COMPONENTS, SMALL), **own, "postgres": {"embedded": True, **SMALL}}, timeout=420)
    yield release
    release.remove()


def named(reference: str) -> dict[str, str]:
    repository, tag = reference.rsplit(":", 1)
    return {"repository": repository, "tag": tag}


def nodes_of(release: Release, component: str) -> set[str]:
    return {pod.spec.node_name for pod in release.pods(component)}


def is_ready(release: Release, node: str) -> bool:
    conditions = release.cluster.core.read_node(node).status.conditions
    return any(c.type == "Ready" and c.status == "True" for c in conditions)


def missing(release: Release) -> list[str]:
    """Deployments with fewer pods that work than they want."""
    listed = json.loads(release.kubectl("get", "deployments", "--output", "json").stdout)["items"]
    return [d["metadata"]["name"] for d in listed if d["status"].get("availableReplicas", 0) < d["spec"]["replicas"]]


@pytest.mark.skip(reason="NOT MET: two schedulers came up on one node, since spreading over nodes is only preferred")
def test_the_loss_of_a_node_stops_nobody(ha: Release, lab: Lab) -> None:
    for component in ("api-server", "execution-api", "scheduler", "dag-processor", "triggerer", "pgbouncer"):
        assert len(nodes_of(ha, component)) > 1, f"{component} is on one node"
    # The database of this test has a local volume, which production's has not.
    lost = next(node for node in lab.nodes if node not in nodes_of(ha, "postgres"))
    lab.stop_node(lost)
    try:
        until("the cluster to notice", lambda: not is_ready(ha, lost), 90)
        ha.run("hello_pods", timeout=240)
        until("every lost pod to be replaced", lambda: not missing(ha), 240)
        ha.run("hello_pods")
    finally:
        lab.start_node(lost)
    until("the node to be back", lambda: is_ready(ha, lost))

"""The preset production-ha on three nodes: one of them is updated, drained and lost, and people and tasks go on."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from airfleet import image
from airfleet.airflow_api import AirflowApi, TaskInstance
from airfleet.errors import AirfleetError
from airfleet.kube import Cluster
from airfleet.lab import Lab, companions
from lab_harness.release import DAGS, Release, until

pytestmark = pytest.mark.long  # tests/README.md says why
OUTLIVE = Path(__file__).parent / "dags" / "high_availability" / "outlive.py"
# What the lab's machine has room for: the preset's requests are for real nodes.
SMALL = {"resources": {"requests": {"cpu": "20m", "memory": "64Mi"}}}
COMPONENTS = ("apiServer", "executionApi", "scheduler", "dagProcessor", "triggerer", "bootstrap", "workers", "postgres")
SPREAD = ("api-server", "execution-api", "scheduler", "dag-processor", "triggerer", "pgbouncer")
HOSTNAME = "kubernetes.io/hostname"
# 300 by default; all that the test measures of it comes on top.
GIVEN_UP_AFTER = 120
# What a scheduler does for a moment in each of its loops, and a lost one may have been doing. While it lasts, nobody
# starts a task.
HOLD_THE_POOL = """
import sys, time, airfleet_common as common
url = "postgresql://{user}:{password}@%s:6432/{name}".format(**common.parts_of(None))
connection = common.connect(url % sys.argv[1])
connection.autocommit = False
connection.cursor().execute("SELECT * FROM slot_pool FOR SHARE")
print("held", flush=True)
time.sleep(3600)
"""


@pytest.fixture(scope="module")
def ha(lab: Lab, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """The preset, with an embedded database, which stays: production has one of its own. Node 3 is the one to lose."""
    release = Release(lab, cluster, "ha", "ha", tmp_path_factory.mktemp("ha"), preset="production-ha")
    release.prepare([*DAGS, OUTLIVE])
    exporter = companions.image("statsd-exporter")
    lab.load([image.ensure("pgbouncer").archive, exporter.archive])
    control_plane, kept, lost = lab.nodes
    values = {
        **dict.fromkeys(COMPONENTS, SMALL),
        "postgres": {"embedded": True, "nodeSelector": {HOSTNAME: control_plane}, **SMALL},
        "pgbouncer": {"image": named(image.reference("pgbouncer"))},
        "metrics": {"image": named(exporter.ref)},
        "podTemplates": {"kept": prefers(kept), "lost": prefers(lost)},
        "config": {"scheduler": {"task_instance_heartbeat_timeout": GIVEN_UP_AFTER}},
    }
    start = time.monotonic()
    release.install(values, timeout=420)
    print(f"\ninstalled the preset production-ha in {time.monotonic() - start:.0f} s")
    yield release
    release.remove()


def named(reference: str) -> dict[str, str]:
    repository, tag = reference.rsplit(":", 1)
    return {"repository": repository, "tag": tag}


def prefers(node: str) -> dict[str, Any]:
    """A pod template whose pods go to a node as long as it is there."""
    there = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [node]}]}
    term = {"weight": 100, "preference": there}
    return {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}}


def alive(release: Release, component: str = "") -> list[Any]:
    """Its pods that nobody has told to go."""
    return [pod for pod in release.pods(component) if not pod.metadata.deletion_timestamp]


def stacked(release: Release, nodes: int) -> list[str]:
    """Components with more of their pods on one node than so many nodes make necessary."""
    found = []
    for component in SPREAD:
        pods = alive(release, component)
        most = max(Counter(pod.spec.node_name for pod in pods).values())
        if most > -(-len(pods) // nodes):
            found.append(f"{component}: {most} of {len(pods)} pods are on one node")
    return found


def is_ready(release: Release, node: str) -> bool:
    conditions = release.cluster.core.read_node(node).status.conditions
    return any(c.type == "Ready" and c.status == "True" for c in conditions)


def deployments(release: Release) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(release.kubectl("get", "deployments", "--output", "json").stdout)["items"]
    return listed


def missing(release: Release) -> list[str]:
    """Deployments with fewer pods that work than they want."""
    found = [(d["metadata"]["name"], d["status"].get("availableReplicas", 0), d["spec"]) for d in deployments(release)]
    return [name for name, available, spec in found if available < spec["replicas"]]


def without_any(release: Release) -> list[str]:
    """Those of them that have none."""
    return [d["metadata"]["name"] for d in deployments(release) if not d["status"].get("availableReplicas")]


def served_from(release: Release) -> set[str]:
    """The nodes that the Services send to."""
    slices = json.loads(release.kubectl("get", "endpointslices", "--output", "json").stdout)["items"]
    ends = (end for one in slices for end in one["endpoints"] or [])
    return {end["nodeName"] for end in ends if end["conditions"]["ready"]}


def measure(start: float, conditions: Mapping[str, Callable[[], object]], timeout: float) -> dict[str, float]:
    """Seconds from start until each condition held for the first time; fails with those that never did. If Airflow's
    API does not answer, none of its did: it may ask a PgBouncer that is lost, and nobody knows yet."""
    seconds: dict[str, float] = {}
    while len(seconds) < len(conditions):
        for what, holds in conditions.items():
            if what not in seconds and answered(holds):
                seconds[what] = time.monotonic() - start
                print(f"{seconds[what]:5.0f} s  {what}", flush=True)
        left = [what for what in conditions if what not in seconds]
        assert time.monotonic() - start < timeout, f"after {timeout:.0f} s not yet: {left}"
        time.sleep(0.5)
    return seconds


def answered(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except AirfleetError:
        return False


def api_on(release: Release, nodes: tuple[str, ...]) -> None:
    """Let the test use an API server on these nodes, as a person's load balancer does once it has tried."""
    pod = next(pod.metadata.name for pod in alive(release, "api-server") if pod.spec.node_name in nodes)
    release._api = AirflowApi(lambda: release.cluster.connection(release.namespace, pod, 8080))
    admin = release.cluster.secret(release.namespace, f"{release.name}-admin")
    release._api.log_in(admin["username"], admin["password"])


def tasks(release: Release, run_id: str) -> dict[str, TaskInstance]:
    return {ti.task_id: ti for ti in release.api.task_instances("outlive", run_id)}


def both_work(release: Release) -> str:
    """A run of `outlive` whose two tasks work."""
    release.api.send("DELETE", "/api/v2/variables/go_on")
    run_id = release.start("outlive")
    until("both tasks to work", lambda: {ti.state for ti in tasks(release, run_id).values()} == {"running"}, 120)
    return run_id


def go_on(release: Release) -> None:
    release.api.request("POST", "/api/v2/variables", {"key": "go_on", "value": "yes"})


def hold_the_pool(release: Release, node: str) -> list[subprocess.Popen[str]]:
    """Hold what nobody can start a task without, in a pod of that node, through each PgBouncer."""
    pod = next(pod.metadata.name for pod in alive(release, "execution-api") if pod.spec.node_name == node)
    holders = []
    for pooler in alive(release, "pgbouncer"):
        argv = [str(release.lab.program("kubectl")), f"--kubeconfig={release.lab.kubeconfig}"]
        argv += ["--namespace", release.namespace, "exec", pod, "--", "python", "-c", HOLD_THE_POOL]
        holder = subprocess.Popen([*argv, pooler.status.pod_ip], stdout=subprocess.PIPE, text=True)
        holders.append(holder)
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
    return holders


def test_the_pods_of_a_component_are_apart_also_after_an_update(ha: Release) -> None:
    """Three pods on three nodes, of which the update adds a fourth, is what required anti-affinity gets stuck at."""
    assert not stacked(ha, 3)
    start = time.monotonic()
    ha.kubectl("rollout", "restart", "deployment/ha-execution-api", "deployment/ha-pgbouncer")
    for name in ("execution-api", "pgbouncer"):
        done = ha.kubectl("rollout", "status", f"deployment/ha-{name}", "--timeout=180s")
        assert done.code == 0, done.stdout
    print(f"the Execution API and PgBouncer were updated in {time.monotonic() - start:.0f} s")
    assert not stacked(ha, 3)


def test_a_drain_ends_and_leaves_some_of_each_component(ha: Release, lab: Lab) -> None:
    node, start = lab.nodes[1], time.monotonic()
    argv = [str(lab.program("kubectl")), f"--kubeconfig={lab.kubeconfig}", "drain", node, "--timeout=300s"]
    argv += ["--ignore-daemonsets", "--delete-emptydir-data"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as drain:
        while drain.poll() is None:
            assert set(without_any(ha)) <= {"ha-metrics"}
            time.sleep(0.5)
        assert drain.returncode == 0, drain.stdout and drain.stdout.read()
    drained = time.monotonic()
    until("every pod to be replaced", lambda: not missing(ha), 180)
    print(f"drained in {drained - start:.0f} s, whole on two nodes {time.monotonic() - start:.0f} s after it began")
    assert not stacked(ha, 2)
    lab.kubectl("uncordon", node)


def test_the_loss_of_a_node_stops_nobody(ha: Release, lab: Lab) -> None:
    lost, left = lab.nodes[2], lab.nodes[:2]
    api_on(ha, left)
    run_id = both_work(ha)
    before = {name: ti.hostname for name, ti in tasks(ha, run_id).items()}
    node_of = {pod.metadata.name: pod.spec.node_name for pod in ha.pods("worker")}
    assert {name: node_of[pod] for name, pod in before.items()} == {"lost": lost, "kept": lab.nodes[1]}
    stay = {pod.metadata.name for pod in alive(ha) if pod.spec.node_name in left}
    holders = hold_the_pool(ha, lost)
    # Everything on it goes on working and believes in itself, which is more than a node without power can do.
    lab.cut(lost)
    cut, start = time.time(), time.monotonic()
    try:
        begun: list[str] = []
        measure(
            start,
            {
                "the cluster notices": lambda: not is_ready(ha, lost),
                "the Services leave its pods out": lambda: lost not in served_from(ha),
                "the API starts a run": lambda: begun or begun.append(ha.start("hello_pods")),
                "that run succeeds": lambda: begun and ha.api.run_state("hello_pods", begun[0]) == "success",
                "its task is given up": lambda: tasks(ha, run_id)["lost"].state != "running",
                "its task works again elsewhere": lambda: works_elsewhere(ha, run_id),
                "its pods are replaced": lambda: not is_ready(ha, lost) and not missing(ha),
            },
            GIVEN_UP_AFTER + 240,
        )
        assert not stacked(ha, 2)
        kept = tasks(ha, run_id)["kept"]
        assert (kept.state, kept.try_number, kept.hostname) == ("running", 1, before["kept"])
        ha.run("hello_pods")
    finally:
        lab.restore(lost)
        for holder in holders:
            holder.kill()
    back = time.monotonic()
    gone = lambda: len(ha.pods()) == len(alive(ha))
    measure(back, {"the node is back": lambda: is_ready(ha, lost), "its old pods are gone": gone}, 120)
    assert stay <= {pod.metadata.name for pod in alive(ha)}
    go_on(ha)
    ended = ha.finish("outlive", run_id)
    assert {name: (ti.state, ti.try_number) for name, ti in ended.items()} == {
        "kept": ("success", 1),
        "lost": ("success", 2),
    }
    log = ha.api.log(ended["lost"], 1)
    last = max(int(line.split()[1]) for line in log.splitlines() if line.startswith("at "))
    print(f"cut off, the lost try went on for {last - cut:.0f} s")
    # Two tries at the same time are as long as this is more than the time after which the first one is given up.
    assert last - cut < GIVEN_UP_AFTER


def works_elsewhere(release: Release, run_id: str) -> bool:
    ti = tasks(release, run_id)["lost"]
    return (ti.state, ti.try_number) == ("running", 2)

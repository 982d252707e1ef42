"""What the installed control plane costs, as the kubelets measure it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airfleet.kube import Cluster


@dataclass(frozen=True)
class Usage:
    """A pod's working set in bytes, the CPU seconds that it had used, and when the kubelet looked (seconds, epoch)."""

    memory: int
    cpu_seconds: float
    at: float


@dataclass(frozen=True)
class Footprint:
    """Memory in MiB and CPU in cores of each component, over a window of some seconds."""

    components: dict[str, tuple[float, float]]
    seconds: float

    @property
    def memory(self) -> float:
        """MiB of all components."""
        return sum(memory for memory, _ in self.components.values())

    @property
    def cpu(self) -> float:
        """Cores of all components."""
        return sum(cpu for _, cpu in self.components.values())


def measure(cluster: Cluster, namespace: str, seconds: float) -> Footprint:
    """The control plane's footprint over a window of at least so many seconds, 1 or more.

    Source: the kubelet's stats/summary, whose figures it refreshes every 10 to 15 seconds; raises AirfleetError where
    the cluster does not let us ask the nodes.
    """
    before = usage(cluster, namespace)
    while True:
        time.sleep(1)
        after = {name: now for name, now in usage(cluster, namespace).items() if name in before}
        # The kubelet's own clock: its figures are some seconds old, by a different amount each time.
        if all(now.at - before[name].at >= seconds for name, now in after.items()):
            break
    components = {name: (now.memory / 2**20, _cores(before[name], now)) for name, now in sorted(after.items())}
    return Footprint(components, seconds)


def _cores(before: Usage, after: Usage) -> float:
    return max(0.0, after.cpu_seconds - before.cpu_seconds) / (after.at - before.at)


def usage(cluster: Cluster, namespace: str) -> dict[str, Usage]:
    """Usage by component of the release's long-running pods."""
    components = {
        pod.metadata.name: pod.metadata.labels["app.kubernetes.io/component"]
        for pod in cluster.pods(namespace, "app.kubernetes.io/name=airfleet")
        if pod.status.phase == "Running"
    }
    found: dict[str, Usage] = {}
    for node in cluster.call("list nodes", cluster.core.list_node).items:
        text = cluster.call(
            "read a kubelet's statistics",
            cluster.core.connect_get_node_proxy_with_path,
            node.metadata.name,
            "stats/summary",
            _preload_content=False,
        ).data
        for pod in json.loads(text)["pods"]:
            component = components.get(pod["podRef"]["name"])
            if pod["podRef"]["namespace"] == namespace and component not in {None, "worker", "bootstrap"}:
                found[component] = _usage(pod)
    return found


def _usage(pod: dict[str, Any]) -> Usage:
    cpu, memory = pod.get("cpu", {}), pod.get("memory", {})
    at = datetime.fromisoformat(cpu["time"]).timestamp() if "time" in cpu else 0.0
    return Usage(memory.get("workingSetBytes", 0), cpu.get("usageCoreNanoSeconds", 0) / 1e9, at)

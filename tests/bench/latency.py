"""How long a task takes to start and to leave, stage by stage, in the lab.

python tests/bench/latency.py [--image airflow|airflow-stock] [--tasks 10]

Prints median (min-max) in seconds. Stages are told apart by one clock: Airflow's own times, the arrival of the pod's
watch events, and the first line of the task's code. The figures are a report for docs/reference; nothing asserts them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))

from airfleet import image
from airfleet.airflow_api import TaskInstance
from airfleet.demo.footprint import measure
from airfleet.kube import Cluster
from airfleet.lab import Lab
from lab_harness.release import Release


@dataclass
class Seen:
    """When each of a pod's stages was seen: seconds since the epoch."""

    created: float = 0.0
    running: float = 0.0
    ended: float = 0.0
    gone: float = 0.0


@dataclass
class PodTimes:
    """The stages of every worker's pod, from a watch."""

    release: Release
    seen: dict[str, Seen] = field(default_factory=dict)

    def follow(self) -> None:
        from kubernetes import watch
        from urllib3.exceptions import HTTPError

        selector = "app.kubernetes.io/component=worker"
        while self.release.lab.is_up():
            stream = watch.Watch().stream(
                self.release.cluster.core.list_namespaced_pod, self.release.namespace, label_selector=selector
            )
            with contextlib.suppress(HTTPError):  # an expired watch, or the lab's end
                for event in stream:
                    self._note(event["type"], event["object"])

    def _note(self, kind: str, pod: object) -> None:
        now = time.time()
        seen = self.seen.setdefault(pod.metadata.name, Seen(created=now))  # type: ignore[attr-defined]
        phase = pod.status.phase  # type: ignore[attr-defined]
        if phase == "Running":
            seen.running = seen.running or now
        if phase in {"Succeeded", "Failed"}:
            seen.ended = seen.ended or now
        if kind == "DELETED":
            seen.gone = now


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--image", default="airflow", choices=["airflow", "airflow-stock"])
    options.add_argument("--tasks", type=int, default=10)
    chosen = options.parse_args()
    os.environ["AIRFLEET_TEST_IMAGE"] = chosen.image
    with installed(chosen.image) as release:
        times = PodTimes(release)
        threading.Thread(target=times.follow, daemon=True).start()
        print(f"image {image.reference(chosen.image)}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
        one_by_one(release, times, chosen.tasks)
        chains(release, 5)
        at_once(release, 3)
        idle(release)


@contextmanager
def installed(kind: str) -> Iterator[Release]:
    """A lab of one node and the chart in it; prints how long the installation took."""
    lab = Lab("bench")
    if lab.is_up():
        lab.down()
    lab.up(nodes=1)
    try:
        lab.load([image.ensure(kind).archive, image.ensure("postgres").archive])
        with tempfile.TemporaryDirectory() as folder:
            release = Release(lab, Cluster(lab.kubeconfig, lab.context), "airflow", "airflow", Path(folder))
            release.prepare((Path(__file__).parent / "dags").glob("*.py"))
            start = time.monotonic()
            release.install()
            print(f"helm install --wait, all Ready: {time.monotonic() - start:.1f} s")
            yield release
    finally:
        lab.down()


def one_by_one(release: Release, times: PodTimes, count: int) -> None:
    stages: dict[str, list[float]] = {}
    for _ in range(count + 1):
        ti = release.run("one")["stamp"]
        code = release.api.xcom(ti)["started"]
        seen = wait_until_gone(times, ti.hostname)
        for stage, seconds in stage_seconds(ti, seen, code).items():
            stages.setdefault(stage, []).append(seconds)
    print(f"\none task at a time, {count} of them (the first, on a cold page cache, is left out)")
    for stage, seconds in stages.items():
        print(f"  {stage:<36} {spread(seconds[1:])}")


def stage_seconds(ti: TaskInstance, seen: Seen, code: float) -> dict[str, float]:
    assert ti.queued is not None
    assert ti.ended is not None
    queued, ended = ti.queued.timestamp(), ti.ended.timestamp()
    return {
        "queued -> pod created": seen.created - queued,
        "pod created -> pod running": seen.running - seen.created,
        "pod running -> user code": code - seen.running,
        "queued -> user code": code - queued,
        "task ended -> pod ended": seen.ended - ended,
        "task ended -> pod gone": seen.gone - ended,
    }


def wait_until_gone(times: PodTimes, pod: str) -> Seen:
    deadline = time.monotonic() + 60
    while not times.seen[pod].gone:
        assert time.monotonic() < deadline, f"{pod} is still there"
        time.sleep(0.1)
    return times.seen[pod]


def chains(release: Release, count: int) -> None:
    seconds = []
    for _ in range(count + 1):
        start = time.monotonic()
        release.run("chain")
        seconds.append(time.monotonic() - start)
    print(f"  {'three chained tasks, trigger to end':<36} {spread(seconds[1:])}")


def at_once(release: Release, count: int) -> None:
    wall, waits = [], []
    for _ in range(count):
        start = time.monotonic()
        tasks = release.run("twenty").values()
        wall.append(time.monotonic() - start)
        waits += [(ti.started - ti.queued).total_seconds() for ti in tasks if ti.started and ti.queued]
    print(f"  {'20 mapped tasks, trigger to end':<36} {spread(wall)}")
    print(f"  {'20 mapped tasks, queued -> started':<36} {spread(waits)}")


def idle(release: Release) -> None:
    print("\nidle control plane, over 60 s")
    found = measure(release.cluster, release.namespace, 60)
    for name, (memory, cpu) in found.components.items():
        print(f"  {name:<14} {memory:6.0f} MiB  {cpu:5.3f} cores")
    print(f"  {'all':<14} {found.memory:6.0f} MiB  {found.cpu:5.3f} cores")


def spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):6.2f} ({min(seconds):.2f}-{max(seconds):.2f})"


if __name__ == "__main__":
    main()

"""A fleet of one cluster with a real API server, and what tests look at in a comparison with it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airfleet.fleet.changes import Kind
from airfleet.fleet.consequences import What
from airfleet.fleet.diff import FleetDiff
from airfleet.fleet.drift import drift
from airfleet.fleet.inventory import read_fleet
from airfleet.fleet.live_diff import against_clusters
from airfleet.fleet.model import dotted
from airfleet.fleet.render import render
from airfleet.fleet.resolve import resolve
from airfleet.fleet.secrets import decrypted
from airfleet.helm import run_helm
from airfleet.kube import Cluster
from airfleet.lab import Lab
from lab_harness.recording import Recording


@dataclass
class Shop:
    """A fleet of one cluster, which the toolkit reaches by way of a proxy that lets nothing be written."""

    checkout: Any
    lab: Lab
    recorded: Recording
    namespace: str

    @property
    def fleet(self) -> Any:
        return read_fleet(self.checkout.root / "values/fleet.yaml")

    def values(self, **values: Any) -> None:
        cluster = {"context": "recorded", "kubeconfig": str(self.recorded.kubeconfig), "namespace": self.namespace}
        identity = Cluster(self.lab.kubeconfig, self.lab.context).identity()
        self.checkout.cluster("dev-eu", **{"values": values, "identity": identity, **cluster})

    def diff(self) -> FleetDiff:
        read = self.fleet
        found = against_clusters(read, read.select())
        assert self.recorded.writes == []
        return found

    def drift(self) -> FleetDiff:
        found = drift(self.fleet, self.fleet.select())
        assert self.recorded.writes == []
        return found

    def upgrade(self, check: bool = True) -> Any:
        """What an operator's Helm does, not by way of the proxy."""
        read = decrypted(self.fleet)
        (rendering,) = render(read, resolve(read, read.select()))
        chart = str(self.checkout.root / "chart")
        argv = [
            "upgrade",
            "shop",
            chart,
            "--install",
            "--create-namespace",
            "--namespace",
            self.namespace,
            "--values",
            "-",
        ]
        values = json.dumps(rendering.resolved.values)
        return run_helm(argv, kubeconfig=self.lab.kubeconfig, context=self.lab.context, stdin=values, check=check)

    def kubectl(self, *argv: str) -> str:
        return str(self.lab.kubectl("--namespace", self.namespace, *argv).stdout)

    def until(self, what: str, probe: Callable[[], bool]) -> None:
        end = time.monotonic() + 90
        while not probe():
            assert time.monotonic() < end, what
            time.sleep(0.2)


def lines(found: FleetDiff) -> dict[str, tuple[Any, Any]]:
    return {
        f"{item.ref} {dotted(line.path)}": (line.before, line.after)
        for group in found.groups
        for item in group.items
        for line in item.lines
    }


def objects(found: FleetDiff, kind: Kind) -> list[str]:
    return [str(item.ref) for group in found.groups for item in group.items if item.kind is kind]


def told(found: FleetDiff, what: What) -> list[str]:
    return [effect.text for effect, _ in found.effects if effect.what is what]

"""What a node is told: pure functions of the lab's record."""

from __future__ import annotations

import json
import tomllib

import pytest

from airfleet.lab import components, configs
from airfleet.lab.node import Node
from airfleet.lab.state import LabRecord


def lab(*, workers: bool = True) -> LabRecord:
    return LabRecord(
        name="one",
        index=4,
        nodes=("one-1", "one-2"),
        workers=workers,
        port=7000,
        boot="",
        programs={name: f"/programs/{name}" for name in ("kube", "containers", "node")},
        base_images="/images/base.tar",
    )


def daemons(number: int, **options: bool) -> dict[str, components.Daemon]:
    return {d.name: d for d in components.daemons(Node(lab(**options), number, "/airfleet/one/one-1"))}


CONTROL_PLANE = {"door", "etcd", "kube-apiserver", "kube-controller-manager"}
WORKER = {"containerd", "base-images", "kubelet", "kube-proxy", "netpol"}


def test_each_node_runs_its_part() -> None:
    assert set(daemons(1)) == CONTROL_PLANE | WORKER | {"kube-scheduler", "storage"}
    assert set(daemons(2)) == WORKER
    assert set(daemons(1, workers=False)) == CONTROL_PLANE


def test_nothing_waits_for_what_does_not_come() -> None:
    for number in (1, 2):
        found = daemons(number)
        waited = {w.removeprefix("done:") for d in found.values() for w in d.wait if w.startswith("done:")}
        assert waited <= {name for name, d in found.items() if d.once}
        assert {w for d in found.values() for w in d.wait if w.startswith("https:")} == {
            "https://10.210.4.1:6443/readyz"
        }


def test_only_the_door_gets_the_machines_socket() -> None:
    assert [d.name for d in daemons(1).values() if d.listener] == ["door"]


@pytest.mark.parametrize("number", [1, 2])
def test_configuration_files_agree_with_the_address_plan(number: int) -> None:
    files = configs.files(Node(lab(), number, "/airfleet/one/one"))
    network = json.loads(files["/etc/cni/net.d/10-lab.conflist"])
    assert network["plugins"][0]["ipam"]["ranges"] == [[{"subnet": f"10.132.{number}.0/24"}]]
    assert network["plugins"][-1]["type"] == "lab-policy"
    kubelet = json.loads(files["/etc/airfleet/kubelet.json"])
    assert kubelet["clusterDNS"] == ["10.164.0.10"]
    assert kubelet["cgroupRoot"] == "/airfleet/one/one"
    containerd = tomllib.loads(files["/etc/airfleet/containerd.toml"])
    images = containerd["plugins"]["io.containerd.cri.v1.images"]
    assert images["pinned_images"]["sandbox"] == "docker.io/airfleet/pause:1"

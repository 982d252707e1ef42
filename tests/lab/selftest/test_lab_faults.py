"""Daemons and nodes that die: what is started again, what is reported, and what Kubernetes makes of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airfleet.errors import AirfleetError, UsageError
from airfleet.lab import Lab, api, procs
from airfleet.lab.daemons import daemons

if TYPE_CHECKING:
    from conftest import Probe


def host_pid(lab: Lab, node: str, daemon: str) -> int:
    """The pid of a daemon as the machine counts."""
    inner = next(d.pid for d in daemons(lab.record, node) if d.name == daemon)
    init = lab.record.running(node)
    assert init is not None
    own = procs.pid_namespace(init.pid)
    inside = (pid for pid in procs.descendants_of(init) if procs.pid_namespace(pid) == own)
    return next(pid for pid in inside if procs.inner_pid(pid) == inner)


def starts(lab: Lab, node: str, daemon: str) -> int:
    found = next(d for d in daemons(lab.record, node) if d.name == daemon)
    return found.starts if found.state == "running" else 0


@pytest.mark.parametrize("daemon", ["etcd", "kube-apiserver", "door"])
def test_a_killed_control_plane_daemon_is_started_again(selftest: Lab, until: Callable[..., Any], daemon: str) -> None:
    node = selftest.nodes[0]
    before = starts(selftest, node, daemon)
    os.kill(host_pid(selftest, node, daemon), signal.SIGKILL)
    until(f"{daemon} runs again", lambda: starts(selftest, node, daemon) == before + 1)
    until("the API server is ready", lambda: api.is_ready(selftest.record), 30)
    again = next(d for d in selftest.status().nodes[0].daemons if d.name == daemon)
    assert again.last_exit == "signal killed"


def test_pods_survive_the_death_of_containerd_and_kubelet(probe: Probe, until: Callable[..., Any]) -> None:
    lab, node = probe.lab, probe.lab.nodes[1]
    probe.apply(probe.pod("survivor", "date > /tmp/born; sleep 100000", node=node))
    probe.wait_ready("survivor")
    born = probe.sh("survivor", "cat /tmp/born")
    for daemon in ("containerd", "kubelet"):
        before = starts(lab, node, daemon)
        os.kill(host_pid(lab, node, daemon), signal.SIGKILL)
        until(f"{daemon} runs again", lambda d=daemon, b=before: starts(lab, node, d) == b + 1)
    until("exec works again", lambda: probe.kubectl("exec", "survivor", "--", "cat", "/tmp/born", check=False) == born)


def test_a_node_loses_power_and_comes_back(probe: Probe, until: Callable[..., Any]) -> None:
    lab, node = probe.lab, probe.lab.nodes[1]
    probe.apply(probe.pod("restless", "sleep 100000", node=node, restartPolicy="Always"))
    probe.wait_ready("restless")
    lab.stop_node(node)
    assert not lab.is_up()
    status = lab.status()
    assert not status.up
    assert [n.running for n in status.nodes] == [True, False]
    with pytest.raises(AirfleetError, match="is not running"):
        lab.load([])
    until("Kubernetes notices", lambda: api.ready_nodes(lab.record) == {lab.nodes[0]}, 75)
    lab.start_node(node)
    assert lab.is_up()
    assert api.ready_nodes(lab.record) == set(lab.nodes)
    probe.wait_ready("restless")
    assert probe.get("pod", "restless")["status"]["containerStatuses"][0]["restartCount"] >= 1
    until(
        "exec works on the node", lambda: "here" in probe.kubectl("exec", "restless", "--", "echo", "here", check=False)
    )


def test_a_cut_cable_stops_traffic_and_nothing_else(probe: Probe, until: Callable[..., Any]) -> None:
    lab = probe.lab
    serve = "echo page > /tmp/index.html; httpd -f -p 8080 -h /tmp"
    probe.apply(probe.pod("server", serve, node=lab.nodes[1]), probe.pod("client", node=lab.nodes[0]))
    probe.wait_ready("server", "client")
    ask = f"timeout 1 wget -qO- http://{probe.ip('server')}:8080/ || echo gone"
    until("the server answers", lambda: probe.sh("client", ask) == "page\n")
    lab.cut(lab.nodes[1])
    assert "gone" in probe.sh("client", ask)
    assert lab.is_up()
    lab.restore(lab.nodes[1])
    until("the server answers again", lambda: probe.sh("client", ask) == "page\n")


def test_unknown_nodes_are_refused(selftest: Lab) -> None:
    with pytest.raises(UsageError, match="no node nobody"):
        selftest.stop_node("nobody")

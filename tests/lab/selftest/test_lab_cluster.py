"""The cluster works: nodes, DNS, Services, admission, storage, and streams through the loopback door."""

from __future__ import annotations

import socket
import stat
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airfleet.errors import AirfleetError
from airfleet.lab import Lab, network

if TYPE_CHECKING:
    from conftest import Probe

UID = 50000


def test_kubeconfig_is_private_and_points_to_loopback(selftest: Lab) -> None:
    assert stat.S_IMODE(selftest.kubeconfig.stat().st_mode) == 0o600
    assert "https://127.0.0.1:" in selftest.kubeconfig.read_text()
    contexts = selftest.kubectl("config", "get-contexts", "-o", "name").stdout.split()
    assert contexts == [selftest.context] == ["airfleet-selftest"]


def test_status_says_that_everything_is_well(selftest: Lab) -> None:
    status = selftest.status()
    assert status.up
    assert [(n.name, n.ready) for n in status.nodes] == [("selftest-1", True), ("selftest-2", True)]
    assert {"kubelet", "kube-proxy", "netpol", "containerd"} <= {d.name for d in status.nodes[1].daemons}
    assert 100 * 2**20 < status.memory < 1200 * 2**20


def test_no_namespace_has_a_route_out(selftest: Lab) -> None:
    plan = selftest.record.addresses
    for node in selftest.nodes:
        routes = network.routes(network.namespace(selftest.record.dir, node))
        assert any(str(plan.services) in route for route in routes), "this is not a node's routing table"
        assert not [route for route in routes if route.startswith("default")]
    assert network.routes(network.switch(selftest.record.dir)) == []


def test_services_and_dns_work_on_and_across_nodes(probe: Probe) -> None:
    web = probe.pod("web", "echo hello > /tmp/index.html; httpd -f -p 8080 -h /tmp", node=probe.lab.nodes[1])
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"name": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    clients = [probe.pod(f"client-{n}", node=node) for n, node in enumerate(probe.lab.nodes, start=1)]
    probe.apply(web, service, *clients)
    probe.wait_ready("web", "client-1", "client-2")
    for client in ("client-1", "client-2"):
        name = f"web.{probe.namespace}.svc.cluster.local"
        asked = f"for i in 1 2 3 4 5 6 7 8 9 10; do timeout 2 wget -qO- http://{name}/ && exit; sleep 0.2; done"
        assert probe.sh(client, asked) == "hello\n"
        assert "NXDOMAIN" in probe.sh(client, "nslookup -type=a no.such.name 2>&1 || true")


def test_pod_security_restricted_refuses_and_admits(probe: Probe, restricted: dict[str, Any]) -> None:
    probe.kubectl("label", "namespace", probe.namespace, "pod-security.kubernetes.io/enforce=restricted")
    try:
        with pytest.raises(AirfleetError, match="violates PodSecurity"):
            probe.apply(probe.pod("loose"))
        probe.apply(probe.pod("strict", "id -u; touch /x 2>&1 || true", container={"securityContext": restricted}))
        assert probe.wait_done("strict") == "65534\ntouch: /x: Read-only file system\n"
    finally:
        probe.kubectl("label", "namespace", probe.namespace, "pod-security.kubernetes.io/enforce-")


def claim(name: str, storage_class: str | None, mode: str) -> dict[str, Any]:
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
    if storage_class:
        spec["storageClassName"] = storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def user_of(claim_name: str, restricted: dict[str, Any]) -> dict[str, Any]:
    """A pod's options: an ordinary user with a volume on /data."""
    return {
        "securityContext": {"runAsUser": UID, "runAsGroup": 0, "fsGroup": UID},
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}],
        "container": {
            "securityContext": restricted,
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        },
    }


def test_default_volumes_honour_fs_group_and_are_deleted(
    probe: Probe, restricted: dict[str, Any], until: Callable[..., Any]
) -> None:
    script = "echo kept > /data/file && stat -c '%u %g' /data/file"
    probe.apply(claim("own", None, "ReadWriteOnce"), probe.pod("writer", script, **user_of("own", restricted)))
    assert probe.wait_done("writer") == f"{UID} {UID}\n"
    volume = probe.get("pvc", "own")["spec"]["volumeName"]
    directory = probe.lab.record.dir / "volumes" / volume
    assert (directory / "file").read_text() == "kept\n"

    probe.apply(probe.pod("reader", "cat /data/file", **user_of("own", restricted)))
    assert probe.wait_done("reader") == "kept\n"
    probe.kubectl("delete", "pod", "writer", "reader")
    probe.kubectl("delete", "pvc", "own")
    until("the volume's directory is deleted", lambda: not directory.exists())
    until("the volume is deleted", lambda: volume not in probe.kubectl("get", "pv", "-o", "name"))


def test_shared_volumes_are_written_from_one_node_and_read_on_another(probe: Probe, restricted: dict[str, Any]) -> None:
    first, second = probe.lab.nodes
    options = user_of("common", restricted)
    probe.apply(
        claim("common", "shared", "ReadWriteMany"),
        probe.pod("w", "echo $HOSTNAME > /data/file; sleep 100000", node=first, **options),
    )
    probe.wait_ready("w")
    probe.apply(probe.pod("r", "cat /data/file && echo more >> /data/file", node=second, **options))
    assert probe.wait_done("r") == "w\n"
    assert probe.sh("w", "cat /data/file") == "w\nmore\n"
    assert probe.get("pod", "w")["spec"]["nodeName"] != probe.get("pod", "r")["spec"]["nodeName"]


def test_default_class_refuses_to_pretend_shared_access(probe: Probe, until: Callable[..., Any]) -> None:
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "wrong"}}]
    probe.apply(claim("wrong", "standard", "ReadWriteMany"), probe.pod("never", volumes=volumes, container=mount))
    until("an event says why", lambda: "use the class shared" in probe.kubectl("get", "events"))


def test_logs_and_exec_streams_pass_the_door(probe: Probe) -> None:
    probe.apply(probe.pod("talker", "echo started; sleep 100000"))
    probe.wait_ready("talker")
    assert probe.kubectl("logs", "talker") == "started\n"
    text = "x" * 70 + "\n"
    sent = text * 20_000  # 1.4 MB, both ways
    assert probe.kubectl("exec", "-i", "talker", "--", "cat", stdin=sent) == sent
    assert "exit code 3" in probe.kubectl("exec", "talker", "--", "sh", "-c", "exit 3", check=False)


def test_port_forward_passes_the_door(probe: Probe) -> None:
    probe.apply(probe.pod("page", "echo forwarded > /tmp/index.html; httpd -f -p 8080 -h /tmp"))
    probe.wait_ready("page")
    argv = [probe.lab.program("kubectl"), f"--kubeconfig={probe.lab.kubeconfig}", "-n", probe.namespace]
    with subprocess.Popen([*argv, "port-forward", "pod/page", ":8080"], stdout=subprocess.PIPE, text=True) as forward:
        try:
            assert forward.stdout is not None
            port = int(forward.stdout.readline().split("127.0.0.1:")[1].split()[0])
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
        finally:
            forward.terminate()
    assert answer.endswith(b"forwarded\n")


def test_memory_limits_are_enforced(probe: Probe, until: Callable[..., Any]) -> None:
    limits = {"resources": {"limits": {"memory": "32Mi"}}}
    probe.apply(probe.pod("glutton", "head -c 200m /dev/zero | tail", container=limits))

    def reason() -> str | None:
        statuses = probe.get("pod", "glutton")["status"].get("containerStatuses", [{}])
        return statuses[0].get("state", {}).get("terminated", {}).get("reason")

    assert until("the container ended", reason, 30) == "OOMKilled"

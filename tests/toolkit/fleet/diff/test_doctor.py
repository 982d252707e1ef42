"""`airfleet doctor` against a real API server: each thing that can be missing is missed, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airfleet.fleet import doctor as module
from airfleet.fleet.doctor import doctor
from airfleet.fleet.render import render
from airfleet.fleet.resolve import resolve
from airfleet.kube import Cluster
from lab_harness.shop import Shop


def problems(shop: Shop) -> dict[str, list[str]]:
    """What is wrong, by check."""
    read = shop.fleet
    (report,) = doctor(render(read, resolve(read, read.select())))
    assert shop.recorded.writes == []
    found: dict[str, list[str]] = {}
    for check in report.checks:
        assert check.fix or check.fine
        if not check.fine:
            found.setdefault(check.name, []).append(check.seen)
    return found


@pytest.fixture
def ready(shop: Shop) -> Iterator[Shop]:
    """A cluster that has all: the chart's pods need no standard, and its file names the version that runs."""
    shop.lab.kubectl("create", "namespace", shop.namespace)
    slow = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "slow"}}
    shop.lab.kubectl("apply", "--filename", "-", stdin=json.dumps({**slow, "provisioner": "example.com/none"}))
    yield shop
    shop.lab.kubectl("delete", "storageclass", "slow")  # it is nobody's namespace's, and others' tests miss it


def test_a_cluster_that_has_all_is_fine(ready: Shop) -> None:
    assert problems(ready) == {}
    done = ready.checkout.run("doctor")
    assert (done.code, done.out.splitlines()[0]) == (0, "dev-eu: fine")


def test_the_version_of_the_file_is_not_the_clusters(ready: Shop) -> None:
    file = ready.checkout.root / "values/clusters/dev-eu.yaml"
    file.write_text(file.read_text().replace("kubernetes: '1.36'", "kubernetes: '1.35'"))
    (told,) = problems(ready)["version"]
    assert told.startswith("it runs Kubernetes v1.36.")
    assert told.endswith("its file says 1.35")


def test_kinds_storage_priority_and_pull_secrets_that_are_not_there(ready: Shop) -> None:
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "m"}}
    claim: dict[str, Any] = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk"}}
    claim["spec"] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    named = {**claim, "metadata": {"name": "fast"}, "spec": {**claim["spec"], "storageClassName": "nonesuch"}}
    pod = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "rc"}}
    template = {
        "containers": [{"name": "c", "image": "x"}],
        "priorityClassName": "urgent",
        "imagePullSecrets": [{"name": "registry"}],
    }
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": template}}}
    ready.values(extra={"a": monitor, "b": claim, "c": named, "d": pod, "e": job})
    assert problems(ready) == {
        "kinds": ["it knows no monitoring.coreos.com/v1 ServiceMonitor"],
        "storage": [
            "PersistentVolumeClaim/disk names no storage class, and none is the default",
            "PersistentVolumeClaim/fast wants the storage class nonesuch",
        ],
        "pods": [
            "Job/j wants the priority class urgent, which is not there",
            "Job/j pulls images with the Secret registry, which is not there",
        ],
    }


def test_a_namespace_that_would_refuse_the_pods(ready: Shop) -> None:
    ready.lab.kubectl("label", "namespace", ready.namespace, "pod-security.kubernetes.io/enforce=restricted")
    told = problems(ready)["pods"]
    assert any(
        line.startswith("Deployment/shop container shop: allowPrivilegeEscalation is not false") for line in told
    )


def test_rights_that_the_user_lacks(ready: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a user of the cluster who may read everything and write ConfigMaps."""
    view = {"kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "viewer"}}
    view |= {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "name": "viewer", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    ready.lab.kubectl("apply", "--filename", "-", stdin=json.dumps(view))
    ask = Cluster.ask

    def impersonated(self: Cluster, method: str, path: str, *args: Any) -> Any:
        """The proxy acts for the administrator, so the question is asked of the API server itself."""
        if "selfsubjectaccessreviews" not in path:
            return ask(self, method, path, *args)
        attributes = args[1]["spec"]["resourceAttributes"]
        argv = ("auth", "can-i", attributes["verb"], f"{attributes['resource']}.{attributes['group']}".rstrip("."))
        done = ready.lab.kubectl("--as", "viewer", "--namespace", attributes["namespace"], *argv, check=False)
        return 201, {"status": {"allowed": done.stdout.strip() == "yes"}}

    monkeypatch.setattr(Cluster, "ask", impersonated)
    told = problems(ready)["rights"]
    here = f"in the namespace {ready.namespace}"
    assert f"no right to create, delete, patch configmaps {here}" in told
    assert f"no right to create, delete, get, list, patch, update secrets {here}" in told
    assert f"no right to create, get, update leases {here}" in told
    assert not any(" pods " in line for line in told)


def test_clocks_that_differ(ready: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SKEW", -1.0)
    (told,) = problems(ready)["clock"]
    assert "clock and this machine's differ by" in told


def test_a_cluster_that_does_not_answer(ready: Shop) -> None:
    file = ready.checkout.root / "values/clusters/dev-eu.yaml"
    file.write_text(file.read_text().replace("context: recorded", "context: nonesuch"))
    done = ready.checkout.run("doctor", "--json")
    assert done.code == 1
    (report,) = json.loads(done.out)
    assert [check["name"] for check in report["checks"]] == ["reach"]
    assert "there is no context nonesuch" in report["checks"][0]["seen"]

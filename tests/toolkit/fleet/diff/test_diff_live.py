"""`airfleet diff --live` against a real API server and its controllers: what it says is what Helm then does."""

from __future__ import annotations

from typing import Any

import pytest

from airfleet.errors import AirfleetError
from airfleet.fleet.changes import Kind
from airfleet.fleet.consequences import What
from airfleet.fleet.dryrun import Conflict
from airfleet.fleet.report_diff_json import as_json
from airfleet.fleet.report_diff_text import text
from airfleet.helm import run_helm
from airfleet.kube import Cluster
from lab_harness.shop import Shop, lines, objects, told

CANARY = "canary-0ld-Passw0rd"


def test_it_says_what_helm_then_does_and_writes_nothing(shop: Shop) -> None:
    found = shop.diff()  # not installed, and there is no namespace
    assert sorted(objects(found, Kind.ADDED))[:2] == ["ConfigMap/shop", "Deployment/shop"]
    shop.upgrade()
    found = shop.diff()
    assert (found.changed, found.ignored, found.effects, found.failed) == ((), (), (), ())
    assert len(shop.recorded.dry_runs) == 6
    shop.values(replicas=3, message="good day", setup={"image": "registry.example.com/setup:2"})
    found = shop.diff()
    assert lines(found) == {
        'ConfigMap/shop data."shop.ini".shop.message': ("hello", "good day"),
        "Deployment/shop spec.replicas": (2, 3),
        'Deployment/shop spec.template.metadata.annotations."checksum/config"': ("(a digest)", "(another digest)"),
        "Job/shop-setup spec.template.spec.containers[setup].image": (
            "registry.example.com/setup:1",
            "registry.example.com/setup:2",
        ),
    }
    assert told(found, What.RESTART) == ["Deployment/shop restarts its 3 pods, one after the other"]
    assert told(found, What.RUN) == ["Job/shop-setup runs again"]
    shop.upgrade()
    assert shop.diff().changed == ()
    done = shop.checkout.run("diff", "--live")
    assert (done.code, shop.recorded.writes) == (0, [])


def test_the_proxy_would_have_noticed_a_write(shop: Shop) -> None:
    chart = str(shop.checkout.root / "chart")
    argv = ["upgrade", "shop", chart, "--install", "--namespace", "default"]
    done = run_helm(argv, kubeconfig=shop.recorded.kubeconfig, context="recorded", check=False)
    assert done.code != 0
    assert "would write" in done.stderr
    assert shop.recorded.writes


def test_what_helm_would_delete_is_told(shop: Shop) -> None:
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}, "data": {"a": "1"}}
    kept = {**extra, "metadata": {"name": "kept", "annotations": {"helm.sh/resource-policy": "keep"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk"}}
    claim["spec"] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    shop.values(extra={"a": extra, "b": kept, "c": claim})
    shop.upgrade()
    assert shop.diff().changed == ()
    shop.values()
    found = shop.diff()
    assert objects(found, Kind.REMOVED) == ["ConfigMap/extra", "ConfigMap/kept", "PersistentVolumeClaim/disk"]
    assert told(found, What.REMOVED) == [
        "ConfigMap/extra is deleted",
        "ConfigMap/kept leaves the release and stays on the cluster",
    ]
    assert told(found, What.LOST) == ["PersistentVolumeClaim/disk is deleted, with what is in it"]
    shop.upgrade()
    assert "extra" not in shop.kubectl("get", "configmaps", "-o", "name")
    assert "kept" in shop.kubectl("get", "configmaps", "-o", "name")
    assert shop.diff().changed == ()


def test_what_an_autoscaler_owns_is_left_alone(shop: Shop) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    autoscaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "shop"}}
    autoscaler["spec"] = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 5}
    shop.values(replicas=None, extra={"a": autoscaler})
    shop.upgrade()
    replicas = ("get", "deployment", "shop", "-o", "jsonpath={.spec.replicas}")
    shop.until("the autoscaler scales", lambda: shop.kubectl(*replicas) == "3")
    assert shop.diff().changed == ()
    assert shop.diff().ignored == ()


def test_a_field_that_somebody_else_took_is_told_and_what_helm_says_of_it(shop: Shop) -> None:
    shop.values(replicas=2)
    shop.upgrade()
    shop.kubectl("scale", "deployment", "shop", "--replicas=5")
    shop.kubectl("label", "service", "shop", "team=data")
    found = shop.diff()
    assert found.changed == ()
    assert found.effects == ()  # Helm has nothing to do, so it is not refused either
    assert [line for line, _ in found.ignored] == ["Deployment/shop spec.replicas is 5, by kubectl"]
    shop.values(replicas=2, message="good day")
    found = shop.diff()
    assert told(found, What.REFUSED) == [
        "Helm's upgrade is refused, since kubectl owns spec.replicas of Deployment/shop"
    ]
    assert found.groups[0].items[0].ref.kind == "ConfigMap"
    done = shop.upgrade(check=False)
    assert done.code != 0
    assert 'conflict with "kubectl"' in done.stderr


def test_what_a_cluster_is_told_to_ignore_is_ignored(shop: Shop) -> None:
    shop.upgrade()
    shop.values(port=81, message="good day")
    cluster = shop.checkout.root / "values/clusters/dev-eu.yaml"
    cluster.write_text(cluster.read_text() + 'ignoreDrift: ["Service/sh* spec.ports", "ConfigMap/shop"]\n')
    found = shop.diff()
    assert [item.ref.kind for group in found.groups for item in group.items] == ["Deployment"]
    names = {line.split(" is ")[0] for line, _ in found.ignored}
    assert 'ConfigMap/shop data."shop.ini".shop.message' in names
    assert any(name.startswith("Service/shop spec.ports[") for name in names)
    cluster.write_text(cluster.read_text().replace("spec.ports", "spec..ports"))
    with pytest.raises(AirfleetError, match=r"dev-eu.yaml:\d+: ignoreDrift\.0: .*spec\.\.ports"):
        shop.diff()


def test_what_the_api_server_refuses_is_told_in_its_own_words(shop: Shop) -> None:
    shop.upgrade()
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "m"}}
    typo = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "typo"}, "dada": {}}
    shop.values(port=99999, claim={"storage": "2Gi"}, extra={"a": monitor, "b": typo})
    found = shop.diff()
    refused = {str(effect.ref): effect.why for effect, _ in found.effects if effect.what is What.REFUSED}
    assert "must be between 1 and 65535" in refused["Service/shop"]
    assert "updates to statefulset spec" in refused["StatefulSet/store"]
    assert "knows no monitoring.coreos.com/v1 ServiceMonitor" in refused["ServiceMonitor/m"]
    assert "dada" in refused["ConfigMap/typo"]
    assert found.changed == ()


def test_another_cluster_than_expected_is_asked_nothing_more(shop: Shop) -> None:
    cluster = shop.checkout.root / "values/clusters/dev-eu.yaml"
    real = Cluster(shop.lab.kubeconfig, shop.lab.context).identity()
    cluster.write_text(cluster.read_text().replace(real, "00000000-0000-0000-0000-000000000000"))
    found = shop.diff()
    assert found.clusters == ()
    ((name, why),) = found.failed
    assert name == "dev-eu"
    assert "the context recorded leads to another cluster than dev-eu" in why
    assert shop.recorded.requests == [("GET", "/api/v1/namespaces/kube-system", False)]


def test_a_cluster_that_does_not_answer_hides_no_other(shop: Shop) -> None:
    shop.upgrade()
    shop.values(port=81)
    config = shop.recorded.kubeconfig.read_text()
    dead = shop.recorded.kubeconfig.with_name("dead")
    dead.write_text("\n".join("    server: http://127.0.0.1:1" if "server:" in x else x for x in config.splitlines()))
    shop.checkout.cluster("prod-eu", context="recorded", kubeconfig=str(dead))
    done = shop.checkout.run("diff", "--live")
    assert done.code == 1
    assert "not compared\n  prod-eu: could not read the namespace kube-system" in done.out
    assert "Service/shop" in done.out


def test_secrets_are_compared_and_not_shown(shop: Shop, age, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(age.key))
    layer = shop.checkout.root / "values/clusters/dev-eu.sops.yaml"
    shop.checkout.write("values/clusters/dev-eu.sops.yaml", {"password": CANARY, "token": CANARY + "-token"})
    age.encrypt(layer)
    shop.upgrade()
    found = shop.diff()
    assert (found.changed, found.effects) == ((), ())
    age.set(layer, "password", "canary-new")
    age.set(layer, "token", "canary-new-token")
    found = shop.diff()
    assert [*lines(found)] == [
        "Secret/shop data.password",
        "Deployment/shop spec.template.spec.containers[shop].env[TOKEN].value",
    ]
    before, after = lines(found)["Deployment/shop spec.template.spec.containers[shop].env[TOKEN].value"]
    assert before == "(another secret)"
    assert after.startswith("token:(secret ")
    for form in (text, as_json):
        assert "canary-" not in form(found)
    layer.unlink()
    shop.checkout.write("values/clusters/dev-eu.sops.yaml", {"password": "canary-new"})
    age.encrypt(layer)
    found = shop.diff()  # what was a secret is one no longer: what is there now is not told
    before, after = lines(found)["Deployment/shop spec.template.spec.containers[shop].env[TOKEN].value"]
    assert (before, after) == ("(not shown)", "token:none")
    assert "canary-" not in text(found) + as_json(found)


@pytest.mark.parametrize(
    ("path", "written", "covers"),
    [
        (("spec", "replicas"), ".spec.replicas", True),
        (("spec", "replicas2"), ".spec.replicas", False),
        (("spec", "ports", "[80]", "name"), '.spec.ports[port=80,protocol="TCP"].name', True),
        (("spec", "ports", "[81]", "name"), '.spec.ports[port=80,protocol="TCP"].name', False),
        (("spec", "containers", "[a]", "args", "[--x]"), '.spec.containers[name="a"].args', True),
        (("metadata", "annotations", "example.com/a.b"), ".metadata.annotations.example.com/a.b", True),
        (("metadata", "finalizers", "[x]"), '.metadata.finalizers[="x"]', True),
        (("spec",), ".spec.replicas", False),
    ],
)
def test_paths_are_found_however_the_api_server_writes_them(path: Any, written: str, covers: bool) -> None:
    assert Conflict(written, "somebody").covers(path) is covers

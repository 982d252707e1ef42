"""`airfleet drift` against a real API server: what people change is told, what controllers own is left alone."""

from __future__ import annotations

import json

import pytest

from airfleet.fleet.changes import Kind
from airfleet.fleet.report_diff_json import as_json
from airfleet.fleet.report_diff_text import text
from lab_harness.shop import Shop, lines, objects


def test_what_people_change_and_delete_is_told(shop: Shop) -> None:
    shop.values(replicas=2)
    shop.upgrade()
    shop.values(replicas=3, message="what the files say now does not matter")
    found = shop.drift()
    assert (found.changed, found.ignored, found.failed) == ((), (), ())
    shop.kubectl("scale", "deployment", "shop", "--replicas=5")
    shop.kubectl("patch", "configmap", "shop", "--type=merge", "--patch", json.dumps({"data": {"more": "m"}}))
    shop.kubectl("set", "image", "deployment/shop", "shop=registry.example.com/shop:hot-fix")
    shop.kubectl("delete", "service", "shop")
    found = shop.drift()
    told = lines(found)
    assert told.pop("Deployment/shop spec.replicas") == (2, 5)
    image = told.pop("Deployment/shop spec.template.spec.containers[shop].image")
    assert image[1] == "registry.example.com/shop:hot-fix"
    assert told == {}  # a key that somebody adds beside Helm's is theirs
    assert objects(found, Kind.REMOVED) == ["Service/shop"]
    assert found.changed == ("dev-eu",)


def test_what_a_controller_owns_is_left_alone_and_listed(shop: Shop) -> None:
    shop.values(replicas=2)
    shop.upgrade()
    patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}, "spec": {"replicas": 4}}
    apply = ("apply", "--server-side", "--force-conflicts", "--field-manager", "keda", "--filename", "-")
    shop.lab.kubectl("--namespace", shop.namespace, *apply, stdin=json.dumps(patch))
    found = shop.drift()
    assert found.changed == ()
    assert [line for line, _ in found.ignored] == ["Deployment/shop spec.replicas is 4, by keda"]


def test_what_the_clusters_file_ignores_is_left_alone(shop: Shop) -> None:
    shop.upgrade()
    shop.kubectl("scale", "deployment", "shop", "--replicas=5")
    cluster = shop.checkout.root / "values/clusters/dev-eu.yaml"
    cluster.write_text(cluster.read_text() + 'ignoreDrift: ["Deployment/* spec.replicas"]\n')
    found = shop.drift()
    assert found.changed == ()
    assert [line for line, _ in found.ignored] == ["Deployment/shop spec.replicas is 5, by ignoreDrift"]


def test_no_secret_is_told(shop: Shop, age, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(age.key))
    layer = shop.checkout.root / "values/env/dev.sops.yaml"
    layer.write_text(json.dumps({"password": "canary-password", "token": "canary-token"}))
    age.encrypt(layer)
    shop.upgrade()
    secret = {"stringData": {"password": "canary-by-hand"}}
    shop.kubectl("patch", "secret", "shop", "--type=merge", "--patch", json.dumps(secret))
    shop.kubectl("set", "env", "deployment/shop", "TOKEN=canary-by-hand")
    found = shop.drift()
    assert sorted(lines(found)) == [
        "Deployment/shop spec.template.spec.containers[shop].env[TOKEN].value",
        "Secret/shop data.password",
    ]
    assert "canary-" not in text(found) + as_json(found)
    spec = {"template": {"spec": {"containers": [{"name": "shop", "env": [{"name": "TOKEN", "value": "canary-its"}]}]}}}
    patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}, "spec": spec}
    apply = ("apply", "--server-side", "--force-conflicts", "--field-manager", "injector", "--filename", "-")
    shop.lab.kubectl("--namespace", shop.namespace, *apply, stdin=json.dumps(patch))
    found = shop.drift()
    assert any(line.endswith(", by injector") for line, _ in found.ignored)
    assert "canary-" not in text(found) + as_json(found)


def test_the_command_and_its_exit_codes(shop: Shop) -> None:
    absent = shop.checkout.run("drift")
    assert absent.code == 1
    assert "dev-eu: the release shop is not installed" in absent.out
    shop.upgrade()
    assert shop.checkout.run("drift").code == 0
    shop.kubectl("scale", "deployment", "shop", "--replicas=7")
    done = shop.checkout.run("drift", "--json", "-l", "env=dev")
    assert done.code == 2
    assert json.loads(done.out)["before"] == "as it was applied"
    assert "spec.replicas: 2 -> 7" in shop.checkout.run("drift").out
    assert shop.recorded.writes == []

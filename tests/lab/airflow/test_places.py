"""Where tasks run and what they may do there: another namespace, a way out and an account of a template's own."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from airfleet.airflow_api import TaskInstance
from lab_harness.full.places import BROUGHT, TEMPLATES, elsewhere
from lab_harness.outside import PROXY_PORT
from lab_harness.release import Release, until

WORKERS = "app.kubernetes.io/component=worker"
EXECUTOR = {"create", "get", "list", "watch", "patch", "delete"}
PRIVATE = ("database", "keys", "admin")


def workers(release: Release, namespace: str) -> dict[str, Any]:
    """The pods of tasks in a namespace, by name."""
    return {pod.metadata.name: pod for pod in release.cluster.pods(namespace, f"{release.components},{WORKERS}")}


@pytest.fixture(scope="module")
def targets(full: Release) -> dict[str, tuple[str, int]]:
    """Where each task tries to connect to."""
    address = lambda name: full.cluster.core.read_namespaced_pod(name, full.namespace).status.pod_ip
    (postgres,) = full.pods("postgres")
    kubernetes = full.cluster.core.read_namespaced_service("kubernetes", "default").spec.cluster_ip
    return {
        "execution-api": (f"full-execution-api.{full.namespace}.svc", 8080),
        "proxy": (address("proxy"), PROXY_PORT),
        "logs": (f"s3.{full.namespace}.svc", 7070),
        "server": (address("git"), 8000),
        "kubernetes": (kubernetes, 443),
        "postgres": (postgres.status.pod_ip, 5432),
    }


@pytest.fixture(scope="module")
def seen(full: Release, targets: dict[str, tuple[str, int]]) -> dict[str, dict[str, Any]]:
    """What a task in each pod template found, all of them at the same time."""
    secrets = [full.cluster.secret(full.namespace, f"full-{name}") for name in PRIVATE]
    canaries = {text for secret in secrets for key, text in secret.items() if key not in ("username", "host", "port")}
    canaries = {urlsplit(text).netloc if "://" in text else text for text in canaries if len(text) >= 20}
    assert len(canaries) == 6
    asked = {
        "targets": list(targets.values()),
        "reversed": [text[::-1] for text in canaries],
        "namespaces": [full.namespace, elsewhere(full)],
    }
    tasks = full.run("places", asked)
    assert set(tasks) == set(TEMPLATES)
    return {name: full.api.xcom(ti) for name, ti in tasks.items()}


def reached(seen: dict[str, Any], targets: dict[str, tuple[str, int]]) -> set[str]:
    return {name for name, (host, port) in targets.items() if seen["connects"][f"{host}:{port}"]}


def test_a_template_reaches_what_its_egress_lists_and_nothing_else(
    seen: dict[str, dict[str, Any]], targets: dict[str, tuple[str, int]]
) -> None:
    anywhere = {"execution-api", "proxy", "logs", "server", "kubernetes"}
    assert {name: reached(found, targets) for name, found in seen.items()} == {
        "default": anywhere,
        "elsewhere": anywhere,
        "walled": {"execution-api", "proxy", "logs"},
        "caller": anywhere,
    }


def test_a_templates_account_may_what_its_role_says(full: Release, seen: dict[str, dict[str, Any]]) -> None:
    """The Role is one of extraObjects, in the other namespace; no other template has a token at all."""
    refused = dict.fromkeys(("get configmap authority", "list configmaps", "get secret log-keys", "list pods"), 403)
    assert seen["caller"]["may"] == {
        full.namespace: {**refused, "get configmap dags": 403},
        elsewhere(full): {**refused, "get configmap dags": 200},
    }
    assert {seen[name]["may"] for name in ("default", "elsewhere", "walled")} == {"no token"}


def test_the_other_namespace_holds_no_secret_of_the_release(full: Release, seen: dict[str, dict[str, Any]]) -> None:
    listed = full.lab.kubectl("--namespace", elsewhere(full), "get", "secrets", "--output", "name").stdout.split()
    assert set(listed) == {f"secret/{name}" for name in BROUGHT["secret"]}
    assert {name: found["secrets"] for name, found in seen.items()} == {name: [] for name in TEMPLATES}


def rights(release: Release, account: str, namespace: str) -> dict[str, set[str]]:
    """Resource -> verbs of an account in a namespace, without what everybody may."""
    ask = ("auth", "can-i", "--list", "--no-headers", "--namespace", namespace, "--as")
    told = release.lab.kubectl(*ask, f"system:serviceaccount:{account}").stdout
    found = re.findall(r"^(\S+)\s+\[\]\s+\[(.*?)\]\s+\[(.*?)\]$", told, re.MULTILINE)
    own = [line for line in found if not re.search(r"\.(authorization|authentication)\.k8s\.io$", line[0])]
    assert found != own, told
    return {f"{resource} {names}".strip(): set(verbs.split()) for resource, names, verbs in own}


def test_there_is_a_role_in_each_namespace_and_no_cluster_role(full: Release) -> None:
    here, there = full.namespace, elsewhere(full)
    pods, logs = {"pods": EXECUTOR}, {"pods": {"list"}, "pods/log": {"get"}}
    expected: dict[tuple[str, str], dict[str, set[str]]] = {
        (f"{here}:full-scheduler", here): pods,
        (f"{here}:full-scheduler", there): pods,
        (f"{here}:full-api-server", here): logs,
        (f"{here}:full-api-server", there): logs,
        (f"{here}:full-pod-cleanup", here): {"pods": {"list", "delete"}},
        (f"{here}:full-pod-cleanup", there): {"pods": {"list", "delete"}},
        (f"{here}:full-bootstrap", there): {},
        (f"{here}:full-worker", here): {},
        (f"{there}:full-worker", there): {},
        (f"{there}:full-worker-caller", here): {},
        (f"{there}:full-worker-caller", there): {"configmaps dags": {"get"}},
    }
    assert {key: rights(full, *key) for key in expected} == expected
    listed = json.loads(full.lab.kubectl("get", "clusterrolebindings", "--output", "json").stdout)["items"]
    subjects = {s.get("namespace") for binding in listed for s in binding.get("subjects") or []}
    assert not subjects & {here, there}


def test_a_task_elsewhere_is_watched_read_and_adopted(full: Release) -> None:
    """Its log while it runs; a pod that is deleted there; a new scheduler that takes the other pod over."""
    where = elsewhere(full)
    run_id = full.start("linger")

    def running() -> list[TaskInstance]:
        found = [ti for ti in full.api.task_instances("linger", run_id) if ti.state == "running"]
        return found if len(found) == 2 else []

    kept, lost = sorted(until("both tasks to run", running, 90), key=lambda ti: ti.map_index)
    pods = workers(full, where)
    assert set(pods) == {kept.hostname, lost.hostname}
    assert {pod.spec.service_account_name for pod in pods.values()} == {"full-worker"}
    assert not {kept.hostname, lost.hostname} & set(workers(full, full.namespace))
    until("the running task's log", lambda: "the word is amber" in full.log(kept), 30)

    assert full.lab.kubectl("--namespace", where, "delete", "pod", lost.hostname, "--now").code == 0
    state = lambda ti: next(t for t in full.api.task_instances("linger", run_id) if t.label == ti.label).state
    until("the deleted pod to be noticed", lambda: state(lost) == "failed", 60)
    assert state(kept) == "running"

    before = pods[kept.hostname].metadata.labels["airflow-worker"]
    full.kubectl("delete", "pod", "--selector", f"{full.components},app.kubernetes.io/component=scheduler", "--now")
    adopted = lambda: workers(full, where)[kept.hostname].metadata.labels["airflow-worker"] != before
    until("a new scheduler to adopt the pod", adopted, 120)
    full.api.request("POST", "/api/v2/variables", {"key": "linger", "value": "go"})
    ended = full.finish("linger", run_id)[kept.label]
    assert (ended.state, ended.try_number, ended.hostname) == ("success", 1, kept.hostname)
    until("the new scheduler to delete the pod", lambda: kept.hostname not in workers(full, where), 60)
    assert "the word is amber" in full.api.log(ended)

"""Pod templates and NetworkPolicies of every scenario, judged by a real API server in restricted namespaces."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from airfleet.demo.install import RESTRICTED
from airfleet.lab import Lab
from chart_harness import scenarios
from chart_harness.objects import Rendered

# What the scenarios' pods name and a cluster has to have before it admits them.
CLASSES: list[dict[str, Any]] = [
    {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000},
    {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "gvisor"}, "handler": "runsc"},
]


@pytest.fixture(scope="module")
def api() -> Iterator[Lab]:
    """An API server without nodes: nothing runs, everything is admitted or refused."""
    lab = Lab(os.environ.get("AIRFLEET_TEST_LAB", "test") + "-api")
    if not lab.is_up():
        lab.up(nodes=0)
    lab.kubectl("apply", "--filename", "-", stdin=listed(CLASSES))
    yield lab
    lab.down()


def listed(objects: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def workers(release: Rendered) -> list[dict[str, Any]]:
    """The pod of each template, with a name as the executor gives one."""
    data = next(o["data"] for o in release.of("ConfigMap") if o["metadata"]["name"].endswith("-pod-templates"))
    pods = [yaml.safe_load(text) | {"file": name.removesuffix(".yaml")} for name, text in data.items()]
    for pod in pods:
        pod["metadata"] |= {"name": f"template-{pod.pop('file')}"}
        pod["metadata"].setdefault("namespace", release.release.namespace)
    return pods


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS)
def test_every_pod_template_and_policy_is_admitted(api: Lab, scenario: str) -> None:
    release = scenarios.rendered(scenario)
    pods = workers(release)
    spaces = {pod["metadata"]["namespace"] for pod in pods} | {release.release.namespace}
    needed = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": RESTRICTED}} for n in sorted(spaces)
    ]
    needed += [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": namespace}}
        for account, namespace in sorted({(p["spec"]["serviceAccountName"], p["metadata"]["namespace"]) for p in pods})
    ]
    api.kubectl("apply", "--filename", "-", stdin=listed(needed))
    create = ("create", "--dry-run=server", "--validate=strict", "--output=name", "--filename", "-")
    done = api.kubectl(*create, stdin=listed([*pods, *release.of("NetworkPolicy")]), check=False)
    assert done.code == 0, done.stderr
    assert len(done.stdout.split()) == len(pods) + len(release.of("NetworkPolicy"))


def test_a_pod_that_is_not_restricted_is_refused(api: Lab) -> None:
    (pod, *_) = workers(scenarios.rendered("defaults"))
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    done = api.kubectl("create", "--dry-run=server", "--filename", "-", stdin=json.dumps(pod), check=False)
    assert done.code != 0
    assert "violates PodSecurity" in done.stderr

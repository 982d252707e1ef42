"""What changes do: predicted by rules here, and each rule held against a real API server and its controllers."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from airfleet.fleet.changes import compare
from airfleet.fleet.consequences import Effect, What, effects
from airfleet.fleet.immutable import TABLE, refused
from airfleet.lab import Lab

POD = {"containers": [{"name": "a", "image": "registry.example.com/a:1"}]}
LABELS = {"app": "a"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": POD}


def obj(kind: str, api: str = "apps/v1", name: str = "a", **rest: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **copy.deepcopy(rest)}


def workload(kind: str, **spec: Any) -> dict[str, Any]:
    return obj(kind, spec={"selector": {"matchLabels": LABELS}, "template": TEMPLATE, **spec})


def edited(before: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    after: dict[str, Any] = copy.deepcopy(dict(before))
    after["spec"] = {**after["spec"], **spec}
    return after


def image(before: Mapping[str, Any], tag: str = "2") -> dict[str, Any]:
    after: dict[str, Any] = copy.deepcopy(dict(before))
    after["spec"]["template"]["spec"]["containers"][0]["image"] = f"registry.example.com/a:{tag}"
    return after


def told(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    found: list[Effect] = effects(compare(before, after), after)
    return [(str(effect.what), effect.text, effect.why) for effect in found]


DEPLOYMENT = workload("Deployment", replicas=2)


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (DEPLOYMENT, "Deployment/a restarts its 2 pods, one after the other"),
        (workload("Deployment", replicas=1), "Deployment/a restarts its pod"),
        (workload("Deployment"), "Deployment/a restarts all its pods, one after the other"),
        (workload("Deployment", replicas=0), "Deployment/a restarts nothing: it has no pods"),
        (
            workload("Deployment", replicas=3, strategy={"type": "Recreate"}),
            "Deployment/a stops its 3 pods and only then starts anew",
        ),
        (workload("Deployment", replicas=1, paused=True), "Deployment/a restarts its pod once it is no longer paused"),
        (workload("DaemonSet"), "DaemonSet/a restarts its pod on every node, one after the other"),
        (
            workload("StatefulSet", replicas=1, updateStrategy={"type": "OnDelete"}),
            "StatefulSet/a restarts its pod only when somebody deletes them",
        ),
        (
            workload("StatefulSet", replicas=3, updateStrategy={"rollingUpdate": {"partition": 2}}),
            "StatefulSet/a restarts only its pods from number 2 on",
        ),
    ],
)
def test_a_new_pod_template_restarts_what_its_owner_has(before: dict[str, Any], text: str) -> None:
    assert told([before], [image(before)]) == [("restart", text, "containers[a].image")]


def test_nothing_but_the_pod_template_restarts_pods() -> None:
    after = edited(DEPLOYMENT, minReadySeconds=5, revisionHistoryLimit=3)
    after["metadata"]["labels"] = {"version": "2"}
    assert told([DEPLOYMENT], [after]) == []


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (2, 5, "has 5 pods instead of 2"),
        (2, None, "is left to somebody else to scale, such as an autoscaler; until now it has 2 pods"),
        (None, 2, "has 2 pods; until now somebody else says how many"),
    ],
)
def test_another_number_of_pods_is_no_restart(old: int | None, new: int | None, text: str) -> None:
    before, after = (
        workload("Deployment", **({} if number is None else {"replicas": number})) for number in (old, new)
    )
    assert told([before], [after]) == [("scale", f"Deployment/a {text}", "")]


def config(**data: str) -> dict[str, Any]:
    return obj("ConfigMap", "v1", "settings", data=data)


def using(**pod: Any) -> dict[str, Any]:
    return workload("Deployment", template={**TEMPLATE, "spec": {**POD, **pod}})


VOLUME = [{"name": "v", "configMap": {"name": "settings"}}]
PROJECTED = [{"name": "v", "projected": {"sources": [{"configMap": {"name": "settings"}}]}}]


def container(**more: Any) -> list[dict[str, Any]]:
    return [{**POD["containers"][0], **more}]


SEEN = "the pods of Deployment/a see the new ConfigMap/settings in their files within two minutes"
STALE = "the pods of Deployment/a go on with the old ConfigMap/settings"


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({"volumes": VOLUME}, ("seen without a restart", SEEN)),
        ({"volumes": PROJECTED}, ("seen without a restart", SEEN)),
        (
            {"volumes": VOLUME, "containers": container(volumeMounts=[{"name": "v", "subPath": "x"}])},
            ("not seen", STALE),
        ),
        ({"containers": container(envFrom=[{"configMapRef": {"name": "settings"}}])}, ("not seen", STALE)),
        (
            {"initContainers": container(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings"}}}])},
            ("not seen", STALE),
        ),
        ({"volumes": [{"name": "v", "configMap": {"name": "others"}}]}, None),
    ],
)
def test_a_config_map_alone_restarts_nothing_and_it_is_said_who_sees_it(pod: Any, expected: Any) -> None:
    before, after = ([config(a=value), using(**pod)] for value in "12")
    assert [found[:2] for found in told(before, after)] == ([expected] if expected else [])


def test_pods_that_restart_anyway_see_the_new_config_map() -> None:
    pod = using(volumes=VOLUME)
    assert [what for what, *_ in told([config(a="1"), pod], [config(a="2"), image(pod)])] == ["restart"]


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        (DEPLOYMENT, ("removed", "Deployment/a is deleted, and its pods stop", "")),
        (config(a="1"), ("removed", "ConfigMap/settings is deleted", "")),
        (
            obj("PersistentVolumeClaim", "v1"),
            ("data lost", "PersistentVolumeClaim/a is deleted, with what is in it", ""),
        ),
        (
            workload("StatefulSet", persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"}),
            ("data lost", "StatefulSet/a is deleted, with the claims of its pods", "whenDeleted: Delete"),
        ),
    ],
)
def test_what_goes_is_told_and_lost_data_is_grave(gone: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert told([gone], []) == [expected]
    gone = copy.deepcopy(gone)
    gone["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
    ((what, text, why),) = told([gone], [])
    assert what == "removed"
    assert text.endswith("leaves the release and stays on the cluster")
    assert why == "resource-policy: keep"


def test_a_hook_is_neither_refused_nor_removed() -> None:
    hook = obj("Job", "batch/v1", spec={"template": TEMPLATE})
    hook["metadata"]["annotations"] = {"helm.sh/hook": "pre-upgrade"}
    assert told([hook], [image(hook)]) == []
    assert told([hook], []) == []


def test_the_gravest_comes_first() -> None:
    claim, job = obj("PersistentVolumeClaim", "v1"), obj("Job", "batch/v1", name="j", spec={"template": TEMPLATE})
    before = [claim, job, DEPLOYMENT, config(a="1")]
    whats = [what for what, *_ in told(before, [image(job), image(DEPLOYMENT)])]
    assert whats == ["refused", "data lost", "restart", "removed"]


# --- held against a real API server ------------------------------------------------------------------------------

CLAIM = {"accessModes": ["ReadWriteOnce"], "storageClassName": "x", "resources": {"requests": {"storage": "2Gi"}}}
RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
EDIT = {**ROLE, "name": "edit"}
BATCH, RBAC, STORAGE = "batch/v1", "rbac.authorization.k8s.io/v1", "storage.k8s.io/v1"
INDEXED = {"completionMode": "Indexed", "completions": 2, "parallelism": 2}
ONCE = {"template": {"spec": {**POD, "restartPolicy": "Never"}}}
ONLY = {"matchLabels": LABELS}
STATEFUL = workload("StatefulSet", serviceName="a", volumeClaimTemplates=[{"metadata": {"name": "d"}, "spec": CLAIM}])
OTHER_CLAIM = {**CLAIM, "resources": {"requests": {"storage": "3Gi"}}}
FAILURES = {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1]}}]}


def job(**spec: Any) -> dict[str, Any]:
    return obj("Job", BATCH, spec={**ONCE, **spec})


def service(**spec: Any) -> dict[str, Any]:
    return obj("Service", "v1", spec={"ports": [{"port": 80}], **spec})


def storage(**rest: Any) -> dict[str, Any]:
    return obj("StorageClass", STORAGE, name="diff-test", **{"provisioner": "example.com/a", **rest})


def selector(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    before = workload(kind)
    template = {"metadata": {"labels": {"app": "b"}}, "spec": POD}
    return before, edited(before, selector={"matchLabels": {"app": "b"}}, template=template)


REFUSED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    selector("Deployment"),
    selector("DaemonSet"),
    selector("ReplicaSet"),
    (STATEFUL, edited(STATEFUL, serviceName="b")),
    (STATEFUL, edited(STATEFUL, volumeClaimTemplates=[{"metadata": {"name": "d"}, "spec": OTHER_CLAIM}])),
    (STATEFUL, edited(STATEFUL, podManagementPolicy="Parallel")),
    (job(), job(template={"spec": {**POD, "restartPolicy": "OnFailure"}})),
    (job(), job(selector={"matchLabels": {"a": "b"}})),
    (job(completions=1), job(completions=2)),
    (job(), job(**INDEXED)),
    (job(), job(podFailurePolicy=FAILURES)),
    (job(**INDEXED), job(**INDEXED, backoffLimitPerIndex=1)),
    (job(**INDEXED), job(**INDEXED, successPolicy={"rules": [{"succeededCount": 1}]})),
    (job(), job(managedBy="example.com/me")),
    (service(clusterIP="None", selector=LABELS), service(clusterIP="10.96.7.7", selector=LABELS)),
    (service(ipFamilies=["IPv4"]), service(ipFamilies=["IPv6"])),
    (
        service(type="LoadBalancer", loadBalancerClass="example.com/a"),
        service(type="LoadBalancer", loadBalancerClass="example.com/b"),
    ),
    (
        obj("PersistentVolumeClaim", "v1", spec=CLAIM),
        obj("PersistentVolumeClaim", "v1", spec={**CLAIM, "storageClassName": "y"}),
    ),
    (
        obj("PersistentVolumeClaim", "v1", spec=CLAIM),
        obj("PersistentVolumeClaim", "v1", spec={**CLAIM, "volumeMode": "Block"}),
    ),
    (
        obj("PersistentVolumeClaim", "v1", spec=CLAIM),
        obj("PersistentVolumeClaim", "v1", spec={**CLAIM, "resources": {"requests": {"storage": "1Gi"}}}),
    ),
    (obj("Secret", "v1", type="Opaque"), obj("Secret", "v1", type="example.com/x")),
    (obj("Secret", "v1", immutable=True, data={"a": "MQ=="}), obj("Secret", "v1", immutable=True, data={"a": "Mg=="})),
    (obj("Secret", "v1", immutable=True), obj("Secret", "v1", immutable=True, stringData={"a": "2"})),
    (obj("Secret", "v1", immutable=True), obj("Secret", "v1", immutable=False)),
    (obj("ConfigMap", "v1", immutable=True, data={"a": "1"}), obj("ConfigMap", "v1", immutable=True, data={"a": "2"})),
    (obj("ConfigMap", "v1", immutable=True), obj("ConfigMap", "v1", immutable=True, binaryData={"a": "MQ=="})),
    (obj("ConfigMap", "v1", immutable=True), obj("ConfigMap", "v1", immutable=False)),
    (obj("RoleBinding", RBAC, roleRef=ROLE), obj("RoleBinding", RBAC, roleRef=EDIT)),
    (
        obj("ClusterRoleBinding", RBAC, name="diff-test", roleRef=ROLE),
        obj("ClusterRoleBinding", RBAC, name="diff-test", roleRef=EDIT),
    ),
    (storage(), storage(provisioner="example.com/b")),
    (storage(), storage(parameters={"a": "b"})),
    (storage(), storage(reclaimPolicy="Retain")),
    (storage(), storage(volumeBindingMode="WaitForFirstConsumer")),
    (
        obj("IngressClass", "networking.k8s.io/v1", name="diff-test", spec={"controller": "example.com/a"}),
        obj("IngressClass", "networking.k8s.io/v1", name="diff-test", spec={"controller": "example.com/b"}),
    ),
    (
        obj("PriorityClass", "scheduling.k8s.io/v1", name="diff-test", value=1),
        obj("PriorityClass", "scheduling.k8s.io/v1", name="diff-test", value=2),
    ),
    (
        obj("PriorityClass", "scheduling.k8s.io/v1", name="diff-test", value=1),
        obj("PriorityClass", "scheduling.k8s.io/v1", name="diff-test", value=1, preemptionPolicy="Never"),
    ),
    (
        obj("RuntimeClass", "node.k8s.io/v1", name="diff-test", handler="a"),
        obj("RuntimeClass", "node.k8s.io/v1", name="diff-test", handler="b"),
    ),
    (
        obj("EndpointSlice", "discovery.k8s.io/v1", addressType="IPv4", endpoints=[]),
        obj("EndpointSlice", "discovery.k8s.io/v1", addressType="IPv6", endpoints=[]),
    ),
]
TAKEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (DEPLOYMENT, image(DEPLOYMENT)),
    (workload("DaemonSet"), image(workload("DaemonSet"))),
    (STATEFUL, image(STATEFUL)),
    (STATEFUL, edited(STATEFUL, replicas=3, minReadySeconds=1, revisionHistoryLimit=2, ordinals={"start": 1})),
    (STATEFUL, edited(STATEFUL, podManagementPolicy="OrderedReady")),
    (STATEFUL, edited(STATEFUL, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"})),
    (job(), job(parallelism=2, backoffLimit=1, activeDeadlineSeconds=5, ttlSecondsAfterFinished=9, suspend=True)),
    (job(), job(completionMode="NonIndexed", completions=1)),
    (job(**INDEXED), job(**{**INDEXED, "completions": 3, "parallelism": 3})),
    (service(clusterIP="None"), service()),
    (service(), service(type="NodePort", selector=LABELS)),
    (
        service(type="LoadBalancer", loadBalancerClass="example.com/a"),
        service(type="ClusterIP"),
    ),
    (service(), obj("Service", "v1", spec={"type": "ExternalName", "externalName": "example.com"})),
    (obj("Secret", "v1", type="Opaque"), obj("Secret", "v1", stringData={"a": "2"})),
    (obj("ConfigMap", "v1", data={"a": "1"}), obj("ConfigMap", "v1", immutable=True, data={"a": "2"})),
    (storage(), storage(reclaimPolicy="Delete", volumeBindingMode="Immediate", allowVolumeExpansion=True)),
    (
        obj("PriorityClass", "scheduling.k8s.io/v1", name="diff-test", value=1),
        obj("PriorityClass", "scheduling.k8s.io/v1", name="diff-test", value=1, description="x", globalDefault=False),
    ),
]


def label(pair: tuple[dict[str, Any], dict[str, Any]]) -> str:
    return f"{pair[0]['kind']}-{'-'.join(refused(*pair)) or 'taken'}"


@pytest.fixture(scope="module")
def namespace(api_server: Lab) -> Iterator[str]:
    name = "immutable"
    api_server.kubectl("create", "namespace", name)
    yield name
    api_server.kubectl("delete", "namespace", name, "--wait=false")


def asked(lab: Lab, namespace: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """What the API server says of an update; nothing if it takes it. The object is made, and removed again."""
    argv = ["--namespace", namespace]
    server_side = ["apply", "--server-side", "--force-conflicts", "--field-manager=helm", "--filename", "-"]
    lab.kubectl(*argv, *server_side, stdin=json.dumps(before))
    try:
        done = lab.kubectl(*argv, *server_side, "--dry-run=server", stdin=json.dumps(after), check=False)
        return "" if done.code == 0 else done.stderr
    finally:
        kind = f"{before['kind']}.{before['apiVersion'].rpartition('/')[0]}".rstrip(".")
        lab.kubectl(*argv, "delete", kind, before["metadata"]["name"], "--cascade=background", "--wait=true")


@pytest.mark.parametrize("pair", REFUSED, ids=label)
def test_the_api_server_refuses_what_the_table_says(api_server: Lab, namespace: str, pair: Any) -> None:
    assert [*refused(*pair)]
    said = asked(api_server, namespace, *pair)
    words = ("immutable", "forbidden", "Forbidden", "may not change", "cannot change", "as indicated by `ipFamilies")
    assert any(word in said for word in words), said


@pytest.mark.parametrize("pair", TAKEN, ids=lambda pair: pair[0]["kind"])
def test_the_api_server_takes_what_the_table_lets_pass(api_server: Lab, namespace: str, pair: Any) -> None:
    assert [*refused(*pair)] == []
    assert asked(api_server, namespace, *pair) == ""


def test_every_row_of_the_table_was_held_against_the_api_server() -> None:
    tried = set()
    for before, after in REFUSED:
        names = [*refused(before, after)]
        group = before["apiVersion"].rpartition("/")[0] if "/" in before["apiVersion"] else ""
        for row in TABLE:
            if (row.group, row.kind) == (group, before["kind"]):
                path = ".".join(part for part in row.path if not part.startswith("["))
                if any(name.split("[")[0] == path or (row.but and name.startswith(f"{path}.")) for name in names):
                    tried.add(row)
    assert [row for row in TABLE if row not in tried] == []


def test_real_pods_restart_exactly_where_it_was_predicted(api_server: Lab, namespace: str) -> None:
    """Deployments whose pods a real controller makes anew, or does not."""
    before = [workload("Deployment", replicas=2) | {"metadata": {"name": f"r{n}"}} for n in range(3)]
    for number, each in enumerate(before):
        labels = {"app": f"r{number}"}
        each["spec"] = {**each["spec"], "selector": {"matchLabels": labels}}
        each["spec"]["template"] = {"metadata": {"labels": labels}, "spec": POD}
    after = [image(before[0]), edited(before[1], replicas=3, minReadySeconds=1), before[2]]
    predicted = {effect.ref.name for effect in effects(compare(before, after), after) if effect.what is What.RESTART}
    assert predicted == {"r0"}
    argv = ["--namespace", namespace, "apply", "--server-side", "--filename", "-"]

    def hashes() -> dict[str, set[str]]:
        told = api_server.kubectl("--namespace", namespace, "get", "replicasets", "-o", "json").stdout
        found: dict[str, set[str]] = {}
        for each in json.loads(told)["items"]:
            found.setdefault(each["metadata"]["labels"]["app"], set()).add(each["metadata"]["name"])
        return found

    def until(wanted: Any) -> dict[str, set[str]]:
        end = time.monotonic() + 60
        while not wanted(found := hashes()):
            assert time.monotonic() < end, found
            time.sleep(0.1)
        return found

    api_server.kubectl(*argv, stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": before}))
    first = until(lambda found: {"r0", "r1", "r2"} <= set(found))
    api_server.kubectl(*argv, stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": after}))
    second = until(lambda found: len(found["r0"]) == 2)
    observed = api_server.kubectl(
        "--namespace",
        namespace,
        "wait",
        "--for=jsonpath={.status.observedGeneration}=2",
        "deployment/r1",
        "--timeout=60s",
    )
    assert "condition met" in observed.stdout
    assert {name for name in first if second[name] != first[name]} == predicted

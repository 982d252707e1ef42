"""How pod templates are composed of each other, and what a wrong catalogue is told."""

from __future__ import annotations

from typing import Any
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import pytest
from requests.utils import should_bypass_proxies

from chart_harness.objects import Pod, Rendered
from chart_harness.render import RefusedError, render


def template(release: Rendered, name: str) -> Pod:
    """The pod of a template."""
    return next(pod for pod in release.pods if pod.is_worker and pod.template == name)


def one(**templates: Any) -> Rendered:
    """The release of this catalogue."""
    return render({"podTemplates": templates})


def test_templates_are_laid_over_each_other_from_left_to_right() -> None:
    release = one(
        base={"abstract": True, "nodeSelector": {"pool": "any", "zone": "a"}, "labels": {"team": "data"}},
        big={"resources": {"limits": {"memory": "8Gi"}}, "nodeSelector": {"pool": "big"}},
        spot={"nodeSelector": {"pool": "spot", "spot": "yes"}},
        both={"extends": ["base", "big", "spot"], "nodeSelector": {"zone": "b"}},
    )
    both = template(release, "both")
    assert both.spec["nodeSelector"] == {"pool": "spot", "spot": "yes", "zone": "b"}
    assert both.spec["containers"][0]["resources"]["limits"]["memory"] == "8Gi"
    assert both.labels["team"] == "data"
    assert "nodeSelector" not in template(release, "default").spec


def test_what_two_ways_lead_to_is_laid_once() -> None:
    """The second way to `base` must not undo what `left` has laid over it."""
    release = one(
        base={"abstract": True, "nodeSelector": {"pool": "any"}},
        left={"extends": ["base"], "nodeSelector": {"pool": "left"}},
        right={"extends": ["base"], "nodeSelector": {"disk": "ssd"}},
        both={"extends": ["left", "right"]},
    )
    assert template(release, "both").spec["nodeSelector"] == {"pool": "left", "disk": "ssd"}


def test_null_removes_what_workers_and_others_gave() -> None:
    release = render(
        {
            "workers": {"nodeSelector": {"pool": "tasks", "disk": "ssd"}, "env": {"A": "1", "B": "2"}},
            "podTemplates": {
                "base": {"abstract": True, "nodeSelector": {"pool": None}, "env": {"C": "3"}},
                "own": {"extends": ["base"], "env": {"A": None}, "tolerations": []},
            },
        }
    )
    own = template(release, "own")
    assert own.spec["nodeSelector"] == {"disk": "ssd"}
    assert {"B", "C"} <= {e["name"] for e in own.spec["containers"][0]["env"]}
    assert "A" not in {e["name"] for e in own.spec["containers"][0]["env"]}


def test_an_abstract_template_is_no_file_and_claims_no_queue() -> None:
    release = one(base={"abstract": True}, gpu={"extends": ["base"]})
    assert set(release.get("ConfigMap/airflow-pod-templates")["data"]) == {"default.yaml", "highmem.yaml", "gpu.yaml"}
    assert "/base.yaml" not in str(release.pod("scheduler").spec["containers"][0]["env"])


def test_neither_being_abstract_nor_queues_are_inherited() -> None:
    release = one(base={"abstract": True}, gpu={"extends": ["base"], "queues": ["cuda"]}, other={"extends": ["gpu"]})
    routes = release.pod("scheduler").spec["containers"][0]["env"]
    assert '{"cuda":"gpu","highmem":"highmem","other":"other"}' in str(routes).replace("\\", "")


def test_what_an_executor_is_told_stands_in_annotations() -> None:
    release = one(
        spot={
            "onClusterLost": "move",
            "infrastructureRetries": 0,
            "outOfMemory": {"memoryFactor": 1.5, "maxMemory": "32Gi"},
        }
    )
    told = {k: v for k, v in template(release, "spot").metadata["annotations"].items() if k.startswith("airfleet/")}
    assert told == {
        "airfleet/on-cluster-lost": "move",
        "airfleet/infrastructure-retries": "0",
        "airfleet/out-of-memory-factor": "1.5",
        "airfleet/out-of-memory-max": "32Gi",
    }
    silent = template(release, "default").metadata["annotations"]
    assert not [name for name in silent if name.startswith("airfleet/")]


def test_a_template_has_an_account_of_its_own() -> None:
    release = render(
        {
            "workers": {"serviceAccount": {"name": "tasks"}},
            "podTemplates": {
                "cloud": {"abstract": True, "serviceAccount": {"create": True, "annotations": {"role": "reader"}}},
                "writer": {
                    "extends": ["cloud"],
                    "namespace": "w",
                    "serviceAccount": {"annotations": {"role": "writer"}},
                },
                "reader": {"extends": ["cloud"]},
                "other": {"serviceAccount": {"name": "mine"}},
            },
        }
    )
    accounts = {name: template(release, name).spec["serviceAccountName"] for name in ("writer", "reader", "other")}
    assert accounts == {"writer": "airflow-worker-writer", "reader": "airflow-worker-reader", "other": "mine"}
    assert template(release, "default").spec["serviceAccountName"] == "tasks"
    writer = release.get("ServiceAccount/airflow-worker-writer")["metadata"]
    assert (writer["annotations"], writer["namespace"]) == ({"role": "writer"}, "w")


def test_extra_objects_are_taken_as_they_stand_and_labelled() -> None:
    data = {"a": "{{ .Values }}"}
    release = render({"extraObjects": {"own": {"apiVersion": "v1", "kind": "ConfigMap", "data": data}}})
    own = release.get("ConfigMap/own")
    assert own["data"] == data
    assert own["metadata"]["namespace"] == "data"
    assert own["metadata"]["labels"]["app.kubernetes.io/instance"] == "airflow"


def test_what_is_inside_the_cluster_is_reached_without_the_proxy() -> None:
    """By the standard library's own reading of the variables, with what Kubernetes puts in for the API's address."""
    release = render({"proxy": {"https": "http://proxy:3128", "noProxy": [".corp"]}})
    env = {e["name"]: e.get("value") for e in template(release, "default").spec["containers"][0]["env"]}
    assert env["HTTPS_PROXY"] == env["https_proxy"] == "http://proxy:3128"
    assert "HTTP_PROXY" not in env
    direct = {"no": env["NO_PROXY"].replace("$(KUBERNETES_SERVICE_HOST)", "10.96.0.1")}
    inside = [
        "airflow-api-server.data.svc",
        "airflow-api-server.data.svc:8080",
        "10.96.0.1:443",
        "localhost",
        "git.corp",
    ]
    outside = ["www.example.com", "10.96.0.2", "svc.example.com"]
    assert [host for host in inside if not proxy_bypass_environment(host, direct)] == []
    assert [host for host in outside if proxy_bypass_environment(host, direct)] == []


def test_the_api_server_asks_triggerers_without_the_proxy() -> None:
    """It knows them by their pods' addresses, and asks for logs with requests. Tasks have the user's list."""
    release = render({"proxy": {"http": "http://proxy:3128"}})
    base = next(c for c in release.pod("api-server").spec["containers"] if c["name"] == "base")
    no_proxy = next(e["value"] for e in base["env"] if e["name"] == "no_proxy")
    for address in ("10.244.1.5", "172.20.0.9", "192.168.3.4", "100.64.7.7"):
        assert should_bypass_proxies(f"http://{address}:8794/log", no_proxy), address
    for address in ("8.8.8.8", "172.32.0.1", "logs.example.com"):
        assert not should_bypass_proxies(f"http://{address}:8794/log", no_proxy), address
    env = {e["name"]: e.get("value") for e in template(release, "default").spec["containers"][0]["env"]}
    assert not should_bypass_proxies("http://10.244.1.5", env["no_proxy"])


@pytest.mark.parametrize("values", [{}, {"openshift": True}], ids=str)
def test_a_tasks_pod_does_not_change_the_owner_of_what_is_on_a_shared_volume(values: dict[str, Any]) -> None:
    assert template(render(values), "default").spec["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_what_tasks_need_is_in_their_namespace() -> None:
    release = one(gpu={"namespace": "team-gpu"})
    there = {
        f"{o['kind']}/{o['metadata']['name']}" for o in release.objects if o["metadata"]["namespace"] == "team-gpu"
    }
    assert there == {
        *("ConfigMap/airflow-boot", "ConfigMap/airflow-worker-config"),
        *("NetworkPolicy/airflow-worker", "ServiceAccount/airflow-worker"),
        *("Role/airflow-api-server", "RoleBinding/airflow-api-server"),
        *("Role/airflow-scheduler", "RoleBinding/airflow-scheduler"),
    }
    config = release.get("ConfigMap/airflow-config")["data"]["airflow.cfg"]
    assert "multi_namespace_mode_namespace_list = data,team-gpu\n" in config
    assert "multi_namespace_mode" not in render({}).get("ConfigMap/airflow-config")["data"]["airflow.cfg"]


def test_a_namespace_for_all_tasks_leaves_nothing_of_them_at_home() -> None:
    release = render({"workers": {"namespace": "tasks"}})
    for ref in ("ServiceAccount/airflow-worker", "ConfigMap/airflow-worker-config", "Role/airflow-scheduler"):
        assert release.get(ref)["metadata"]["namespace"] == "tasks"
    config = release.get("ConfigMap/airflow-config")["data"]["airflow.cfg"]
    assert "namespace = tasks\n" in config
    assert "multi_namespace_mode" not in config
    assert "AIRFLEET_NAMESPACES" not in str(release.pod("dag-processor").spec)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown template": (
        {"podTemplates": {"gpu": {"extends": ["bse"]}, "base": {"abstract": True}}},
        r'podTemplates.gpu extends .*"bse.*no pod template. Fix: use one of base, default, gpu, highmem',
    ),
    "a template that was removed": (
        {"podTemplates": {"gpu": {"extends": ["highmem"]}, "highmem": None}},
        r"podTemplates.gpu extends .*highmem.*no pod template",
    ),
    "a circle": (
        {"podTemplates": {"a": {"extends": ["b"]}, "b": {"extends": ["c"]}, "c": {"extends": ["a"]}}},
        "podTemplates.a extends itself: a -> b -> c -> a. Fix: ",
    ),
    "a circle behind a template": (
        {"podTemplates": {"x": {"extends": ["a"]}, "a": {"extends": ["a"]}}},
        "podTemplates.a extends itself: a -> a. Fix: ",
    ),
    "queues of an abstract template": (
        {"podTemplates": {"base": {"abstract": True, "queues": ["q"]}}},
        "podTemplates.base is abstract and has queues.*Fix: ",
    ),
    "an abstract default": (
        {"podTemplates": {"default": {"abstract": True}}},
        "podTemplates.default is missing or abs",
    ),
    "a way out to everybody": (
        {"podTemplates": {"gpu": {"egress": {"all": {"ports": [443]}}}}},
        "podTemplates.gpu.egress.all names no address and no pod.*Fix: ",
    ),
    "too long a name": (
        {"fullnameOverride": "a" * 40, "podTemplates": {"long-enough-for-it": {"egress": {}}}},
        "long-enough-for-it has 66 characters of 63. Fix: ",
    ),
    "a claim in another namespace": (
        {"logs": {"persistence": {"enabled": True}}, "podTemplates": {"gpu": {"namespace": "x"}}},
        "podTemplates.gpu runs in the namespace x.*Fix: ",
    ),
    "an account that is made and exists": (
        {"podTemplates": {"gpu": {"serviceAccount": {"create": True, "name": "x"}}}},
        "podTemplates.gpu.serviceAccount has both create and name.*Fix: ",
    ),
    "two files of certificates": ({"caBundle": {"configMap": "a", "secret": "b"}}, "caBundle names both.*Fix: "),
    "an extra ClusterRole": (
        {"extraObjects": {"x": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}}},
        "extraObjects.x is a ClusterRole.*Fix: ",
    ),
    "an extra Secret": ({"extraObjects": {"x": {"apiVersion": "v1", "kind": "Secret"}}}, "extraObjects.x is a Secret"),
    "an extra object without a kind": ({"extraObjects": {"x": {"data": {}}}}, "extraObjects.x has no apiVersion or no"),
    "an extra object elsewhere": (
        {"extraObjects": {"x": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "kube-system"}}}},
        "extraObjects.x is for the namespace kube-system.*Fix: use one of data",
    ),
    "an option that the chart owns": (
        {"config": {"kubernetes_executor": {"namespace": "x"}}},
        r"config.kubernetes_executor.namespace may not be set.*podTemplates.<name>.namespace",
    ),
}


@pytest.mark.parametrize(("values", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_catalogue_is_refused_with_the_fix(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        render(values)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(RefusedError, match=r"(?s)podTemplates.a extends .*podTemplates.b extends"):
        one(a={"extends": ["nobody"]}, b={"extends": ["b"]})


@pytest.mark.parametrize("name", ["GPU", "a_b", "-a", "a" * 33])
def test_a_name_that_labels_and_files_could_not_have_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match=rf"podTemplates.{name}: the name .*Fix: "):
        one(**{name: {}})

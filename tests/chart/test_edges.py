"""What the outside sees: URLs, routes, autoscalers, and the chart as a part of another chart."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart_harness.objects import INSTANCE, Rendered
from chart_harness.render import CHART, RefusedError, render
from chart_harness.rules import violations
from chart_harness.rules.edges import option

INGRESS = {"enabled": True, "hosts": ["airflow.example.com", "other.example.com"]}
ROUTE = {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["gw.example.com"]}
URLS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, ""),
    "an Ingress": ({"ingress": INGRESS}, "http://airflow.example.com"),
    "with TLS": ({"ingress": {**INGRESS, "tls": {"secretName": "x"}}}, "https://airflow.example.com"),
    "with a path": ({"ingress": {**INGRESS, "path": "/team/a/"}}, "http://airflow.example.com/team/a"),
    "a path of any host": ({"ingress": {"enabled": True, "path": "/team-a"}}, "/team-a"),
    "any host": ({"ingress": {"enabled": True}}, ""),
    "an HTTPRoute": ({"httpRoute": {**ROUTE, "path": "/b"}}, "https://gw.example.com/b"),
    "both": ({"ingress": INGRESS, "httpRoute": ROUTE}, "http://airflow.example.com"),
    "told": ({"ingress": INGRESS, "baseUrl": "https://a.example/x/"}, "https://a.example/x"),
}


@pytest.mark.parametrize(("api_server", "url"), URLS.values(), ids=URLS.keys())
def test_the_base_url_follows_from_what_leads_to_it(api_server: dict[str, Any], url: str) -> None:
    release = render({"apiServer": api_server})
    assert option(release, "config", "api", "base_url") == url
    assert option(release, "config", "fab", "enable_proxy_fix") == ("True" if url else "")


def test_an_ingress_says_hosts_path_and_certificate() -> None:
    tls = {"secretName": "cert"}
    release = render({"apiServer": {"ingress": {**INGRESS, "className": "nginx", "path": "/a", "tls": tls}}})
    spec = release.get("Ingress/airflow-api-server")["spec"]
    assert spec["ingressClassName"] == "nginx"
    assert spec["tls"] == [{"hosts": INGRESS["hosts"], "secretName": "cert"}]
    assert [rule["host"] for rule in spec["rules"]] == INGRESS["hosts"]
    assert {rule["http"]["paths"][0]["path"] for rule in spec["rules"]} == {"/a"}


def test_replicas_are_the_autoscalers() -> None:
    release = render({"apiServer": {"autoscaling": {"enabled": True, "maxReplicas": 9, "targets": {"memory": 70}}}})
    assert "replicas" not in release.get("Deployment/airflow-api-server")["spec"]
    spec = release.get("HorizontalPodAutoscaler/airflow-api-server")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 9)
    targets = {m["resource"]["name"]: m["resource"]["target"]["averageUtilization"] for m in spec["metrics"]}
    assert targets == {"cpu": 80, "memory": 70}


def test_the_main_server_serves_the_execution_api_no_longer() -> None:
    release = render({"executionApi": {"enabled": True}})
    args = {c: release.pod(c).spec["containers"][0]["args"] for c in ("api-server", "execution-api")}
    assert args["api-server"][-2:] == ["--apps", "core"]
    assert args["execution-api"][-2:] == ["--apps", "execution"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two owners of replicas": ({"triggerer": {"replicas": 3, "autoscaling": {"enabled": True}}}, "replicas to 3"),
    "no number in between": (
        {"apiServer": {"autoscaling": {"enabled": True, "minReplicas": 4, "maxReplicas": 3}}},
        "raise maxReplicas to 4",
    ),
    "two limits of a budget": ({"scheduler": {"podDisruptionBudget": {"minAvailable": 1}}}, "takes one of them"),
    "a route of no Gateway": ({"apiServer": {"httpRoute": {"enabled": True}}}, "without parentRefs"),
    "a path that leads elsewhere": (
        {"apiServer": {"ingress": {"enabled": True, "path": "/b"}, "baseUrl": "https://a.example/a"}},
        r'path is "/b"',
    ),
    "two ways to the base URL": ({"config": {"api": {"base_url": "http://a"}}}, "Fix: use apiServer.baseUrl"),
}


@pytest.mark.parametrize(("values", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_what_can_not_work_is_refused_with_the_fix(values: dict[str, Any], text: str) -> None:
    with pytest.raises(RefusedError, match=text):
        render(values)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart that has this one twice, under aliases."""
    chart = tmp_path_factory.mktemp("parent") / "platform"
    shutil.copytree(CHART, chart / "charts" / "airfleet")
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    aliases = [{"name": "airfleet", "version": version, "alias": alias} for alias in ("team-a", "team-b")]
    metadata = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": aliases}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(metadata))
    return chart


def _of(release: Rendered, alias: str, values: dict[str, Any]) -> Rendered:
    """The part of a release that one alias made, as a release of its own."""
    name = f"{release.release.name}-{alias}"
    objects = [o for o in release.objects if o["metadata"]["labels"][INSTANCE] == name]
    return Rendered(type(release.release)(name, release.release.namespace, values), objects)


def test_two_in_another_chart_keep_apart(parent: Path) -> None:
    values: dict[str, dict[str, Any]] = {
        "team-a": {"postgres": {"embedded": True}, "apiServer": {"replicas": 2}},
        "team-b": {"executionApi": {"enabled": True}},
    }
    shared = {"global": {"imageRegistry": "registry.example.com"}}
    release = render({**values, **shared}, release="prod", chart=parent)
    parts = [_of(release, alias, own) for alias, own in values.items()]
    assert sum(len(part.objects) for part in parts) == len(release.objects)
    assert [violations(part) for part in parts] == [[], []]


def test_guards_and_schema_speak_for_the_alias(parent: Path) -> None:
    with pytest.raises(RefusedError, match=r"(?s)team-a.*schedulr|schedulr.*team-a"):
        render({"team-a": {"schedulr": {}}}, chart=parent)
    with pytest.raises(RefusedError, match=r"queue .gpu. is claimed by"):
        render({"team-b": {"podTemplates": {"gpu": {}, "other": {"queues": ["gpu"]}}}}, chart=parent)

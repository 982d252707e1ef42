"""Releases that are reached in a wrong way, or scaled in one."""

from __future__ import annotations

from chart_harness.mutations.edit import Mutation, drop, spec
from chart_harness.objects import Rendered

# The release that these break.
EXPOSED = {
    "apiServer": {"replicas": 2, "ingress": {"enabled": True, "hosts": ["airflow.example.com"], "path": "/team-a"}},
    "executionApi": {"enabled": True},
}


def _config(r: Rendered, name: str, text: str, instead: str) -> None:
    data = r.get(f"ConfigMap/airflow-{name}")["data"]
    assert text in data["airflow.cfg"]
    data["airflow.cfg"] = data["airflow.cfg"].replace(text, instead)


MUTATIONS = [
    Mutation(
        "workers_find_the_execution_api",
        "who serves it not",
        lambda r: _config(r, "worker-config", "airflow-execution-api", "airflow-api-server"),
    ),
    Mutation(
        "workers_find_the_execution_api",
        "another path",
        lambda r: _config(r, "worker-config", "/team-a/execution/", "/execution/"),
    ),
    Mutation("workers_find_the_execution_api", "no Service", lambda r: drop(r, "Service/airflow-execution-api")),
    Mutation(
        "workers_know_the_base_url",
        "none",
        lambda r: _config(r, "worker-config", "base_url = http://airflow.example.com/team-a", ""),
    ),
    Mutation(
        "routes_lead_to_where_airflow_serves",
        "another path",
        lambda r: r.get("Ingress/airflow-api-server")["spec"]["rules"][0]["http"]["paths"][0].update(path="/team-b"),
    ),
    Mutation(
        "proxies_are_trusted_where_there_is_one",
        "not trusted",
        lambda r: spec(r, "Deployment/airflow-api-server")["containers"][0]["args"].remove("--proxy-headers"),
    ),
    Mutation(
        "proxies_are_trusted_where_there_is_one",
        "its address unknown",
        lambda r: spec(r, "Deployment/airflow-api-server")["containers"][0].pop("env"),
    ),
    Mutation(
        "several_pods_are_kept_apart",
        "on one node",
        lambda r: spec(r, "Deployment/airflow-api-server").pop("topologySpreadConstraints"),
    ),
    Mutation("several_pods_are_kept_apart", "all at once", lambda r: drop(r, "PodDisruptionBudget/airflow-api-server")),
]

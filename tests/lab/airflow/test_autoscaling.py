"""An autoscaler adds API servers under load and takes them away again."""

from __future__ import annotations

import json
from typing import Any

from airfleet.lab import addons
from lab_harness.release import Release, until

AUTOSCALING = {
    "enabled": True,
    "minReplicas": 1,
    "maxReplicas": 2,
    # Of 100m: an idle server takes about a tenth of that.
    "targets": {"cpu": 200},
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
}
LOAD = """
import concurrent.futures, http.client, sys, time
end = time.monotonic() + 90
def ask(_):
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection(sys.argv[1], 8080, timeout=10)
            connection.request("GET", "/api/v2/version")
            connection.getresponse().read()
            connection.close()
        except OSError:
            time.sleep(0.2)
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    list(pool.map(ask, range(4)))
"""


def _load(airflow: Release) -> dict[str, Any]:
    """A pod that asks the API server as fast as it answers, and ends by itself."""
    container = {
        "name": "load",
        "image": airflow.pods("api-server")[0].spec.containers[0].image,
        "command": ["python", "-c", LOAD, "airflow-api-server"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "10m"}},
    }
    context = {"runAsNonRoot": True, "runAsUser": 50000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "securityContext": context, "restartPolicy": "Never"}
    metadata = {"name": "load", "labels": {"app": "load"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, "activeDeadlineSeconds": 150}}


def test_api_servers_follow_the_load(airflow: Release) -> None:
    addons.install(airflow.lab, "metrics-server")
    before = airflow.control_plane()
    airflow.install({"apiServer": {"autoscaling": AUTOSCALING}})

    def autoscaler() -> dict[str, Any]:
        found = airflow.kubectl("get", "hpa", "airflow-api-server", "--output", "json")
        status: dict[str, Any] = json.loads(found.stdout)["status"]
        return status

    try:
        until("the autoscaler to know the load", lambda: autoscaler().get("currentMetrics"), 90)
        assert airflow.control_plane() == before, "an autoscaler restarts nothing"
        airflow.kubectl("apply", "--filename", "-", stdin=json.dumps(_load(airflow)))
        until("a second API server", lambda: len(airflow.pods("api-server")) == 2, 120)
        airflow.kubectl("delete", "pod", "load", "--now")
        until("one API server again", lambda: len(airflow.pods("api-server")) == 1, 150)
        assert set(before) & {pod.metadata.name for pod in airflow.pods("api-server")}
    finally:
        airflow.kubectl("delete", "pod", "load", "--now", "--ignore-not-found")
        airflow.install({})
    deployment = airflow.kubectl("get", "deployment", "airflow-api-server", "--output", "json")
    assert json.loads(deployment.stdout)["spec"]["replicas"] == 1

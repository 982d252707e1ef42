"""What the fleet toolkit knows of Airflow and of this project's chart."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airfleet.errors import AirfleetError
from airfleet.fleet.adapters import Objects, Plain
from airfleet.fleet.schema import Gates, Pins

if TYPE_CHECKING:
    from airfleet.airflow_api import AirflowApi
    from airfleet.fleet.gates import Health
    from airfleet.fleet.live import Live

_COMPONENT = "app.kubernetes.io/component"
_PARSED_WITHIN = 60.0  # seconds
_ASKED = ("metadatabase", "scheduler", "dag_processor", "triggerer")


class Airflow(Plain):
    """The chart of this project."""

    def pinned(self, pins: Pins) -> Mapping[str, Any]:
        """The version of Airflow is the tag of the image."""
        return {"image": {"tag": pins.airflow}} if pins.airflow else {}

    def versions(self, objects: Objects) -> Mapping[str, str]:
        """Airflow's version is the tag of the API server's image."""
        server = component(objects, "Deployment", "api-server")
        return {"airflow": _base(server)["image"].rpartition(":")[2]} if server else {}

    def purpose(self, obj: Mapping[str, Any]) -> str:
        """Of Jobs: the bootstrap is one, which is done in a moment if there is nothing for it to do."""
        if obj.get("kind") == "Job" and (obj["metadata"].get("labels") or {}).get(_COMPONENT) == "bootstrap":
            return "it makes keys that are missing and migrates the database to the image's version"
        return ""

    def health(self, live: Live, objects: Objects) -> Health:
        """What Airflow says of itself: every heartbeat is fresh."""
        from airfleet.fleet.gates import Health

        try:
            status, text = ask(live, objects, "/api/v2/monitor/health")
        except AirfleetError as e:
            return Health(waiting=(f"Airflow does not answer: {e.why or e.what}",))
        if status != http.client.OK:
            return Health(waiting=(f"Airflow answers {status}",))
        told = json.loads(text)
        sick = {name: (told.get(name) or {}).get("status") for name in _ASKED}
        return Health(tuple(f"{name} is {state or 'not there'}" for name, state in sick.items() if state != "healthy"))

    def canary(self, live: Live, objects: Objects, gates: Gates, stop: Callable[[], bool]) -> str:
        """Run the DAG as the account, and wait for its end."""
        from airfleet.airflow_api import AirflowApi
        from airfleet.fleet.gates import GateError

        objects, dag, start = list(objects), str(gates.canary), time.monotonic()
        end = start + gates.timeout
        where = f"{live.kube.context}, namespace {live.cluster.namespace}"
        try:
            secret = live.kube.secret(live.cluster.namespace, gates.account)
            api = AirflowApi(lambda: connection(live, objects), base=base_path(objects))
            api.log_in(secret["username"], secret["password"])
            if _parsed(api, dag, min(end, start + _PARSED_WITHIN), stop)["is_paused"]:
                raise AirfleetError(f"the DAG {dag} is paused")
            run_id = api.trigger(dag)
            while (state := api.run_state(dag, run_id)) not in ("success", "failed") and time.monotonic() < end:
                if stop():
                    raise InterruptedError
                time.sleep(1)
        except KeyError as e:
            why = f"the Secret {gates.account} has no key {e}"
            raise GateError(f"{live.cluster.name}: the canary has no account", where, why) from e
        except AirfleetError as e:
            what = f"{live.cluster.name}: the canary {dag} could not be run"
            raise GateError(what, where, "\n".join(filter(None, (e.what, e.why)))) from e
        if state != "success":
            why = f"the run {run_id} is {state} after {time.monotonic() - start:.0f} s"
            raise GateError(f"{live.cluster.name}: the canary {dag} did not succeed", where, why)
        return f"canary {dag}: success after {time.monotonic() - start:.0f} s"


def _parsed(api: AirflowApi, dag: str, end: float, stop: Callable[[], bool]) -> Any:
    """What the API says of a DAG. Right after an installation the DAG processor has not seen it yet."""
    path = f"/api/v2/dags/{quote(dag)}"
    while api.send("GET", path)[0] == HTTPStatus.NOT_FOUND and time.monotonic() < end:
        if stop():
            raise InterruptedError
        time.sleep(1)
    return api.request("GET", path)


def component(objects: Objects, kind: str, name: str) -> Mapping[str, Any] | None:
    """The object of a kind that belongs to a component."""
    found = (obj for obj in objects if obj["kind"] == kind)
    return next((obj for obj in found if (obj["metadata"].get("labels") or {}).get(_COMPONENT) == name), None)


def _base(workload: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = workload["spec"]["template"]["spec"]["containers"]
    found: Mapping[str, Any] = next(container for container in containers if container["name"] == "base")
    return found


def base_path(objects: Objects) -> str:
    """The path below which the API server serves, as its probe knows it."""
    server = component(objects, "Deployment", "api-server")
    if server is None:
        raise AirfleetError("the release has no API server")
    path: str = _base(server)["livenessProbe"]["httpGet"]["path"]
    return path.removesuffix("/api/v2/version")


@contextmanager
def connection(live: Live, objects: Objects) -> Iterator[http.client.HTTPConnection]:
    """A connection to one of the API server's pods. Raises AirfleetError if none is ready."""
    server = component(objects, "Deployment", "api-server")
    if server is None:
        raise AirfleetError("the release has no API server")
    labels = server["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    pods = [pod for pod in live.kube.pods(live.cluster.namespace, selector) if _ready(pod)]
    if not pods:
        raise AirfleetError("no pod of the API server is ready", where=live.cluster.name)
    with live.kube.connection(live.cluster.namespace, pods[0].metadata.name, 8080) as found:
        yield found


def ask(live: Live, objects: Objects, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """GET a path of Airflow's API through one of its pods. Raises AirfleetError if none can be reached."""
    objects = list(objects)
    try:
        with connection(live, objects) as opened:
            opened.request("GET", base_path(objects) + path, headers={"Connection": "close", **(headers or {})})
            answer = opened.getresponse()
            return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as e:
        raise AirfleetError("the API server does not answer", where=live.cluster.name, why=str(e)) from e


def _ready(pod: Any) -> bool:
    conditions = pod.status.conditions or []
    return not pod.metadata.deletion_timestamp and any(c.type == "Ready" and c.status == "True" for c in conditions)

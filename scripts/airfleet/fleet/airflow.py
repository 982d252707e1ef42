"""What the fleet toolkit knows of Airflow and of this project's chart."""

from __future__ import annotations

import configparser
import copy
import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airfleet.errors import AirfleetError
from airfleet.fleet.adapters import Objects, Plain
from airfleet.fleet.schema import Gates, Pins

if TYPE_CHECKING:
    from airfleet.airflow_api import AirflowApi
    from airfleet.fleet.gates import Health
    from airfleet.fleet.inside import Question
    from airfleet.fleet.live import Live

_COMPONENT = "app.kubernetes.io/component"
_PARSED_WITHIN = 60.0  # seconds
_ASKED = ("metadatabase", "scheduler", "dag_processor", "triggerer")
_WAITS = ("wait-for-migrations",)  # the init container, which would wait for the first installation
_PUBLIC = ("database/host", "database/port", "database/name", "database/user")
_OWN_CONNECTION = "airfleet_logs"


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

    def questions(self, live: Live, objects: Objects) -> Sequence[Question]:
        """The database, the log store and the identity provider, each as the component that needs it."""
        objects = list(objects)
        release = _Release(live, objects)
        return [*release.database(), *release.logs(), *release.identity()]


class _Release:
    """What is to be asked from inside, and as whom."""

    def __init__(self, live: Live, objects: Sequence[Mapping[str, Any]]) -> None:
        self._live = live
        self._objects = objects
        bootstrap = component(objects, "Job", "bootstrap")
        if bootstrap is None:
            raise AirfleetError("the release has no bootstrap Job", fix="is `adapter` of fleet.yaml right?")
        self._bootstrap: Mapping[str, Any] = bootstrap["spec"]["template"]
        told = _env(_base(bootstrap)).get("AIRFLEET_CREATE_SECRETS") or "[]"
        self._secrets: dict[str, Any] = {entry["kind"]: entry for entry in json.loads(told)}
        self._later = tuple(entry["name"] for entry in self._secrets.values() if entry.get("create"))

    def database(self) -> Iterator[Question]:
        """As the bootstrap Job, which is the first to connect, and itself; where there is a pooler, by way of that."""
        entry = self._secrets.get("database") or {}
        if entry.get("create") and not self._is_there("StatefulSet", "postgres"):
            yield _question("database", skipped="the embedded PostgreSQL comes with the first installation")
            return
        yield self._question("database", self._with_connection(entry), "database", public=_PUBLIC)
        if component(self._objects, "Deployment", "pgbouncer"):
            if self._is_there("Deployment", "pgbouncer"):
                yield self._as("scheduler", "pooler", "database", public=_PUBLIC)
            else:
                yield _question("pooler", skipped="PgBouncer comes with the first installation")

    def _with_connection(self, entry: Mapping[str, Any]) -> Mapping[str, Any]:
        """The bootstrap's pod with the files that others have; it reads the Secret from the API, once it may."""
        pod = copy.deepcopy(dict(self._bootstrap))
        keys = {"connection": "connection"} if entry.get("create") else entry.get("keys") or {}
        paths = {part: part if part == "connection" else f"database/{part}" for part in keys}
        items = [{"key": key, "path": paths[part]} for part, key in keys.items()]
        if items:
            source = {"secretName": entry["name"], "items": items, "defaultMode": 0o440}
            pod["spec"]["volumes"].append({"name": "airfleet-doctor", "secret": source})
            (base,) = (each for each in pod["spec"]["containers"] if each["name"] == "base")
            base["volumeMounts"].append({"name": "airfleet-doctor", "mountPath": "/opt/airfleet/secrets"})
        return pod

    def logs(self) -> Iterator[Question]:
        """As a worker of the default pod template; as a triggerer if the connection is in Airflow's own database."""
        pod = self._worker()
        config = self._config(pod["spec"])
        if not config.getboolean("logging", "remote_logging", fallback=False):
            yield _question("logs", skipped="they go to no remote store")
            return
        name = config.get("logging", "remote_log_conn_id", fallback=_OWN_CONNECTION)
        if name == _OWN_CONNECTION or f"AIRFLOW_CONN_{name.upper()}" in _env(_of_pod(pod["spec"])):
            namespace = str((pod.get("metadata") or {}).get("namespace") or "")
            yield self._question("logs", pod, "logs", "client", namespace=namespace)
        elif self._later_missing():
            yield _question("logs", skipped=f"the connection {name} is in a database that comes with the installation")
        else:
            yield self._as("triggerer", "logs", "logs", "server")

    def identity(self) -> Iterator[Question]:
        """As the API server, which asks the provider of OpenID Connect at every login."""
        server = self._deployed("api-server")
        manager = (config := self._config(server["spec"])).get("core", "auth_manager", fallback="")
        if manager.endswith("KeycloakAuthManager"):
            url, realm = (config.get("keycloak_auth_manager", option) for option in ("server_url", "realm"))
            yield self._as("api-server", "identity", "identity", f"{url.rstrip('/')}/realms/{realm}")
            return
        settings = next((each["configMap"]["name"] for each in server["spec"]["volumes"] if each["name"] == "auth"), "")
        data = self._data(settings)
        if "oidc.json" in data:
            yield self._as("api-server", "identity", "identity", json.loads(data["oidc.json"])["issuer"])
        else:
            unknown = f"the ConfigMap {settings}" if settings else manager.rpartition(".")[2]
            known = manager.endswith("FabAuthManager") and not settings
            why = "passwords are Airflow's own" if known else f"nothing is known of a provider in {unknown}"
            yield _question("identity", skipped=why)

    def _as(self, name: str, check: str, *asked: str, public: Sequence[str] = ()) -> Question:
        return self._question(check, self._deployed(name), *asked, public=public)

    def _question(
        self, check: str, pod: Mapping[str, Any], *asked: str, namespace: str = "", public: Sequence[str] = ()
    ) -> Question:
        program = (files("airfleet.fleet") / "remote" / "airflow.py").read_text(encoding="utf-8")
        command = ("python", "-c", program, *asked)
        return _question(
            check, pod=pod, command=command, namespace=namespace, without=_WAITS, later=self._later, public=public
        )

    def _deployed(self, name: str) -> Mapping[str, Any]:
        found = component(self._objects, "Deployment", name)
        if found is None:
            raise AirfleetError(f"the release has no {name}")
        template: Mapping[str, Any] = found["spec"]["template"]
        return template

    def _worker(self) -> Mapping[str, Any]:
        """The default pod template."""
        from airfleet.fleet import helmyaml

        found = (obj["data"]["default.yaml"] for obj in self._objects if "default.yaml" in (obj.get("data") or {}))
        if (text := next(found, None)) is None:
            raise AirfleetError("the release has no pod template")
        (pod,) = helmyaml.objects(text)
        return pod

    def _config(self, spec: Mapping[str, Any]) -> configparser.ConfigParser:
        """The airflow.cfg that a pod has."""
        name = next(each["configMap"]["name"] for each in spec["volumes"] if each["name"] == "config")
        found = configparser.ConfigParser(interpolation=None, strict=False)
        found.read_string(self._data(name)["airflow.cfg"])
        return found

    def _data(self, name: str) -> Mapping[str, str]:
        found = (obj for obj in self._objects if (obj["kind"], obj["metadata"]["name"]) == ("ConfigMap", name))
        return next(found, {}).get("data") or {}

    def _is_there(self, kind: str, name: str) -> bool:
        """Whether the cluster has a component's object already."""
        from airfleet.fleet.dryrun import DryRun

        found = component(self._objects, kind, name)
        return found is not None and DryRun(self._live).exists(found)

    def _later_missing(self) -> bool:
        """Whether a Secret of the first installation is not there yet."""
        from airfleet.fleet.dryrun import DryRun

        about = [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}} for name in self._later]
        return not all(DryRun(self._live).exists(each) for each in about)


def _question(name: str, **settings: Any) -> Question:
    from airfleet.fleet.inside import Question

    return Question(name, **settings)


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
    return _of_pod(workload["spec"]["template"]["spec"])


def _of_pod(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(container for container in spec["containers"] if container["name"] == "base")
    return found


def _env(container: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a container, and their values; empty for those that come from elsewhere."""
    return {each["name"]: str(each.get("value", "")) for each in container.get("env") or ()}


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

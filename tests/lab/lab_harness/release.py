"""What the live tests do with a release: install it as a user would, and look at it through both APIs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from airfleet import image
from airfleet.airflow_api import AirflowApi, TaskInstance
from airfleet.demo.install import RESTRICTED, unready
from airfleet.demo.observe import PodWatch, wait_for_dag
from airfleet.errors import AirfleetError
from airfleet.helm import run_helm
from airfleet.kube import Cluster
from airfleet.lab import Lab
from airfleet.paths import project_root
from airfleet.process import Completed

DAGS = sorted((project_root() / "dags").glob("*.py"))
T = TypeVar("T")


def until(what: str, probe: Callable[[], T | None], timeout: float = 60) -> T:
    """Poll until the probe returns something true; fail with what was waited for."""
    deadline = time.monotonic() + timeout
    while True:
        found = probe()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {timeout:.0f} s for {what}"
        time.sleep(0.3)


@dataclass
class Release:
    """One release of the chart in a namespace of its own."""

    lab: Lab
    cluster: Cluster
    name: str
    namespace: str
    folder: Path
    values: dict[str, Any] = field(default_factory=dict)
    preset: str = "demo"  # or several, with commas
    more_namespaces: list[str] = field(default_factory=list)  # that the release needs and that go with it
    chart: Path = field(default_factory=lambda: project_root() / "chart")  # or a packed one
    _api: AirflowApi | None = None

    @property
    def components(self) -> str:
        return f"app.kubernetes.io/instance={self.name}"

    def prepare(self, dags: Iterable[Path]) -> None:
        """The namespace, restricted, and the DAGs."""
        self.cluster.ensure_namespace(self.namespace, RESTRICTED)
        self.cluster.put_config_map(self.namespace, "dags", {path.name: path.read_text() for path in dags})

    def base_values(self) -> dict[str, Any]:
        kind = os.environ.get("AIRFLEET_TEST_IMAGE", "airflow")
        repository, tag = image.reference(kind).rsplit(":", 1)
        pg_repository, pg_tag = image.reference("postgres").rsplit(":", 1)
        return {
            "image": {"repository": repository, "tag": tag},
            **({"boot": {"source": "configMap"}} if kind == "airflow-stock" else {}),
            "postgres": {"image": {"repository": pg_repository, "tag": pg_tag}},
            "logs": {"persistence": {"enabled": True, "storageClassName": "shared", "size": "1Gi"}},
            "dags": {"bundles": {"dags-folder": None, "tests": {"configMap": "dags", "refreshInterval": 5}}},
        }

    def install(self, values: Mapping[str, Any] | None = None, *, timeout: int = 300) -> None:
        """`helm upgrade --install --wait`, with these values on top of the last ones that were given."""
        if values is not None:
            self.values = dict(values)
        files = [project_root() / "values" / "presets" / f"{name}.yaml" for name in self.preset.split(",")]
        for name, content in (("base", self.base_values()), ("extra", self.values)):
            file = self.folder / f"{name}.yaml"
            file.write_text(yaml.safe_dump(content))
            files.append(file)
        argv = ["upgrade", "--install", self.name, str(self.chart), "--namespace", self.namespace]
        argv += [part for file in files for part in ("--values", str(file))]
        try:
            self.helm([*argv, "--wait", "--timeout", f"{timeout}s"], timeout=timeout + 60)
        except AirfleetError as e:
            raise AssertionError(f"{e}\n{unready(self.cluster)}") from e

    def helm(self, argv: list[str], timeout: int = 300) -> str:
        return run_helm(argv, kubeconfig=self.cluster.kubeconfig, context=self.cluster.context, timeout=timeout).stdout

    def uninstall(self) -> None:
        """`helm uninstall`; Secrets, claims and data stay."""
        self.helm(["uninstall", self.name, "--namespace", self.namespace, "--wait"])
        self._api = None
        until("the pods to be gone", lambda: not self.pods())

    def remove(self) -> None:
        """Delete the namespaces with everything in them."""
        self._api = None
        every = [self.namespace, *self.more_namespaces]
        for namespace in every:
            self.cluster.core.delete_namespace(namespace)
        there = lambda: [n for n in every if self.cluster.exists(self.cluster.core.read_namespace, n)]
        until(f"the namespaces {every} to be gone", lambda: not there(), 120)

    def pods(self, component: str = "") -> list[Any]:
        """The release's pods that have not ended, of one component or all."""
        selector = self.components + (f",app.kubernetes.io/component={component}" if component else "")
        found = self.cluster.pods(self.namespace, selector)
        return [pod for pod in found if pod.status.phase not in {"Succeeded", "Failed"}]

    def control_plane(self) -> dict[str, str]:
        """Pod name -> UID and restarts of everything that keeps running."""
        return {
            pod.metadata.name: f"{pod.metadata.uid} {[s.restart_count for s in pod.status.container_statuses]}"
            for pod in self.pods()
            if pod.metadata.labels["app.kubernetes.io/component"] not in {"worker", "bootstrap"}
        }

    @property
    def api(self) -> AirflowApi:
        """The REST API, logged in as the administrator."""
        if self._api is None:
            api = AirflowApi(self._connect)
            admin = self.cluster.secret(self.namespace, f"{self.name}-admin")
            # The bootstrap Job makes the user after the tables, and API servers start once there are tables.
            until("the first user", lambda: _logged_in(api, admin["username"], admin["password"]), 120)
            self._api = api
        return self._api

    def _connect(self) -> Any:
        ready = (p for p in self.pods("api-server") if not p.metadata.deletion_timestamp and _is_ready(p))
        return self.cluster.connection(self.namespace, next(ready).metadata.name, 8080)

    def start(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Trigger a DAG as soon as it is parsed; the run's id."""
        wait_for_dag(self.api, dag_id, time.monotonic() + 120)
        self.api.unpause(dag_id)
        return self.api.trigger(dag_id, conf)

    def finish(self, dag_id: str, run_id: str, timeout: float = 180) -> dict[str, TaskInstance]:
        """Wait for a run to end; its task instances by label."""
        ended = lambda: self.api.run_state(dag_id, run_id) in {"success", "failed"}
        until(f"{dag_id} to end", ended, timeout)
        return {ti.label: ti for ti in self.api.task_instances(dag_id, run_id)}

    def run(self, dag_id: str, conf: Mapping[str, Any] | None = None, timeout: float = 180) -> dict[str, TaskInstance]:
        """Run a DAG to its end, which has to be a success."""
        tasks = self.finish(dag_id, self.start(dag_id, conf), timeout)
        for ti in tasks.values():
            assert ti.state == "success", f"{dag_id} {ti.label} is {ti.state}:\n{self.log(ti)}"
        return tasks

    def log(self, ti: TaskInstance) -> str:
        try:
            return self.api.log(ti)
        except AirfleetError as e:
            return str(e)

    def watch(self) -> PodWatch:
        return PodWatch(self.cluster, self.namespace)

    def apply(self, *objects: Mapping[str, Any], namespace: str = "") -> None:
        """`kubectl apply`, in the release's namespace or another one."""
        argv = ("--namespace", namespace or self.namespace, "apply", "--filename", "-")
        self.lab.kubectl(*argv, stdin=yaml.safe_dump_all(list(objects)))

    def kubectl(self, *argv: str, stdin: str | None = None) -> Completed:
        """The lab's own kubectl, in the release's namespace."""
        return self.lab.kubectl("--namespace", self.namespace, *argv, stdin=stdin, check=False)


def _logged_in(api: AirflowApi, username: str, password: str) -> bool:
    try:
        api.log_in(username, password)
    except AirfleetError as e:
        if "answered 401" not in e.what:
            raise
        return False
    return True


def _is_ready(pod: Any) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])

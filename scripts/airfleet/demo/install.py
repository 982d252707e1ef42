"""Installs the chart as a user would, with `helm`, and says what is wrong when it does not come up."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml

from airfleet import console
from airfleet.demo.target import Target
from airfleet.errors import AirfleetError
from airfleet.helm import run_helm
from airfleet.kube import Cluster
from airfleet.paths import project_root
from airfleet.process import shown

RELEASE = "airflow"
NAMESPACE = "airflow"
DAGS = "airflow-dags"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def install(target: Target, *, extra_values: list[Path], timeout: int) -> None:
    """Make the namespace (PodSecurity `restricted`) and the DAGs' ConfigMap, then `helm upgrade --install --wait`.

    timeout is in seconds. Raises AirfleetError with the state of every pod that is not ready.
    """
    cluster = target.cluster
    cluster.ensure_namespace(NAMESPACE, RESTRICTED)
    cluster.put_config_map(NAMESPACE, DAGS, dag_files())
    with tempfile.TemporaryDirectory(prefix="airfleet-") as folder:
        found = Path(folder) / "cluster.yaml"
        found.write_text(yaml.safe_dump(demo_values(target)))
        files = [project_root() / "values" / "presets" / "demo.yaml", found, *extra_values]
        argv = ["upgrade", "--install", RELEASE, str(project_root() / "chart"), "--namespace", NAMESPACE]
        argv += [part for file in files for part in ("--values", str(file))]
        argv += ["--wait", "--timeout", f"{timeout}s"]
        console.say(f"  $ {shown(['helm', *argv])}")
        try:
            with console.step("install the chart and wait until everything is ready"):
                run_helm(argv, kubeconfig=cluster.kubeconfig, context=cluster.context, timeout=timeout + 30)
        except AirfleetError as e:
            raise AirfleetError(e.what, e.where, f"{e.why}\n{unready(cluster)}", e.fix) from e


def demo_values(target: Target) -> dict[str, Any]:
    """What this cluster needs beside the preset: its images and storage, and the DAGs."""
    bundles = {"dags-folder": None, "demo": {"configMap": DAGS, "refreshInterval": 10}}
    return {**target.values, "dags": {"bundles": bundles}}


def dag_files() -> dict[str, str]:
    """The project's example DAGs: file name -> text."""
    return {path.name: path.read_text() for path in sorted((project_root() / "dags").glob("*.py"))}


def unready(cluster: Cluster) -> str:
    """A line for each pod of the release that is not ready, with the reason that the kubelet or the program gave."""
    lines = []
    for pod in cluster.pods(NAMESPACE, f"app.kubernetes.io/instance={RELEASE}"):
        statuses = [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]
        waiting = [s for s in statuses if not s.ready and not _completed(s)]
        if pod.status.phase == "Succeeded" or (statuses and not waiting):
            continue
        reasons = ", ".join(f"{s.name}: {_reason(s)}" for s in waiting) or _scheduling(pod)
        lines.append(f"{pod.metadata.name} {pod.status.phase}: {reasons}")
        lines += [f"    {line}" for line in _last_words(cluster, pod, waiting)]
    return "\n".join(lines)


def _completed(status: Any) -> bool:
    return bool(status.state.terminated and status.state.terminated.exit_code == 0)


def _reason(status: Any) -> str:
    state = status.state
    if state.waiting:
        return " ".join(filter(None, [state.waiting.reason, state.waiting.message]))
    if state.terminated:
        return f"exited with {state.terminated.exit_code} ({state.terminated.reason})"
    return "running, not ready"


def _scheduling(pod: Any) -> str:
    conditions = [c for c in pod.status.conditions or [] if c.status == "False" and c.message]
    return "; ".join(c.message for c in conditions) or "not started"


def _last_words(cluster: Cluster, pod: Any, waiting: list[Any]) -> list[str]:
    for status in waiting:
        if status.state.waiting and status.restart_count == 0:
            continue
        try:
            text = cluster.call(
                "read a log",
                cluster.core.read_namespaced_pod_log,
                pod.metadata.name,
                NAMESPACE,
                container=status.name,
                tail_lines=8,
            )
        except AirfleetError:
            continue
        return str(text).strip().splitlines()
    return []

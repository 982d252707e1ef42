"""`airfleet demo`: a Kubernetes, the chart, and DAGs whose tasks run as pods; then where everything is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airfleet import console
from airfleet.errors import AirfleetError, ExitCode

if TYPE_CHECKING:
    from airfleet.airflow_api import AirflowApi
    from airfleet.demo.observe import TaskRow
    from airfleet.demo.target import Target

DAGS = ("hello_pods", "fan_out")


def demo(
    context: Annotated[
        str, typer.Option(envvar="AIRFLEET_CONTEXT", help="Use this context of your kubeconfig instead of the lab.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before using your own cluster.")] = False,
    logs_storage_class: Annotated[
        str, typer.Option(help="On your own cluster: a ReadWriteMany storage class that keeps the tasks' logs.")
    ] = "",
    values: Annotated[list[Path] | None, typer.Option("--values", "-f", help="More values files, last wins.")] = None,
    timeout: Annotated[int, typer.Option(min=30, help="Seconds to wait for the installation.")] = 300,
    idle_seconds: Annotated[
        int, typer.Option(min=0, help="Seconds to measure the idle footprint; 0 leaves it out.")
    ] = 20,
) -> None:
    """Bring up a Kubernetes, install the chart with `helm install`, run DAGs as pods, and show each task's pod."""
    from airfleet.demo import install as chart
    from airfleet.demo import screen

    phases = console.Phases()
    target = _target(context, phases, logs_storage_class, yes)
    with phases.phase("install"):
        chart.install(target, extra_values=values or [], timeout=timeout)
    with phases.phase("run DAGs"):
        states, tables = _run_dags(target)
    for dag_id, rows in tables.items():
        screen.print_table(screen.task_table(f"{dag_id}: {states[dag_id]}", rows))
    if idle_seconds:
        _show_footprint(target, idle_seconds)
    screen.print_facts("seconds", {name: f"{seconds:6.1f}" for name, seconds in phases.seconds.items()})
    screen.print_facts("what next", _what_next(target))
    if set(states.values()) != {"success"}:
        raise typer.Exit(int(ExitCode.ERROR))


def _target(context: str, phases: console.Phases, logs_storage_class: str, yes: bool) -> Target:
    from airfleet.demo.install import NAMESPACE, RELEASE
    from airfleet.demo.target import context_target, lab_target
    from airfleet.helm import helm

    with phases.phase("build"):
        helm()
    if not context:
        return lab_target(phases)
    return context_target(context, namespace=NAMESPACE, release=RELEASE, logs_storage_class=logs_storage_class, yes=yes)


def _run_dags(target: Target) -> tuple[dict[str, str], dict[str, list[TaskRow]]]:
    from airfleet.demo.install import NAMESPACE
    from airfleet.demo.observe import PodWatch, run_dag
    from airfleet.demo.screen import task_display

    states, tables = {}, {}
    with PodWatch(target.cluster, NAMESPACE) as pods:
        api = connect(target)
        for dag_id in DAGS:
            with console.step(f"run {dag_id}"), task_display(dag_id) as show:
                states[dag_id], tables[dag_id] = run_dag(api, pods, dag_id, show)
            _show_failures(dag_id, tables[dag_id])
    return states, tables


def connect(target: Target) -> AirflowApi:
    """Airflow's API through a port-forward, logged in as the administrator that the bootstrap Job made."""
    from airfleet.airflow_api import AirflowApi
    from airfleet.demo.install import NAMESPACE, RELEASE

    selector = f"app.kubernetes.io/component=api-server,app.kubernetes.io/instance={RELEASE}"
    pod = next(p.metadata.name for p in target.cluster.pods(NAMESPACE, selector) if p.status.phase == "Running")
    api = AirflowApi(lambda: target.cluster.connection(NAMESPACE, pod, 8080))
    admin = target.cluster.secret(NAMESPACE, f"{RELEASE}-admin")
    api.log_in(admin["username"], admin["password"])
    return api


def _show_failures(dag_id: str, rows: list[TaskRow]) -> None:
    for failed in (r for r in rows if r.state == "failed"):
        console.say(f"  {dag_id} {failed.task} failed in {failed.pod or 'no pod'}; its log is in the UI")


def _show_footprint(target: Target, seconds: int) -> None:
    from airfleet.demo.footprint import measure
    from airfleet.demo.install import NAMESPACE
    from airfleet.demo.screen import print_facts

    try:
        with console.step(f"measure the idle control plane for {seconds} s"):
            found = measure(target.cluster, NAMESPACE, seconds)
    except AirfleetError as e:
        console.say(f"  footprint not measured: {e.why or e.what}")
        return
    facts = {name: f"{memory:6.0f} MiB  {cpu:5.3f} cores" for name, (memory, cpu) in found.components.items()}
    facts["all"] = f"{found.memory:6.0f} MiB  {found.cpu:5.3f} cores"
    print_facts("footprint, idle", facts)
    if target.lab:
        from airfleet.lab import Lab

        print_facts("footprint of the lab", Lab(target.lab).status().footprint())


def _what_next(target: Target) -> dict[str, str]:
    from airfleet.demo.install import NAMESPACE, RELEASE

    k = f"{target.kubectl} -n {NAMESPACE}"
    password = f"{k} get secret {RELEASE}-admin -o jsonpath='{{.data.password}}' | base64 -d"
    return {
        "open the UI": f"{k} port-forward svc/{RELEASE}-api-server 8080:8080",
        "": "http://localhost:8080",
        "user": "admin",
        "password": password,
        "see the pods": f"{k} get pods",
        "remove it all": " && ".join(target.remove),
    }

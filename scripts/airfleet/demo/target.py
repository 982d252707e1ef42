"""Where the demo runs: a lab on this machine, or a cluster of the user's."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from airfleet import console
from airfleet.errors import UsageError
from airfleet.kube import Cluster

LAB = "demo"
NODES = 2


@dataclass(frozen=True)
class Target:
    """A cluster that is ready for the chart, with the values that it needs."""

    cluster: Cluster
    values: dict[str, Any] = field(default_factory=dict)
    kubectl: str = "kubectl"
    remove: tuple[str, ...] = ()
    lab: str = ""


def lab_target(phases: console.Phases) -> Target:
    """Build what the lab needs, start it if it is not up, and load the images into its nodes."""
    from airfleet import image
    from airfleet.lab import Lab, programs

    lab = Lab(LAB)
    with phases.phase("build"):
        programs.ensure()
        airflow, postgres = image.ensure("airflow"), image.ensure("postgres")
    with phases.phase("boot"):
        if not lab.is_up():
            lab.up(nodes=NODES, on_phase=lambda title, s: console.say(f"  ✓ {title} ({s:.1f} s)"))
    with phases.phase("load images"), console.step("load the images into every node"):
        lab.load([airflow.archive, postgres.archive])
    repository, tag = airflow.ref.rsplit(":", 1)
    pg_repository, pg_tag = postgres.ref.rsplit(":", 1)
    return Target(
        cluster=Cluster(lab.kubeconfig, lab.context),
        values={
            "image": {"repository": repository, "tag": tag},
            "postgres": {"image": {"repository": pg_repository, "tag": pg_tag}},
            "logs": {"persistence": {"enabled": True, "storageClassName": "shared", "size": "1Gi"}},
        },
        # As the user called us, and the lab's own kubectl: neither has to be on PATH.
        kubectl=f"{sys.argv[0]} lab kubectl --name {LAB} --",
        remove=(f"{sys.argv[0]} lab down --name {LAB}",),
        lab=LAB,
    )


def context_target(context: str, *, namespace: str, release: str, logs_storage_class: str, yes: bool) -> Target:
    """The user's own cluster, after showing which one it is and asking.

    Raises UsageError if nobody can be asked and --yes was not given, typer.Abort if the answer is no.
    """
    kubeconfig = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config").expanduser()
    cluster = Cluster(kubeconfig, context)
    console.say(f"context     {context}  ({kubeconfig})")
    console.say(f"API server  {cluster.server}")
    console.say(f"cluster     {cluster.identity()}  (UID of kube-system)")
    console.say(f"installs    release {release} into the namespace {namespace}")
    if not yes:
        if not os.isatty(0):
            raise UsageError("nobody is there to confirm this", fix="look at the cluster above and repeat with --yes")
        typer.confirm("Go on with this cluster?", abort=True, err=True)
    persistence = {"enabled": bool(logs_storage_class), "storageClassName": logs_storage_class, "size": "1Gi"}
    if not logs_storage_class:
        console.say("note: without --logs-storage-class (ReadWriteMany) the logs of finished tasks are lost")
    kubectl = f"kubectl --kubeconfig {kubeconfig} --context {context}"
    return Target(
        cluster=cluster,
        values={"logs": {"persistence": persistence}},
        kubectl=kubectl,
        remove=(
            f"helm uninstall {release} --namespace {namespace} --kubeconfig {kubeconfig} --kube-context {context}",
            f"{kubectl} delete namespace {namespace}",
        ),
    )

"""The tools that mutations are written with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from chart_harness.objects import Rendered, load

ROLE = "Role/airflow-scheduler"
Change = Callable[[Rendered], object]


@dataclass(frozen=True)
class Mutation:
    """A change that breaks a release, and the rule that says so."""

    rule: str
    what: str
    change: Change


def spec(r: Rendered, ref: str) -> dict[str, Any]:
    """The pod spec of a workload."""
    spec: dict[str, Any] = r.get(ref)["spec"]["template"]["spec"]
    return spec


def scheduler(r: Rendered) -> dict[str, Any]:
    """The pod spec of the scheduler."""
    return spec(r, "Deployment/airflow-scheduler")


def base(r: Rendered) -> dict[str, Any]:
    """The scheduler's own container."""
    base: dict[str, Any] = scheduler(r)["containers"][0]
    return base


def worker(change: Callable[[dict[str, Any]], object]) -> Change:
    """Change the pod of default.yaml in the pod-templates ConfigMap."""

    def apply(r: Rendered) -> None:
        data = r.get("ConfigMap/airflow-pod-templates")["data"]
        (pod,) = load(data["default.yaml"])
        change(pod)
        data["default.yaml"] = yaml.safe_dump(pod)

    return apply


def env(container: dict[str, Any], name: str, value: Any) -> None:
    """Set an environment variable of a container."""
    container["env"] = [e for e in container["env"] if e["name"] != name]
    container["env"].append({"name": name, **(value if isinstance(value, dict) else {"value": value})})


def drop(r: Rendered, ref: str) -> None:
    """Remove an object."""
    r.objects.remove(r.get(ref))


def secret_volume(name: str, **source: Any) -> dict[str, Any]:
    """A volume of a Secret."""
    return {"name": name, "secret": source}


def policy(r: Rendered, component: str) -> dict[str, Any]:
    """The spec of a component's NetworkPolicy."""
    spec: dict[str, Any] = r.get(f"NetworkPolicy/airflow-{component}")["spec"]
    return spec


def label(obj: dict[str, Any], name: str, value: Any) -> None:
    """Set a label of an object."""
    obj["metadata"]["labels"][name] = value


def made(kind: str, name: str, **rest: Any) -> Change:
    """Add an object with the metadata of the API server's Service."""

    def apply(r: Rendered) -> None:
        metadata = {**r.get("Service/airflow-api-server")["metadata"], "name": name}
        r.objects.append({"kind": kind, "metadata": metadata, **rest})

    return apply


def open_all(r: Rendered) -> None:
    """Let every pod send and receive everything, with the policies still there."""
    for obj in r.of("NetworkPolicy"):
        obj["spec"] |= {"ingress": [{}], "egress": [{}]}

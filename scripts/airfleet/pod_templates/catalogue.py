"""Pod templates, read from what Helm renders: the chart alone knows how they are composed."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airfleet.errors import InvalidError, UsageError
from airfleet.helm import template
from airfleet.paths import project_root


@dataclass(frozen=True)
class PodTemplate:
    """One file of the catalogue: the queues whose tasks use it, and the pod that the executor starts from."""

    name: str
    queues: tuple[str, ...]
    pod: Mapping[str, Any]


def catalogue(values: Sequence[Path], *, release: str = "airflow", namespace: str = "airflow") -> list[PodTemplate]:
    """Every pod template of a release with these values files, by name.

    Raises InvalidError for a file that is not there, AirfleetError with the chart's own words for values it refuses.
    """
    import yaml

    missing = [str(file) for file in values if not file.is_file()]
    if missing:
        raise InvalidError(f"there is no values file {', '.join(missing)}", fix="give the path of an existing file")
    text = template(project_root() / "chart", release=release, namespace=namespace, values=values)
    objects = [found for found in yaml.safe_load_all(text) if found]
    files = next(o["data"] for o in objects if o["metadata"]["name"].endswith("-pod-templates"))
    routes = json.loads(_environment(objects, "scheduler").get("AIRFLOW__SDK__QUEUE_TO_COORDINATOR", "{}"))
    served = json.loads(_environment(objects, "dag-processor")["AIRFLEET_QUEUES"])
    found = []
    for file, content in sorted(files.items()):
        name = file.removesuffix(".yaml")
        pod = yaml.safe_load(content)
        pod["metadata"].setdefault("namespace", namespace)
        found.append(PodTemplate(name, tuple(q for q in served if routes.get(q, "default") == name), pod))
    return found


def find(templates: Sequence[PodTemplate], name: str) -> PodTemplate:
    """The template of this name. Raises UsageError that names the nearest one."""
    for found in templates:
        if found.name == name:
            return found
    names = [found.name for found in templates]
    close = difflib.get_close_matches(name, names, n=1)
    fix = f"did you mean {close[0]!r}? " if close else ""
    raise UsageError(f"there is no pod template {name!r}", fix=f"{fix}use one of {', '.join(names)}")


def as_created(found: PodTemplate) -> dict[str, Any]:
    """The pod with what the KubernetesExecutor adds to every one, its values told as <...>."""
    pod: dict[str, Any] = copy.deepcopy(dict(found.pod))
    about = {key: f"<{key}>" for key in ("dag_id", "task_id", "run_id", "try_number")}
    labels = {"airflow-worker": "<scheduler job id>", "airflow_version": "<version>", "kubernetes_executor": "True"}
    pod["metadata"]["name"] = "<dag id>-<task id>-<random>"
    pod["metadata"].setdefault("labels", {}).update({**about, **labels})
    pod["metadata"].setdefault("annotations", {}).update(about)
    base = pod["spec"]["containers"][0]
    base["args"] = ["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string", "<workload>"]
    base["env"] = [*base.get("env", []), {"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}]
    return pod


def _environment(objects: Sequence[Mapping[str, Any]], component: str) -> dict[str, str]:
    deployment = next(o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"].endswith(component))
    entries = deployment["spec"]["template"]["spec"]["containers"][0].get("env") or []
    return {entry["name"]: str(entry.get("value", "")) for entry in entries}

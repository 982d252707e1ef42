"""airfleet as it is, but for the clusters: each of them is a folder, with what Helm would have stored there.

`python folder_clusters.py FOLDER COMMAND ...`. A file in a cluster's folder is something that is wrong there: `gone`,
it does not answer; `sick`, its pods do not become ready; `drifted`, somebody has changed the message by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

import airfleet.fleet.live as live
from airfleet.errors import AirfleetError
from airfleet.fleet.inventory import Cluster
from airfleet.helm import run_helm
from airfleet.process import Completed

ROOT = Path(sys.argv[1])


class Kube:
    """The few calls of a Kubernetes cluster that the gates and `status` make."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.context, self.kubeconfig = folder, folder.name, folder / "kubeconfig"
        self.apps = SimpleNamespace(read_namespaced_deployment=self.deployment)

    def identity(self) -> str:
        if (self.folder / "gone").exists():
            raise AirfleetError("could not read the namespace kube-system", where=self.context, why="it is gone")
        return f"uid of {self.context}"

    def version(self) -> str:
        return "v1.36.0"

    def call(self, _: str, method: Any, *args: Any) -> Any:
        return method(*args)

    def pods(self, *_: str) -> list[Any]:
        return []

    def deployment(self, *_: str) -> Any:
        log(f"looks at {self.context}")
        ready = 0 if (self.folder / "sick").exists() else 1
        status = SimpleNamespace(observed_generation=1, updated_replicas=1, available_replicas=ready, replicas=1)
        selector = SimpleNamespace(match_labels={"app": "tiny"})
        spec = SimpleNamespace(replicas=1, selector=selector)
        return SimpleNamespace(status=status, spec=spec, metadata=SimpleNamespace(generation=1))


@dataclass(frozen=True)
class OnDisk(live.Live):
    """A cluster whose Helm keeps its revisions in a file."""

    def helm(
        self, argv: Sequence[str], *, stdin: str | None = None, check: bool = True, timeout: float = 600
    ) -> Completed:
        self.check()
        file = ROOT / self.cluster.name / "history.json"
        history = json.loads(file.read_text()) if file.exists() else []
        words = tuple(argv)
        match argv:
            case ["history", *_] if not history:
                return Completed(words, 1, "", "Error: release: not found")
            case ["history", *_]:
                return Completed(words, 0, json.dumps(history), "")
            case ["get", "manifest", _, *rest]:
                number = int(rest[1]) if rest else len(history)
                return Completed(words, 0, history[number - 1]["manifest"], "")
            case ["upgrade", release, chart, *_]:
                description = argv[argv.index("--description") + 1]
                manifest = self.rendered(release, chart, stdin)
            case ["rollback", _, number, *_]:
                description, manifest = f"Rollback to {number}", history[int(number) - 1]["manifest"]
        log(f"writes {self.cluster.name}")
        for row in history:
            row["status"] = "superseded"
        new = {"revision": len(history) + 1, "status": "deployed", "chart": "tiny-0.1.0"}
        history.append({**new, "description": description, "manifest": manifest})
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(history))
        return Completed(words, 0, "", "")

    def rendered(self, release: str, chart: str, values: str | None) -> str:
        argv = ["template", release, chart, "--namespace", self.cluster.namespace, "--values", "-"]
        return run_helm([*argv, "--kube-version", self.cluster.spec.kubernetes], stdin=values).stdout


def log(text: str) -> None:
    with (ROOT / "log").open("a") as file:
        file.write(f"{text}\n")


@contextmanager
def opened(cluster: Cluster, expected: str = "") -> Iterator[live.Live]:
    kube: Any = Kube(ROOT / cluster.name)
    if (uid := kube.identity()) != (expected or uid):
        raise live.wrong_cluster(cluster, expected, uid)
    yield OnDisk(cluster, kube, uid)


@contextmanager
def locked(*_: Any) -> Iterator[None]:
    yield


class DryRun:
    """The message of a release, and the one that somebody has put in its place."""

    def __init__(self, found: live.Live) -> None:
        self.folder = ROOT / found.cluster.name

    def apply(self, obj: Any) -> Any:
        now = yaml.safe_load(yaml.safe_dump(obj))
        if (self.folder / "drifted").exists() and obj["kind"] == "ConfigMap":
            now["data"]["message"] = "by hand"
        return SimpleNamespace(would=obj, now=now, conflicts=(), refused="")


def put_in_place() -> None:
    """Before anything else of airfleet is imported, which takes these names from their modules."""
    import importlib

    places = {"live.opened": opened, "lock.locked": locked, "dryrun.DryRun": DryRun}
    for name, stand_in in places.items():
        module, _, attribute = name.partition(".")
        found = importlib.import_module(f"airfleet.fleet.{module}")
        assert hasattr(found, attribute), name
        setattr(found, attribute, stand_in)


if __name__ == "__main__":
    from airfleet.cli import main

    put_in_place()
    sys.argv[1:] = sys.argv[2:]
    main()

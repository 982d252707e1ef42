"""The clusters themselves: the one place where the fleet toolkit talks to them.

Every cluster is reached by a private copy of its kubeconfig, made once when it is opened: what the checks saw and what
Helm writes to is then the same server, whatever happens to the user's file or current context meanwhile.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml

from airfleet import console
from airfleet.errors import AirfleetError
from airfleet.fleet.inventory import Cluster
from airfleet.helm import run_helm
from airfleet.kube import Cluster as Kube
from airfleet.process import Completed

T = TypeVar("T")
_AT_A_TIME = 8  # clusters
PENDING = ("pending-install", "pending-upgrade", "pending-rollback")


@dataclass(frozen=True)
class Revision:
    """A revision of a Helm release. status and the time updated are as Helm says: `deployed`, `pending-upgrade` ..."""

    number: int
    status: str
    chart: str = ""
    app_version: str = ""
    updated: str = ""
    description: str = ""

    @property
    def pending(self) -> bool:
        """Whether a Helm is at work on it, or was and died."""
        return self.status in PENDING


@dataclass(frozen=True)
class Live:
    """One opened cluster: its kubeconfig's private copy and its release."""

    cluster: Cluster
    kube: Kube
    uid: str

    def check(self) -> None:
        """Ask the cluster once more who it is. Raises AirfleetError if it is not the one that was opened."""
        if (found := self.kube.identity()) != self.uid:
            raise wrong_cluster(self.cluster, self.uid, found)

    def helm(
        self, argv: Sequence[str], *, stdin: str | None = None, check: bool = True, timeout: float = 600
    ) -> Completed:
        """Run `helm ARGV` in the release's namespace, after the cluster has said who it is."""
        self.check()
        place = ["--namespace", self.cluster.namespace]
        return run_helm(
            [*argv, *place],
            kubeconfig=self.kube.kubeconfig,
            context=self.kube.context,
            stdin=stdin,
            check=check,
            timeout=timeout,
            detached=True,
        )

    def history(self) -> list[Revision]:
        """The release's revisions, the oldest first; none if it is not installed."""
        done = self.helm(["history", self.cluster.release, "--output", "json"], check=False, timeout=60)
        if done.code != 0:
            if "not found" in done.stderr:
                return []
            why = done.stderr.strip()
            raise AirfleetError(f"Helm can't read the release on {self.cluster.name}", self.kube.context, why)
        rows = json.loads(done.stdout)
        return [
            Revision(
                row["revision"],
                row["status"],
                row["chart"],
                row.get("app_version", ""),
                row.get("updated", ""),
                row.get("description", ""),
            )
            for row in rows
        ]

    def revision(self) -> Revision | None:
        """The newest revision; None if the release is not installed."""
        found = self.history()
        return found[-1] if found else None

    def manifest(self, revision: int = 0) -> str:
        """The manifests that Helm stored with a revision; of the newest one if 0."""
        argv = ["get", "manifest", self.cluster.release, *(["--revision", str(revision)] if revision else [])]
        return self.helm(argv, timeout=60).stdout

    def forget(self, revision: Revision) -> None:
        """Delete Helm's record of a revision that a dead Helm left pending, so that the next one is not refused."""
        name = f"sh.helm.release.v1.{self.cluster.release}.v{revision.number}"
        self.check()
        purpose = f"delete the pending record {name}"
        self.kube.call(purpose, self.kube.core.delete_namespaced_secret, name, self.cluster.namespace)

    @cached_property
    def coordination(self) -> Any:
        """The API of Leases."""
        from kubernetes import client

        return client.CoordinationV1Api(self.kube.api)

    @cached_property
    def batch(self) -> Any:
        """The API of Jobs."""
        from kubernetes import client

        return client.BatchV1Api(self.kube.api)


def on_each(
    clusters: Sequence[Cluster], look: Callable[[Live], T], jobs: int = 0
) -> tuple[list[T], list[tuple[str, str]]]:
    """Look at clusters, several at the same time: what was found, and of each that could not be asked why."""

    def one(cluster: Cluster) -> tuple[list[T], list[tuple[str, str]]]:
        try:
            with opened(cluster) as live:
                return [look(live)], []
        except AirfleetError as e:
            return [], [(cluster.name, console.without_secrets(f"{e.what}{': ' if e.why else ''}{e.why}"))]

    with ThreadPoolExecutor(jobs or _AT_A_TIME) as pool:
        rows = list(pool.map(one, clusters))
    return [each for found, _ in rows for each in found], [each for _, failed in rows for each in failed]


def wrong_cluster(cluster: Cluster, expected: str, found: str) -> AirfleetError:
    """What is said where the context leads to another cluster than it should."""
    return AirfleetError(
        f"the context {cluster.spec.context} leads to another cluster than {cluster.name}",
        where=str(cluster.place),
        why=f"its kube-system namespace has the UID {found}; expected was {expected}",
        fix="nothing was written; correct the kubeconfig or `context`, or `identity` if the cluster was made anew",
    )


@contextmanager
def opened(cluster: Cluster, expected: str = "") -> Iterator[Live]:
    """Open a cluster. expected is the UID of its kube-system if its file names none.

    Raises AirfleetError if it can't be reached or is another one.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="airfleet-")))
        kube = Kube(private_kubeconfig(cluster, folder / "kubeconfig"), cluster.spec.context)
        uid = kube.identity()
        wanted = cluster.spec.identity or expected
        if wanted and uid != wanted:
            raise wrong_cluster(cluster, wanted, uid)
        yield Live(cluster, kube, uid)


def private_kubeconfig(cluster: Cluster, target: Path) -> Path:
    """Write a kubeconfig that holds the cluster's context and nothing else, readable by its owner alone."""
    spec = cluster.spec
    if not spec.context:
        fix = "add `context: NAME` (`kubectl config get-contexts` lists them)"
        raise AirfleetError(f"{cluster.name} has no context", where=str(cluster.place), fix=fix)
    merged = _merged(kubeconfig_files(cluster))
    contexts = {entry["name"]: entry["context"] for entry in merged["contexts"]}
    if spec.context not in contexts:
        raise AirfleetError(
            f"there is no context {spec.context}",
            where=str(cluster.place),
            why=f"in {', '.join(map(str, kubeconfig_files(cluster)))}",
            fix=f"there are {', '.join(sorted(contexts)) or 'none'}",
        )
    context = contexts[spec.context]
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": spec.context,
        "contexts": [{"name": spec.context, "context": context}],
        "clusters": [entry for entry in merged["clusters"] if entry["name"] == context.get("cluster")],
        "users": [entry for entry in merged["users"] if entry["name"] == context.get("user")],
    }
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(content), encoding="utf-8")
    return target


def kubeconfig_files(cluster: Cluster) -> list[Path]:
    """The cluster's kubeconfig: its own, else those of $KUBECONFIG, else the default one."""
    if own := cluster.spec.kubeconfig:
        return [Path(os.path.expandvars(own)).expanduser()]
    listed = [Path(entry) for entry in os.environ.get("KUBECONFIG", "").split(os.pathsep) if entry]
    return listed or [Path.home() / ".kube" / "config"]


def _merged(files: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """What files hold together; the first one that names a thing wins. Paths in them become absolute."""
    merged: dict[str, list[dict[str, Any]]] = {"contexts": [], "clusters": [], "users": []}
    for file in files:
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except FileNotFoundError:
            continue
        except (OSError, yaml.YAMLError) as e:
            raise AirfleetError("a kubeconfig can't be read", where=str(file), why=str(e)) from e
        for kind, found in merged.items():
            names = {entry["name"] for entry in found}
            found += [_absolute(entry, file.parent) for entry in content.get(kind) or () if entry["name"] not in names]
    return merged


def _absolute(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    paths = ("certificate-authority", "client-certificate", "client-key", "tokenFile")

    def fixed(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: str(folder / v) if k in paths and isinstance(v, str) else v for k, v in value.items()}

    return {key: fixed(value) for key, value in entry.items()}

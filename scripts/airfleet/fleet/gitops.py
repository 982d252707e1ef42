"""Clusters that a GitOps controller owns: Git holds their manifests, and the controller says what it has applied.

One commit changes all clusters of a wave. A change is known by its content and not by its commit: whoever reviews it
may squash or rebase it. Helm is never called for these clusters, and its records are never touched.
Sources: argo-cd.readthedocs.io, Application; fluxcd.io, kustomize.toolkit.fluxcd.io/v1 Kustomization.
"""

from __future__ import annotations

import hashlib
import http
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airfleet import console
from airfleet.errors import AirfleetError, UsageError
from airfleet.fleet.export import files, name_of, source_of
from airfleet.fleet.gates import Health, wait_for
from airfleet.fleet.inventory import Cluster, Fleet
from airfleet.fleet.live import Live, opened
from airfleet.fleet.render import Rendering
from airfleet.fleet.schema import GitOps
from airfleet.kube import Cluster as Kube
from airfleet.process import Completed, run, shown

HELM = "helm"
_PATIENCE = 5.0  # seconds between two fetches while something is waited for
_ATTEMPTS = 5  # at a push, while others push as well
_NAMESPACES = {"argocd": "argocd", "flux": "flux-system"}
_PATHS = {
    "argocd": "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}",
    "flux": "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{namespace}/kustomizations/{name}",
}


@dataclass(frozen=True)
class Applied:
    """What a controller says of a cluster: the commit that it has applied, and what is not well; nothing if all is."""

    commit: str = ""
    problem: str = ""


@dataclass
class Repository:
    """A clone of the repository that the controllers read."""

    folder: Path
    fleet: Fleet
    settings: GitOps
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _fetched: float = field(default_factory=time.monotonic)

    @property
    def tip(self) -> str:
        """The newest commit of the branch that the controllers read, as of the last fetch."""
        return self.newest(self.settings.revision)

    def newest(self, branch: str) -> str:
        """The newest commit of a branch, as of the last fetch; empty if there is no such branch."""
        return self.git("rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{branch}", check=False).stdout.strip()

    def fetch(self, older_than: float = 0) -> None:
        """Get what others have pushed, unless that was done within so many seconds."""
        with self._lock:
            if time.monotonic() - self._fetched >= older_than:
                self.git("fetch", "--quiet", "--prune", "origin")
                self._fetched = time.monotonic()

    def wanted(self, rendering: Rendering) -> dict[str, str]:
        """The files of a cluster, as the fleet wants them: path in the repository -> text.

        Raises AirfleetError if a secret value would get into Git.
        """
        cluster = rendering.resolved.cluster
        source = source_of(self.settings, cluster.owner)
        return {self._path(name): text for name, text in files(self.fleet, [rendering], cluster.owner, source).items()}

    def held(self, cluster: str, commit: str = "") -> dict[str, str]:
        """The files of a cluster as a commit has them, by default the newest; none if the commit is unknown."""
        commit = commit or self.tip
        if not self._knows(commit):
            self.fetch(_PATIENCE)
            if not self._knows(commit):
                return {}
        owned = (f"clusters/{cluster}", f"applications/{cluster}.yaml", f"kustomizations/{cluster}.yaml")
        listed = self.git("ls-tree", "-r", "-z", "--name-only", commit, "--", *map(self._path, owned)).stdout
        return {path: self.git("cat-file", "blob", f"{commit}:{path}").stdout for path in listed.split("\0") if path}

    def manifest(self, cluster: str, commit: str = "") -> str:
        """The manifests of a cluster as a commit has them; empty if there are none."""
        return self.held(cluster, commit).get(self._path(f"clusters/{cluster}/manifests.yaml"), "")

    def versions(self, cluster: str) -> list[str]:
        """The commits that changed a cluster, the newest first."""
        folder = self._path(f"clusters/{cluster}")
        return self.git("log", "--format=%H", self.tip, "--", folder).stdout.split()

    def place(self, cluster: Cluster) -> Cluster:
        """Where the controller of a cluster is asked: where fleet.yaml says, else on the cluster itself."""
        settings = self.settings
        if not settings.context:
            return cluster
        there = {"context": settings.context, "kubeconfig": settings.kubeconfig, "identity": settings.identity}
        return replace(cluster, spec=cluster.spec.model_copy(update=there))

    def applied(self, kube: Kube, cluster: Cluster) -> Applied:
        """What the controller says of a cluster. kube is where it runs."""
        namespace = self.settings.namespace or _NAMESPACES[cluster.owner]
        path = _PATHS[cluster.owner].format(namespace=namespace, name=name_of(cluster))
        status, found = kube.ask("GET", path)
        if status == http.HTTPStatus.NOT_FOUND:
            kind = "Application" if cluster.owner == "argocd" else "Kustomization"
            name = f"{kind} {namespace}/{name_of(cluster)}"
            return Applied("", f"there is no {name}: nothing has applied it from Git yet")
        if status != http.HTTPStatus.OK:
            raise AirfleetError(f"the controller of {cluster.name} can't be asked", path, str(found.get("message")))
        return (argo_cd if cluster.owner == "argocd" else flux)(found)

    def deployed(self, cluster: Cluster) -> tuple[Applied, str]:
        """What the controller says of a cluster, and the manifests of the commit that it has applied."""
        with opened(self.place(cluster)) as live:
            found = self.applied(live.kube, cluster)
        return found, self.manifest(cluster.name, found.commit) if found.commit else ""

    def propose(
        self, wanted: Mapping[str, Mapping[str, str]], subject: str, branch: str, check: Callable[[], None]
    ) -> None:
        """Push a commit that gives these clusters these files: to the branch that is read, or one to be reviewed.

        check is called before each attempt, and raises if what is there now is not what is to be changed.
        """
        for attempt in range(_ATTEMPTS):
            self.fetch()
            check()
            if not self._commit(wanted, subject) or self._proposed(wanted, branch):
                return
            if self._push(branch if self.settings.review else self.settings.revision):
                return
            console.say(f"  somebody else pushed; once more ({attempt + 1} of {_ATTEMPTS})")
        raise AirfleetError("others pushed each time", where=self.settings.repository, fix="apply again")

    def pass_gate(self, live: Live, cluster: Cluster, wanted: Mapping[str, str], stop: Callable[[], bool]) -> str:
        """Wait until the controller has applied these files of a cluster, and finds them healthy; what it took.

        live is where the controller runs. Raises GateError if that takes too long; InterruptedError if stop() says so.
        """

        def look() -> Health:
            found = self.applied(live.kube, cluster)
            if not found.commit or self.held(cluster.name, found.commit) != wanted:
                there = f"its last commit is {found.commit[:9] or 'none'}{self._review(cluster, wanted)}"
                text = f"the controller does not say that it has applied the change: {there}"
                return Health(waiting=(text, *filter(None, [found.problem])))
            return Health(waiting=(found.problem,) if found.problem else ())

        return wait_for(live, cluster.owner, self.settings.timeout, look, stop)

    def _review(self, cluster: Cluster, wanted: Mapping[str, str]) -> str:
        """That a change waits for people, if it does."""
        if self.settings.review:
            self.fetch(_PATIENCE)
        merged = not self.settings.review or self.held(cluster.name) == wanted
        return "" if merged else f"; the change's branch is not merged into {self.settings.revision} yet"

    def _commit(self, wanted: Mapping[str, Mapping[str, str]], subject: str) -> bool:
        """Commit files on top of what others have pushed. Whether anything differs."""
        self.git("checkout", "--quiet", "--force", "--detach", self.tip)
        for cluster, texts in wanted.items():
            for path in set(self.held(cluster)) - set(texts):
                (self.folder / path).unlink()
            for path, text in texts.items():
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / path).write_text(text, encoding="utf-8")
        self.git("add", "--all")
        if self.git("diff", "--cached", "--quiet", check=False).code == 0:
            return False
        self.git("commit", "--quiet", "--message", subject)
        return True

    def _proposed(self, wanted: Mapping[str, Mapping[str, str]], branch: str) -> bool:
        """Whether a branch to be reviewed has these files already."""
        found = self.newest(branch)
        return bool(found) and all(self.held(cluster, found) == texts for cluster, texts in wanted.items())

    def _push(self, branch: str) -> bool:
        """Push the commit. False if others have pushed there; raises AirfleetError if it is refused."""
        force = ["--force"] if self.settings.review else []  # the branch is this plan's own
        argv = ["push", "--porcelain", *force, "origin", f"HEAD:refs/heads/{branch}"]
        console.say(f"  {shown(['git', *argv])}")
        done = self.git(*argv, check=False)
        if "[rejected]" in done.stdout:
            return False
        if done.code != 0:
            why = (done.stderr.strip() or done.stdout.strip())[-2000:]
            fix = "may you push there? `review: true` pushes a branch of its own instead"
            raise AirfleetError("the change could not be pushed", f"{self.settings.repository} {branch}", why, fix)
        for line in done.stderr.splitlines():
            if line.startswith("remote:") and line.removeprefix("remote:").strip():
                console.say(f"  {line}")  # where to open a pull request, as the server says it
        return True

    def _knows(self, commit: str) -> bool:
        return self.git("cat-file", "-e", f"{commit}^{{commit}}", check=False).code == 0

    def _path(self, name: str) -> str:
        return "/".join(part for part in (self.settings.path.strip("/"), name) if part)

    def git(self, *argv: str, check: bool = True) -> Completed:
        """Run `git ARGV` in the clone."""
        return run(["git", *argv], cwd=self.folder, check=check, env=_ENVIRONMENT, timeout=300)


_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


@contextmanager
def cloned(fleet: Fleet, clusters: Iterable[Cluster]) -> Iterator[Repository | None]:
    """A clone for as long as it is needed; None if Helm owns all of these clusters.

    Raises UsageError if fleet.yaml does not say where the controllers read, AirfleetError if it can't be cloned.
    """
    owned = [cluster for cluster in clusters if cluster.owner != HELM]
    if not owned:
        yield None
        return
    settings = fleet.spec.gitops
    if settings is None:
        raise UsageError(
            f"{owned[0].name} belongs to {owned[0].owner}, and fleet.yaml does not say what that reads",
            where=str(owned[0].place),
            fix="add `gitops: {repository: URL}` to fleet.yaml",
        )
    with tempfile.TemporaryDirectory(prefix="airfleet-") as scratch:
        folder = Path(scratch) / "clone"
        run(["git", "clone", "--quiet", "--no-checkout", settings.repository, folder], env=_ENVIRONMENT, timeout=600)
        repository = Repository(folder, fleet, settings)
        if not repository.tip:
            fix = "make the branch, with one commit at least, or name another one as `gitops.revision`"
            raise AirfleetError(f"there is no branch {settings.revision}", where=settings.repository, fix=fix)
        yield repository


def manifest(live: Live, git: Repository | None) -> str:
    """The manifests that Helm, or the cluster's controller, applied the last time; empty if none did."""
    if git and live.cluster.owner != HELM:
        return git.deployed(live.cluster)[1]
    return live.manifest() if live.revision() else ""


def argo_cd(application: Mapping[str, Any]) -> Applied:
    """What the status of an Application says."""
    status = application.get("status") or {}
    sync, health = status.get("sync") or {}, status.get("health") or {}
    problems = [f"{each['type']}: {each.get('message', '')}" for each in status.get("conditions") or ()]
    problems = [problem for problem in problems if "Error" in problem.partition(":")[0]]
    if sync.get("status") != "Synced":
        problems.append(f"Argo CD: {sync.get('status', 'Unknown')}; {_operation(status)}".rstrip("; "))
    if health.get("status") != "Healthy":
        problems.append(f"Argo CD: {health.get('status', 'Unknown')} {health.get('message', '')}".rstrip())
    return Applied(str(sync.get("revision") or ""), "\n".join(problems))


def _operation(status: Mapping[str, Any]) -> str:
    operation = status.get("operationState") or {}
    return f"{operation.get('phase', '')} {operation.get('message', '')}".strip()


def flux(kustomization: Mapping[str, Any]) -> Applied:
    """What the status of a Kustomization says. It names commits as `main@sha1:COMMIT`."""
    status = kustomization.get("status") or {}
    commit = str(status.get("lastAppliedRevision") or "").rpartition(":")[2]
    ready: Mapping[str, Any] = next((each for each in status.get("conditions") or () if each["type"] == "Ready"), {})
    if status.get("observedGeneration") != kustomization["metadata"]["generation"]:
        return Applied(commit, "Flux has not seen its present form yet")
    if ready.get("status") != "True":
        return Applied(commit, f"Flux: {ready.get('reason', 'Unknown')}: {ready.get('message', '')}")
    return Applied(commit)


def digest(texts: Mapping[str, str]) -> str:
    """SHA-256 of files; empty if there are none."""
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest() if texts else ""

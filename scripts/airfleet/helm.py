"""Helm 4: the user's own, or one built once from its pinned Go module; and how it is called."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from airfleet.errors import AirfleetError
from airfleet.gotools import GoProgram, parse_version
from airfleet.process import Completed, run

MINIMUM = (4, 0)
PINNED = "v4.3.1"
_INSTALL_HELM = f"install Helm {MINIMUM[0]} (https://helm.sh/docs/intro/install), or set AIRFLEET_HELM to its path"


@functools.cache
def helm() -> Path:
    """A Helm of version 4.0 or newer: $AIRFLEET_HELM, else the one on PATH, else one built into the cache (2 minutes).

    Raises AirfleetError if $AIRFLEET_HELM is not such a Helm, or if none is found and Go is missing or too old.
    """
    if chosen := os.environ.get("AIRFLEET_HELM"):
        path = Path(chosen)
        if (found := helm_version(path)) is None or found < MINIMUM:
            raise AirfleetError("$AIRFLEET_HELM is not a Helm 4", where=chosen, fix=_INSTALL_HELM)
        return path
    on_path = shutil.which("helm")
    if on_path and (found := helm_version(Path(on_path))) is not None and found >= MINIMUM:
        return Path(on_path)
    return _program().built(_INSTALL_HELM)


@functools.cache
def identity() -> str:
    """The full version of the Helm that is used: what it renders may differ from what another one does."""
    found = helm()
    return PINNED if found == _program().target else _full_version(found)


def helm_version(path: Path) -> tuple[int, int] | None:
    """Major and minor version of the Helm at path; None if it is not one."""
    return parse_version(_full_version(path))


def run_helm(
    args: Sequence[str | os.PathLike[str]],
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    check: bool = True,
    stdin: str | None = None,
    timeout: float | None = None,
    detached: bool = False,
) -> Completed:
    """Run `helm ARGS` against the named context of a kubeconfig file, or against no cluster at all.

    The user's current context and Helm's own variables are never followed: what runs is what the arguments say.
    timeout is in seconds; a detached Helm does not hear of a Ctrl-C. Raises AirfleetError as airfleet.process.run does.
    """
    argv = [str(helm()), *(str(a) for a in args)]
    if context is not None:
        argv += ["--kube-context", context]
    environment = {
        "KUBECONFIG": str(kubeconfig or os.devnull),
        "HELM_KUBECONTEXT": "",
        "HELM_KUBEAPISERVER": "",
        "HELM_NAMESPACE": "",
        "HELM_DRIVER": "",
    }
    return run(argv, env=environment, check=check, stdin=stdin, timeout=timeout, detached=detached)


def template(
    chart: Path,
    *,
    release: str,
    namespace: str = "default",
    values: Sequence[Path] = (),
    kube_version: str | None = None,
    api_versions: Sequence[str] = (),
) -> str:
    """The manifests of a release as YAML, rendered without a cluster.

    kube_version (`1.36`) and api_versions (`monitoring.coreos.com/v1`) stand for the cluster's.
    """
    argv: list[str] = ["template", release, str(chart), "--namespace", namespace]
    for file in values:
        argv += ["--values", str(file)]
    if kube_version:
        argv += ["--kube-version", kube_version]
    for api_version in api_versions:
        argv += ["--api-versions", api_version]
    return run_helm(argv).stdout


def _program() -> GoProgram:
    flags = f"-X helm.sh/helm/v4/internal/version.version={PINNED}"
    return GoProgram("helm", f"Helm {MINIMUM[0]}", "helm.sh/helm/v4/cmd/helm", PINNED, "2 minutes", flags)


def _full_version(path: Path) -> str:
    try:
        done = run([path, "version", "--template", "{{.Version}}"], check=False, timeout=30)
    except (AirfleetError, OSError):
        return ""
    return done.stdout.strip() if done.code == 0 else ""

"""Where DAG files come from: bundles instead of git-sync containers and shared folders."""

from __future__ import annotations

import re
from typing import Any

from airfleet.migrate.migration import Migration, Rule, ask, drop, when
from airfleet.migrate.model import Entry
from airfleet.migrate.rules.pods import item

_LOCAL = "airflow.dag_processing.bundles.local.LocalDagBundle"
_DEFAULT = ("dags", "bundles", "dags-folder")
_READERS = ("dagProcessor", "triggerer", "workers")


def bundles(m: Migration, entry: Entry) -> None:
    """A list of bundles -> our map by name."""
    if not isinstance(entry.value, list) or not all(isinstance(x, dict) and x.get("name") for x in entry.value):
        m.ask(entry, "is not a list of bundles with a name")
        return
    for bundle in entry.value:
        name, kwargs = str(bundle["name"]), dict(bundle.get("kwargs") or {})
        ours: dict[str, Any] = {}
        if refresh := kwargs.pop("refresh_interval", None):
            ours["refreshInterval"] = int(refresh)
        if bundle.get("classpath", _LOCAL) == _LOCAL:
            ours["path"] = kwargs.get("path") or folder(m)
        else:
            ours |= {"classpath": bundle["classpath"], "kwargs": kwargs}
            if name == _DEFAULT[-1]:
                ours["path"] = ""
        extra = sorted(bundle.keys() - {"name", "classpath", "kwargs"})
        if extra:
            m.ask(item(entry, name), f"{', '.join(extra)} of the bundle has no counterpart")
        m.put(item(entry, name), ("dags", "bundles", name), ours)
    if not any(bundle["name"] == _DEFAULT[-1] for bundle in entry.value):
        m.put(item(entry, "without dags-folder"), _DEFAULT, None, "the bundle that the chart has by default")


def folder(m: Migration) -> str:
    """The folder that the official chart's DAG files are in."""
    return str(m.said("dags.mountPath") or "/opt/airflow/dags")


def _git_enabled(m: Migration, entry: Entry) -> None:
    """The bundle, with what the official chart takes for keys that the input leaves out."""
    values: dict[tuple[str, ...], Any] = {_DEFAULT: None}
    values[_git_path("repo")] = m.said("dags.gitSync.repo")
    values[_git_path("ref")] = m.said(f"dags.gitSync.{_ref_key(m)}")
    if subdir := m.said("dags.gitSync.subPath"):
        values[_git_path("subdir")] = subdir
    m.put_all(entry, values, "Airflow's Git bundle clones: DAG processor and workers, each for itself")


def _git_path(option: str) -> tuple[str, ...]:
    return ("dags", "bundles", "dags", "git", option)


def _ref_key(m: Migration) -> str:
    """`ref` is git-sync 4's name, `branch` git-sync 3's."""
    return "ref" if m.set_by_user("dags.gitSync.ref") or not m.set_by_user("dags.gitSync.branch") else "branch"


def _ref(m: Migration, entry: Entry) -> None:
    both = m.set_by_user("dags.gitSync.ref") and m.set_by_user("dags.gitSync.branch")
    if both and m.said("dags.gitSync.ref") != m.said("dags.gitSync.branch"):
        m.ask(entry, "ref and branch differ; which one is meant? dags.bundles.dags.git.ref has the ref")
    elif entry.path[-1] == _ref_key(m) or (entry.path[-1] == "rev" and entry.value not in ("HEAD", "", None)):
        m.put(entry, _git_path("ref"), str(entry.value))
    else:
        m.drop(entry, f"dags.gitSync.{_ref_key(m)} says it")


def _subdir(m: Migration, entry: Entry) -> None:
    if entry.value:
        m.put(entry, _git_path("subdir"), entry.value)
    else:
        m.drop(entry, "the root of the repository, here too")


def _period(m: Migration, entry: Entry) -> None:
    """`wait: 60` (seconds) or `period: 1m30s`; the older `wait` wins, as in the official chart."""
    if entry.path[-1] == "period" and m.set_by_user("dags.gitSync.wait"):
        m.drop(entry, "dags.gitSync.wait wins over it")
        return
    text = str(entry.value)
    units = {"h": 3600, "m": 60, "s": 1}
    parts = re.findall(r"(\d+)([hms])", text)
    seconds = int(text) if text.isdigit() else sum(int(amount) * units[unit] for amount, unit in parts)
    m.put(entry, "dags.bundles.dags.refreshInterval", max(seconds, 1))


def _credentials(m: Migration, entry: Entry) -> None:
    """Secrets of git-sync hold the same under other names: a command makes one that the bundle reads."""
    if entry.path[-1] == "knownHosts" and not (m.said("dags.gitSync.sshKeySecret") or m.said("dags.gitSync.sshKey")):
        m.drop(entry, "without an SSH key nobody reads it")
        return
    m.kept(entry, f"Secret {m.release}-git", "see the commands")
    m.set_implied(_git_path("secretName"), f"{m.release}-git", entry)


def _claim(m: Migration, entry: Entry) -> None:
    if m.said("dags.gitSync.enabled"):
        m.drop(entry, "the Git bundle needs no shared volume")
        return
    volume = {"persistentVolumeClaim": {"claimName": entry.value}}
    mount: dict[str, Any] = {"name": "dags", "readOnly": True}
    if path := m.said("dags.persistence.subPath"):
        mount["subPath"] = path
    targets: dict[tuple[str, ...], Any] = {}
    for component in _READERS:
        targets[(component, "volumes", "dags")] = volume
        targets[(component, "volumeMounts", folder(m))] = mount
    m.put_all(entry, targets, "read by who reads DAG files")


def _persistence(m: Migration, entry: Entry) -> None:
    if m.said("dags.gitSync.enabled"):
        m.drop(entry, "the Git bundle needs no shared volume")
    elif entry.path[-1] in ("enabled", "subPath") and m.said("dags.persistence.existingClaim"):
        m.drop(entry, "dags.persistence.existingClaim is mounted")
    elif entry.path[-1] == "enabled":
        m.ask(entry, "the claim belongs to the old release and goes with it; make one of your own, or use a Git bundle")
    else:
        m.drop(entry, "the chart makes no claim for DAG files")


def _mount_path(m: Migration, entry: Entry) -> None:
    if m.said("dags.gitSync.enabled"):
        m.drop(entry, "the Git bundle clones to a folder of its own")
    else:
        m.put(entry, "dags.bundles.dags-folder.path", entry.value)


_NO_CONTAINER = when("dags.gitSync.enabled", drop("there is no git-sync container: the Git bundle clones"))

RULES: dict[str, Rule] = {
    "dagProcessor.dagBundleConfigList": bundles,
    "dags.mountPath": _mount_path,
    "dags.persistence": when("dags.persistence.enabled", _persistence),
    "dags.persistence.existingClaim": when("dags.persistence.enabled", _claim),
    "dags.gitSync": _NO_CONTAINER,
    "dags.gitSync.enabled": when("dags.gitSync.enabled", _git_enabled),
    "dags.gitSync.repo": when("dags.gitSync.enabled", lambda m, entry: m.put(entry, _git_path("repo"), entry.value)),
    "dags.gitSync.subPath": when("dags.gitSync.enabled", _subdir),
    **{f"dags.gitSync.{key}": when("dags.gitSync.enabled", _ref) for key in ("ref", "branch", "rev")},
    **{f"dags.gitSync.{key}": when("dags.gitSync.enabled", _period) for key in ("period", "wait")},
    **{
        f"dags.gitSync.{key}": when("dags.gitSync.enabled", _credentials)
        for key in ("credentialsSecret", "sshKeySecret", "sshKey", "knownHosts")
    },
    "dags.gitSync.env": when(
        "dags.gitSync.enabled", ask("options of git-sync: see dags.bundles.<name>.git for what the bundle has")
    ),
    "dags.gitSync.envFrom": when(
        "dags.gitSync.enabled", ask("options of git-sync: see dags.bundles.<name>.git for what the bundle has")
    ),
}

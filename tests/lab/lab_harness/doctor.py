"""`airfleet doctor --inside` for a live release: a fleet of one cluster on disk, with the release's own values."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from airfleet.paths import project_root
from airfleet.process import Completed, run
from lab_harness.release import Release, until

KINDS = "jobs,configmaps,secrets,serviceaccounts,networkpolicies,pods"
_PROGRAM = str(Path(sys.executable).with_name("airfleet"))


@dataclass(frozen=True)
class Told:
    """What the command came to, and its checks by name: whether each is fine, and what was seen."""

    done: Completed
    checks: Mapping[str, list[tuple[bool, str]]]

    @property
    def problems(self) -> list[str]:
        return [f"{name}: {seen}" for name, each in self.checks.items() for fine, seen in each if not fine]

    def only(self, name: str) -> str:
        """What the one check of this name has seen."""
        ((_, seen),) = self.checks[name]
        return seen


def command(release: Release, folder: Path, *argv: str, namespace: str = "", **values: Any) -> list[str]:
    """The command for the release, its values overlaid by these, or for another namespace."""
    cluster = {"context": release.cluster.context, "kubeconfig": str(release.cluster.kubeconfig)}
    about = {"axes": {"lab": "lab", "own": "release"}, "kubernetes": "1.36", **cluster, "values": values}
    fleet = {"chart": str(release.chart), "axes": ["lab", "own"], "release": release.name}
    files = {
        "fleet.yaml": fleet | {"namespace": namespace or release.namespace},
        "base.yaml": yaml.safe_load((project_root() / "values/presets" / f"{release.preset}.yaml").read_text()),
        "lab/lab.yaml": release.base_values(),
        "own/release.yaml": release.values,
        "clusters/lab.yaml": about | {"identity": release.cluster.identity()},
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(yaml.safe_dump(content))
    return [_PROGRAM, "doctor", "--inside", "--fleet", str(folder), *argv]


def doctor(release: Release, folder: Path, *argv: str, namespace: str = "", **values: Any) -> Told:
    """Run it to its end; nothing of it is left in the namespace then."""
    done = run([*command(release, folder, "--json", *argv, namespace=namespace, **values)], check=False, timeout=600)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    (report,) = json.loads(done.stdout)
    checks: dict[str, list[tuple[bool, str]]] = {}
    for check in report["checks"]:
        checks.setdefault(check["name"], []).append((check["fine"], check["seen"]))
    until("what the doctor made to be gone", lambda: not made(release, namespace))
    return Told(done, checks)


def made(release: Release, namespace: str = "") -> str:
    """What a doctor has made in the namespace and is there now."""
    where = ("--namespace", namespace or release.namespace)
    return release.lab.kubectl(*where, "get", KINDS, "--selector", "airfleet/doctor", "--output", "name").stdout


def start(release: Release, folder: Path, *argv: str, **values: Any) -> subprocess.Popen[str]:
    """Begin it."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command(release, folder, *argv, **values), text=True, **pipes)

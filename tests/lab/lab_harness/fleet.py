"""A fleet on disk, on real clusters, edited and used as a user would."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from airfleet.kube import Cluster
from airfleet.lab import Lab

NAMES = ("fleet-a", "fleet-b", "fleet-c")
CHART = Path(__file__).parents[1] / "fleet" / "chart"
AIRFLEET = (sys.executable, "-c", "from airfleet.cli import main; main()")


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


@dataclass
class FleetOnDisk:
    """A fleet's folder, edited and used as a user would."""

    folder: Path
    labs: dict[str, Lab]
    namespace: str

    def write(self, name: str, content: Any) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))

    def command(self, *argv: str) -> list[str]:
        return [*AIRFLEET, *argv]

    def run(self, *argv: str, timeout: float = 120) -> Done:
        done = subprocess.run(
            self.command(*argv), cwd=self.folder, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.command(*argv), cwd=self.folder, text=True, **pipes)

    def cluster(self, name: str) -> Cluster:
        return Cluster(self.labs[name].kubeconfig, self.labs[name].context)

    def message(self, name: str) -> str:
        """What the release on a cluster says; nothing if it is not installed."""
        cluster = self.cluster(name)
        if not cluster.exists(cluster.core.read_namespaced_config_map, "tiny", self.namespace):
            return ""
        found = cluster.call("read", cluster.core.read_namespaced_config_map, "tiny", self.namespace)
        return str(found.data["message"])

"""The daemons of a node, as its first process reports them, and their logs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from airfleet.lab.state import LabRecord


@dataclass(frozen=True)
class DaemonState:
    """One daemon. state: waiting, running, restarting or done. pid counts in the node's pid namespace."""

    name: str
    state: str
    pid: int
    starts: int
    last_exit: str
    since: str

    @property
    def healthy(self) -> bool:
        """Whether it runs, or has done all it had to do."""
        return self.state in {"running", "done"}


def daemons(lab: LabRecord, node: str) -> list[DaemonState]:
    """The daemons of a node; empty if the node never started."""
    path = lab.dir / "nodes" / node / "status.json"
    try:
        return [DaemonState(**entry) for entry in json.loads(path.read_text())]
    except FileNotFoundError:
        return []


def log_file(lab: LabRecord, node: str, daemon: str) -> Path:
    """Where a daemon's output goes."""
    return lab.dir / "nodes" / node / "logs" / f"{daemon}.log"


def log_files(lab: LabRecord) -> dict[str, Path]:
    """Every log of the lab: "NODE/DAEMON" -> file."""
    found = sorted(lab.dir.glob("nodes/*/logs/*.log"))
    return {f"{path.parent.parent.name}/{path.stem}": path for path in found}


def log_tail(path: Path, lines: int = 5) -> str:
    """The last lines of a log, indented; nothing if there is none."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(f"  {line[:400]}" for line in text.splitlines()[-lines:])

"""Before an upgrade that changes the schema: nothing new is scheduled, and what runs has come to its end.

The scheduler is stopped by the release's own values (`scheduler: {replicas: 0}`), by whoever owns them: a Helm command
or a commit. This module never scales anything: the next upgrade would meet fields of another owner.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from airfleet.errors import AirfleetError
from airfleet.secrets.installed import Installed

_POLL = 2.0  # seconds
_SHOWN = 10
# From 3.2.2 to 3.3.2 a million rows take as long as none (`make bench-migration`): columns are added, no table is
# rewritten. Another version's migration may rewrite all of them, so each row has half a millisecond.
_ROWS_PER_SECOND = 2000
_AT_LEAST = 300


@dataclass(frozen=True)
class Task:
    """A task that runs. seconds is for how long."""

    name: str
    seconds: int

    def __str__(self) -> str:
        return f"{self.name} ({self.seconds} s)"


@dataclass(frozen=True)
class Activity:
    """What goes on in a release. rows are estimates of PostgreSQL's, by table; size is in bytes."""

    tasks: tuple[Task, ...]
    starting: tuple[str, ...]
    rows: Mapping[str, int]
    size: int
    version: str

    @property
    def quiet(self) -> bool:
        """Whether nothing runs nor is about to."""
        return not self.tasks and not self.starting

    @property
    def deadline(self) -> int:
        """Seconds to give a migration before one looks what is the matter."""
        return _AT_LEAST + sum(self.rows.values()) // _ROWS_PER_SECOND

    def __str__(self) -> str:
        parts = []
        if self.tasks:
            names = ", ".join(map(str, self.tasks[:_SHOWN])) + (", ..." if len(self.tasks) > _SHOWN else "")
            parts.append(f"{len(self.tasks)} running: {names}")
        if self.starting:
            parts.append(f"{len(self.starting)} starting: {', '.join(self.starting[:_SHOWN])}")
        return "; ".join(parts) or "no task runs"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "quiet": self.quiet,
            "running": [{"task": task.name, "seconds": task.seconds} for task in self.tasks],
            "starting": list(self.starting),
            "airflow": self.version,
            "rows": dict(self.rows),
            "bytes": self.size,
            "migration_deadline_seconds": self.deadline,
        }


def require_stopped(installed: Installed) -> None:
    """Raise AirfleetError unless the release's own values have stopped the scheduler."""
    for workload in installed.workloads():
        if workload.component == "scheduler" and workload.spec.replicas != 0:
            raise AirfleetError(
                "the scheduler still starts tasks",
                where=f"{workload.kind} {installed.namespace}/{workload.name} has {workload.spec.replicas} replicas",
                fix="set `scheduler: {replicas: 0}` in the release's values, upgrade (or commit), and try again",
            )


def activity(installed: Installed) -> Activity:
    """Ask the release's database, from inside its control plane, and its worker pods."""
    script = (files("airfleet.quiesce") / "remote" / "activity.py").read_text()
    pod = installed.pod("api-server", "execution-api", "dag-processor")
    told = json.loads(installed.cluster.execute(installed.namespace, pod, ["python", "-c", script]).splitlines()[-1])
    tasks = tuple(Task(task["name"], task["seconds"]) for task in told["running"])
    return Activity(tasks, _starting(installed, told["namespaces"]), told["rows"], told["size"], told["version"])


def _starting(installed: Installed, namespaces: list[str]) -> tuple[str, ...]:
    """Worker pods that have not begun their task yet."""
    found = []
    for namespace in namespaces or [installed.namespace]:
        pods = installed.cluster.pods(namespace, installed.selector("worker"))
        found += [f"{namespace}/{pod.metadata.name}" for pod in pods if pod.status.phase == "Pending"]
    return tuple(found)


def wait(
    installed: Installed, timeout: float, say: Callable[[str], None], look: Callable[[Installed], Activity] = activity
) -> Activity:
    """Wait until nothing runs; timeout is in seconds. say is told whenever what runs changes.

    Raises AirfleetError if the scheduler is not stopped, or if something still runs at the end.
    """
    require_stopped(installed)
    end = time.monotonic() + timeout
    told: Any = None
    while not (seen := look(installed)).quiet:
        names = ([task.name for task in seen.tasks], seen.starting)
        if names != told:
            say(str(seen))
            told = names
        if time.monotonic() > end:
            raise AirfleetError(
                f"after {timeout:.0f} s there is still work: {seen}",
                where=f"release {installed.release} in the namespace {installed.namespace}",
                fix="wait longer (--timeout), or upgrade all the same: a running task talks to whichever API server"
                " answers, and goes on",
            )
        time.sleep(_POLL)
    return seen

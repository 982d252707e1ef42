"""What an apply has done so far, on disk after every step: whoever goes on after a crash reads it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airfleet.errors import AirfleetError


@dataclass(frozen=True)
class Event:
    """One step of one cluster, in UTC: `started`, `written`, `healthy`, `failed`, `skipped`; detail says more."""

    time: str
    cluster: str
    wave: str
    what: str
    detail: Mapping[str, Any] = field(default_factory=dict)


DONE = "healthy"


class Journal:
    """A file beside the plan, a line of JSON for each event; digest is the plan's.

    Raises AirfleetError if the file is another plan's.
    """

    def __init__(self, plan: Path, digest: str) -> None:
        self.path = plan.with_suffix(plan.suffix + ".journal")
        self.digest = digest
        self.events = list(self._read())

    def _read(self) -> Iterator[Event]:
        if not self.path.exists():
            return
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                row = json.loads(line)
            except ValueError:
                continue  # the last line of an apply that was cut off while it wrote
            if "plan" in row and row["plan"] != self.digest:
                raise AirfleetError(
                    "the journal belongs to another plan",
                    where=f"{self.path}:{number}",
                    fix="give each plan a file of its own, or move the journal away",
                )
            if "plan" not in row:
                yield Event(**row)

    def add(self, cluster: str, wave: str, what: str, **detail: Any) -> Event:
        """Note an event; it is on the disk when this returns."""
        event = Event(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", cluster, wave, what, detail)
        head = "" if self.path.exists() else json.dumps({"plan": self.digest}) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(head + json.dumps(asdict(event), ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.events.append(event)
        return event

    def last(self, cluster: str) -> Event | None:
        """What happened last on a cluster."""
        return next((event for event in reversed(self.events) if event.cluster == cluster), None)

    def done(self, cluster: str) -> bool:
        """Whether the plan has been carried out there."""
        last = self.last(cluster)
        return last is not None and last.what == DONE

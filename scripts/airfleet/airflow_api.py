"""Airflow's REST API (v2), as far as the toolkit uses it, over any HTTP connection.

Source: apache-airflow 3.3.2, airflow/api_fastapi/core_api/routes/public; the token endpoint is the FAB provider's.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from airfleet.errors import AirfleetError

Connect = Callable[[], AbstractContextManager[http.client.HTTPConnection]]

FINAL = frozenset({"success", "failed", "upstream_failed", "skipped", "removed"})


@dataclass(frozen=True)
class TaskInstance:
    """One task instance as the API tells it. Times are aware datetimes, None if not reached."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str
    queue: str
    hostname: str
    queued: datetime | None
    started: datetime | None
    ended: datetime | None

    @property
    def label(self) -> str:
        """The task's name, with its index if it is mapped."""
        return f"{self.task_id}[{self.map_index}]" if self.map_index >= 0 else self.task_id


@dataclass
class AirflowApi:
    """A client of one Airflow; connect gives a connection to an API server for each call."""

    connect: Connect
    token: str = field(default="", repr=False)
    base: str = ""
    """The path of Airflow's base URL, such as /team-a."""

    def log_in(self, username: str, password: str) -> None:
        """Get a token for a FAB user. Raises AirfleetError if the API refuses."""
        body = self.request("POST", "/auth/token", {"username": username, "password": password})
        self.token = body["access_token"]

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call the API and return its decoded answer; raises AirfleetError on any status of 400 or more."""
        status, text = self.send(method, path, body)
        if status >= http.HTTPStatus.BAD_REQUEST:
            raise AirfleetError(f"Airflow answered {status} to {method} {path}", why=text[:500])
        return json.loads(text) if text else None

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, str]:
        """Call the API and return the status and the text of its answer, whatever they are.

        Raises AirfleetError if the connection breaks.
        """
        headers = {"Accept": "application/json", "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            with self.connect() as connection:
                connection.request(method, self.base + path, None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as e:
            raise AirfleetError(f"Airflow's API did not answer {method} {path}", why=repr(e)) from e

    def dag_exists(self, dag_id: str) -> bool:
        """Whether the DAG has been parsed and can be run."""
        status, _ = self.send("GET", f"/api/v2/dags/{quote(dag_id)}")
        return status == http.HTTPStatus.OK

    def import_errors(self) -> list[str]:
        """What stopped DAG files from being parsed."""
        found = self.request("GET", "/api/v2/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip()}" for error in found]

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run the DAG."""
        self.request("PATCH", f"/api/v2/dags/{quote(dag_id)}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run and return its id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self.request("POST", f"/api/v2/dags/{quote(dag_id)}/dagRuns", body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """State of a DAG run: queued, running, success or failed."""
        return str(self.request("GET", f"{_run(dag_id, run_id)}")["state"])

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Every task instance of a run."""
        found = self.request("GET", f"{_run(dag_id, run_id)}/taskInstances?limit=1000")["task_instances"]
        return [_task_instance(item) for item in found]

    def xcom(self, ti: TaskInstance, key: str = "return_value") -> Any:
        """What a task returned."""
        path = f"{_run(ti.dag_id, ti.run_id)}/taskInstances/{quote(ti.task_id)}/xcomEntries/{quote(key)}"
        return self.request("GET", f"{path}?map_index={ti.map_index}&deserialize=true")["value"]

    def log(self, ti: TaskInstance, try_number: int | None = None) -> str:
        """The log of one try of a task, as text."""
        path = f"{_run(ti.dag_id, ti.run_id)}/taskInstances/{quote(ti.task_id)}/logs/{try_number or ti.try_number}"
        answer = self.request("GET", f"{path}?map_index={ti.map_index}&full_content=true")
        return "\n".join(_log_line(line) for line in answer["content"])


def _run(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}"


def _log_line(line: Any) -> str:
    return line if isinstance(line, str) else str(line.get("event", ""))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _task_instance(item: Mapping[str, Any]) -> TaskInstance:
    return TaskInstance(
        dag_id=item["dag_id"],
        run_id=item["dag_run_id"],
        task_id=item["task_id"],
        map_index=item["map_index"],
        try_number=item["try_number"],
        state=item["state"] or "none",
        queue=item["queue"] or "",
        hostname=item["hostname"] or "",
        queued=_time(item["queued_when"]),
        started=_time(item["start_date"]),
        ended=_time(item["end_date"]),
    )

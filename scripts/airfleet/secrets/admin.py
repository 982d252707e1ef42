"""A new password for the administrator, whether the old one is known or not."""

from __future__ import annotations

import json
from secrets import token_urlsafe
from typing import Any

from airfleet.airflow_api import AirflowApi
from airfleet.errors import AirfleetError
from airfleet.secrets.rotation import Rotation, Step


def steps(rotation: Rotation) -> list[Step]:
    """The steps, in order."""
    return [
        Step("write a new password into the Secret", lambda: _write(rotation)),
        Step("give the user that password, in a process inside an api-server's pod", lambda: _reset(rotation)),
        Step("verify: log in", lambda: _log_in(rotation)),
    ]


def _write(rotation: Rotation) -> str:
    installed = rotation.installed
    metadata = installed.metadata("admin")
    if "version" not in rotation.facts:
        rotation.facts["version"] = metadata.resource_version if metadata else ""
        rotation.save()

    def accepted(data: dict[str, str]) -> str:
        now = installed.metadata("admin").resource_version
        return "" if data.get("password") and now != rotation.facts["version"] else "its password is the old one still"

    name = installed.secret("admin").username
    return rotation.write(
        "admin", lambda data: {"username": data.get("username") or name, "password": token_urlsafe(24)}, accepted
    )


def _reset(rotation: Rotation) -> str:
    data = rotation.installed.read("admin")
    line = json.dumps({"username": data["username"], "password": data["password"]})
    answer: dict[str, Any] = json.loads(
        rotation.installed.python("reset_password", "api-server", line=line).strip().splitlines()[-1]
    )
    if answer.get("error"):
        raise AirfleetError(f"the password of {data['username']} was not changed", why=answer["error"])
    return f"user {data['username']}"


def _log_in(rotation: Rotation) -> str:
    installed, data = rotation.installed, rotation.installed.read("admin")
    pod = installed.pod("api-server")
    api = AirflowApi(lambda: installed.cluster.connection(installed.namespace, pod, 8080))
    api.log_in(data["username"], data["password"])
    return f"{data['username']} logs in with the password of Secret {installed.secret('admin').name}"

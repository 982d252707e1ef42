"""Rotation of the Fernet key: every pod decrypts with both before a row is written with the new one.

With the new key first at once, a pod that still has only the old one could not read what a restarted pod has written:
the triggerer a trigger's arguments, the api-server a connection.
"""

from __future__ import annotations

import json
import os
import time
from base64 import urlsafe_b64encode

from airfleet.errors import AirfleetError
from airfleet.secrets.installed import Installed, fingerprint
from airfleet.secrets.rotation import Rotation, Step

KEY = "fernet-key"
_TRIES = 5


def steps(rotation: Rotation) -> list[Step]:
    """The steps, in order."""
    everybody = rotation.rollout("keys", (KEY,))
    return [
        Step("check that the present key reads every row", lambda: _check(rotation)),
        Step("add a new key behind the old one: it decrypts, the old one still encrypts", lambda: _add(rotation)),
        Step("restart what reads the key; from here on every pod decrypts with both", everybody),
        Step("put the new key first: it encrypts", lambda: _swap(rotation)),
        Step("restart what reads the key; from here on nothing is encrypted with the old key", everybody),
        Step(
            "encrypt every row anew (airflow rotate-fernet-key, inside a scheduler's pod)", lambda: _encrypt(rotation)
        ),
        Step("drop the old key", lambda: _drop(rotation)),
        Step("restart what reads the key", everybody),
        Step("verify", lambda: _verify(rotation)),
    ]


def rows(installed: Installed) -> dict[str, int]:
    """Counts of encrypted rows: all (rows), those of another key than the first (old), unreadable ones (lost)."""
    found: dict[str, int] = json.loads(installed.python("rows", "scheduler", "dag-processor"))
    return found


def _keys(data: dict[str, str]) -> list[str]:
    return [part.strip() for part in data.get(KEY, "").split(",") if part.strip()]


def _prints(data: dict[str, str]) -> list[str]:
    return [fingerprint(key) for key in _keys(data)]


def _check(rotation: Rotation) -> str:
    keys = _prints(rotation.installed.read("keys"))
    if len(keys) != 1:
        # An older rotation, by hand, that was not finished: what stands first is what encrypts.
        raise AirfleetError(
            f"the Fernet key is a list of {len(keys)} keys, and no rotation is under way",
            fix="run `airflow rotate-fernet-key` in a scheduler's pod, leave the first key in the Secret, repeat",
        )
    found = rows(rotation.installed)
    if found["lost"]:
        raise AirfleetError(
            f"{found['lost']} of {found['rows']} encrypted rows can't be read with the present key",
            why="they were lost before; encrypting every row anew would stop at them",
            fix="put the key that wrote them into the list, or delete these connections, variables and triggers",
        )
    rotation.facts["old"] = keys[0]
    return f"{found['rows']} encrypted rows"


def _add(rotation: Rotation) -> str:
    old = rotation.facts["old"]

    def accepted(data: dict[str, str]) -> str:
        found = _prints(data)
        good = len(found) == 2 and found[0] == old != found[1]
        return "" if good else "it is not the list `old,new`"

    new = urlsafe_b64encode(os.urandom(32)).decode()
    return rotation.write("keys", lambda data: {KEY: ",".join([*_keys(data), new])}, accepted)


def _swap(rotation: Rotation) -> str:
    old = rotation.facts["old"]

    def accepted(data: dict[str, str]) -> str:
        found = _prints(data)
        good = len(found) == 2 and found[1] == old != found[0]
        return "" if good else "it is not the list `new,old`"

    return rotation.write("keys", lambda data: {KEY: ",".join(reversed(_keys(data)))}, accepted)


def _encrypt(rotation: Rotation) -> str:
    installed = rotation.installed
    for attempt in range(1, _TRIES + 1):
        try:
            pod = installed.pod("scheduler")
            installed.cluster.execute(installed.namespace, pod, ["airflow", "rotate-fernet-key"], timeout=1800)
        except AirfleetError as e:
            # One transaction: a trigger that ends meanwhile makes it fail as a whole, and nothing is half done.
            if attempt == _TRIES or ("StaleDataError" not in e.why and "Deadlock" not in e.why):
                raise
            time.sleep(attempt)
            continue
        break
    found = rows(installed)
    if found["old"]:
        raise AirfleetError(f"{found['old']} of {found['rows']} rows are still encrypted with the old key")
    return f"{found['rows']} rows are encrypted with the new key"


def _drop(rotation: Rotation) -> str:
    old = rotation.facts["old"]

    def accepted(data: dict[str, str]) -> str:
        found = _prints(data)
        return "" if len(found) == 1 and found[0] != old else "it is not the new key alone"

    return rotation.write("keys", lambda data: {KEY: _keys(data)[0]}, accepted)


def _verify(rotation: Rotation) -> str:
    found = rows(rotation.installed)
    if found["old"] or found["lost"]:
        raise AirfleetError(f"of {found['rows']} rows {found['old'] + found['lost']} can't be read with the new key")
    return f"{found['rows']} rows are read with the new key; {rotation.verify_pods('keys', KEY)}"

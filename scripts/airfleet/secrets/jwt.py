"""Rotation of the JWT secret, which signs the tokens of tasks and of users.

Airflow accepts one secret, or a file of keys that it knows by their ids ([api_auth] trusted_jwks_url). A symmetric key
may stand in that file: so the api-server accepts both secrets for a while, and no running task is refused. Its token
is replaced before it expires, by one that is signed with the new secret.
"""

from __future__ import annotations

import configparser
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Any

from airfleet.errors import AirfleetError
from airfleet.secrets.installed import Installed
from airfleet.secrets.rotation import Rotation, Step

KEY = "jwt-secret"
JWKS = "jwks.json"
UNNAMED = "not-used"  # the id that Airflow gives to a secret's tokens if jwt_kid is unset
_FILE = f"/opt/airfleet/secrets/{JWKS}"
_OWN = ("jwt_private_key_path", "trusted_jwks_url", "jwt_algorithm", "jwt_kid")


def steps(rotation: Rotation, *, at_once: bool) -> list[Step]:
    """The steps, in order. at_once drops the old secret without waiting for the tasks that hold its tokens."""
    checks = rotation.rollout("keys", (KEY,), ("api-server", "execution-api"))
    wait = [] if at_once else [Step("wait until no task holds a token of the old secret", lambda: _wait(rotation))]
    return [
        Step("check that the release signs with the secret", lambda: _check(rotation)),
        Step("make a new secret, and the list of both for the api-server", lambda: _make(rotation)),
        Step("restart the api-server: it accepts tokens of both", checks),
        Step("put the new secret into the Secret", lambda: _switch(rotation)),
        Step("restart what signs: scheduler and api-server", rotation.rollout("keys", (KEY,))),
        Step("note when the new secret began to sign", lambda: _note(rotation)),
        *wait,
        Step("take the list with the old secret away", lambda: _drop(rotation)),
        Step("restart the api-server: tokens of the old secret are refused", checks),
        Step("verify", lambda: rotation.verify_pods("keys", KEY)),
    ]


def _names(installed: Installed) -> tuple[str, str]:
    """(the ConfigMap that tells pods the key's id, the Secret with the list of keys while there are two)."""
    return f"{installed.fullname}-jwt", f"{installed.fullname}-jwt-overlap"


def _check(rotation: Rotation) -> str:
    installed = rotation.installed
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(installed.config_map(f"{installed.fullname}-config").get("airflow.cfg", ""))
    section = parser["api_auth"] if parser.has_section("api_auth") else {}
    if own := [option for option in _OWN if option in section]:
        raise AirfleetError(
            f"config.api_auth sets {', '.join(own)}: tokens are not signed with the secret alone",
            why="the overlap of two secrets needs these options for itself",
            fix="rotate your own keys: publish the new public key beside the old one, then sign with it",
        )
    config_map, _ = _names(installed)
    rotation.facts["old"] = installed.config_map(config_map).get("kid", UNNAMED)
    rotation.facts["new"] = rotation.id
    return f"the present secret is called {rotation.facts['old']}"


def _make(rotation: Rotation) -> str:
    installed = rotation.installed
    config_map, overlap = _names(installed)
    if _new_secret(rotation) is None:
        old = installed.read("keys")[KEY]
        keys = [_jwk(rotation.facts["old"], old), _jwk(rotation.facts["new"], token_urlsafe(64))]
        installed.write(overlap, {JWKS: json.dumps({"keys": keys})})
    installed.write_config_map(config_map, {"trusted-jwks-url": _FILE})
    return f"Secret {overlap}"


def _jwk(kid: str, secret: str) -> dict[str, str]:
    return {"kty": "oct", "alg": "HS512", "kid": kid, "k": urlsafe_b64encode(secret.encode()).decode().rstrip("=")}


def _new_secret(rotation: Rotation) -> str | None:
    """The new secret, from the list that was made before; None if there is no list of this rotation."""
    installed = rotation.installed
    name = _names(installed)[1]
    if not installed.cluster.exists(installed.cluster.core.read_namespaced_secret, name, installed.namespace):
        return None
    keys = json.loads(installed.cluster.secret(installed.namespace, name)[JWKS])["keys"]
    found = next((key["k"] for key in keys if key["kid"] == rotation.facts["new"]), None)
    return None if found is None else urlsafe_b64decode(found + "=" * (-len(found) % 4)).decode()


def _switch(rotation: Rotation) -> str:
    new = _new_secret(rotation)
    if new is None:
        raise AirfleetError("the list of both secrets is gone", where=f"Secret {_names(rotation.installed)[1]}")
    result = rotation.write(
        "keys", lambda _: {KEY: new}, lambda data: "" if data.get(KEY) == new else f"{KEY} is not the new secret"
    )
    rotation.installed.write_config_map(_names(rotation.installed)[0], {"kid": rotation.facts["new"]})
    return result


def _note(rotation: Rotation) -> str:
    rotation.facts["switched"] = datetime.now(UTC).isoformat()
    return ""


def _wait(rotation: Rotation) -> str:
    """Until the tasks of before have ended, or as long as a token lives: whatever comes first."""
    switched = datetime.fromisoformat(rotation.facts["switched"])
    while True:
        found: dict[str, Any] = json.loads(
            rotation.installed.python("old_tokens", "scheduler", line=switched.isoformat())
        )
        end = switched + timedelta(seconds=found["lifetime"])
        if not found["tasks"]:
            return "no queued or running task is older than the new secret"
        if datetime.now(UTC) > end:
            return f"{found['tasks']} tasks run on; their tokens were replaced within {found['lifetime']} s"
        time.sleep(2)


def _drop(rotation: Rotation) -> str:
    config_map, overlap = _names(rotation.installed)
    rotation.installed.write_config_map(config_map, {"trusted-jwks-url": None})
    rotation.installed.delete_secret(overlap)
    return ""

"""What there is to know of a release's secrets without showing one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from airfleet.errors import AirfleetError
from airfleet.secrets import fernet
from airfleet.secrets.installed import Installed, changed_at, owner
from airfleet.secrets.rotation import Use, uses

FILES = {"connection": "database", "fernet-key": "keys", "api-secret-key": "keys", "jwt-secret": "keys"}


@dataclass
class SecretStatus:
    """One secret of a release."""

    name: str
    secret: str
    key: str
    owner: str
    changed: str
    age_days: float
    readers: list[Use] = field(default_factory=list)


@dataclass
class Status:
    """All of them; rows are counts of encrypted rows, rotations how far the last one of each kind came."""

    secrets: list[SecretStatus]
    fernet_keys: int
    rows: dict[str, int]
    rotations: dict[str, str]

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return asdict(self)


def status(installed: Installed) -> Status:
    """Look at every secret of a release. Raises AirfleetError if the release or a Secret is missing."""
    readers = uses(installed, FILES)
    found = [_secret(installed, file, kind, readers) for file, kind in FILES.items()]
    if "admin" in installed.secrets:
        found.append(_secret(installed, "password", "admin", []))
    keys = len(installed.read("keys")["fernet-key"].split(","))
    record = installed.config_map(f"{installed.fullname}-rotation")
    rotations = {kind: _progress(json.loads(text)) for kind, text in sorted(record.items())}
    return Status(found, keys, fernet.rows(installed), rotations)


def _progress(told: dict[str, object]) -> str:
    return f"finished {told['finished']}" if told.get("finished") else f"under way: {told['done']} steps done"


def _secret(installed: Installed, file: str, kind: str, readers: list[Use]) -> SecretStatus:
    ref, metadata = installed.secret(kind), installed.metadata(kind)
    if metadata is None:
        raise AirfleetError(f"Secret {ref.name} is missing", where=f"namespace {installed.namespace}")
    written = changed_at(metadata, ref.key(file))
    return SecretStatus(
        file if kind != "admin" else "admin",
        ref.name,
        ref.key(file),
        owner(metadata),
        f"{written:%Y-%m-%dT%H:%M:%SZ}",
        round((datetime.now(UTC) - written).total_seconds() / 86400, 1),
        [use for use in readers if use.name == file],
    )

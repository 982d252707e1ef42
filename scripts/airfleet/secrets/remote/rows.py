"""Runs in a pod of the control plane: counts the encrypted rows that need another Fernet key than the first."""

import contextlib
import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

import airfleet_common as common
from airfleet_fernet import encrypted_samples

keys = [Fernet(key.strip()) for key in common.option("core", "fernet_key").split(",")]
with contextlib.closing(common.connect()) as connection:
    values = [value.encode() for column in encrypted_samples(connection, limit=None).values() for value in column]


def reads(fernet: Fernet | MultiFernet, value: bytes) -> bool:
    """Whether the key decrypts the value."""
    try:
        fernet.decrypt(value)
    except InvalidToken:
        return False
    return True


behind = [value for value in values if not reads(keys[0], value)]
lost = [value for value in behind if not reads(MultiFernet(keys), value)]
print(json.dumps({"rows": len(values), "old": len(behind) - len(lost), "lost": len(lost), "keys": len(keys)}))

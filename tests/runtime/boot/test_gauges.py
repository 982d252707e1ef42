"""The ages that alerts look at, from files as they are mounted."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

import airfleet_gauges

DAY = 86400


def certificate(days: float) -> bytes:
    """One that expires in so many days."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    begun = min(now, now + timedelta(days=days)) - timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begun, now + timedelta(days=days))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_a_file_counts_by_its_first_certificate_that_expires(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(certificate(300) + certificate(30))
    (tmp_path / "tls.crt").write_bytes(certificate(-1))
    (tmp_path / "tls.key").write_text("no certificate")
    found = airfleet_gauges.left(tmp_path)
    assert set(found) == {f"certificate_left_seconds,file={name}" for name in ("ca.crt", "tls.crt")}
    assert abs(found["certificate_left_seconds,file=ca.crt"] - 30 * DAY) < 60
    assert found["certificate_left_seconds,file=tls.crt"] == 0, "a sign would make statsd subtract"


def test_a_key_has_an_age_if_its_secret_says_when_it_was_made(tmp_path: Path) -> None:
    (tmp_path / "fernet-key").write_text("not an age")
    (tmp_path / "jwt-secret-since").write_text(f"{time.time() - 90 * DAY:.0f}")
    found = airfleet_gauges.ages(tmp_path)
    assert set(found) == {"key_age_seconds,key=jwt-secret"}
    assert abs(found["key_age_seconds,key=jwt-secret"] - 90 * DAY) < 60


def test_without_files_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert airfleet_gauges.ages(tmp_path / "none") == airfleet_gauges.left(tmp_path / "none") == {}

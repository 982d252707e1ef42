"""What nobody else measures: the size of the database, the age of the keys, the days that certificates have left.
The DAG processor's readiness probe sends them once a minute: it reads the database anyway."""

import contextlib
import socket
import time
from pathlib import Path

from airfleet_common import connect, option

_SECRETS = Path("/opt/airfleet/secrets")  # KEY-since holds when KEY was made, in seconds since 1970
_CERTIFICATES = Path("/opt/airfleet/database-tls")


def ages(folder: Path = _SECRETS) -> dict[str, float]:
    """Seconds since each key was made, as far as its Secret says so."""
    made = {file.name.removesuffix("-since"): float(file.read_text()) for file in sorted(folder.glob("*-since"))}
    return {f"key_age_seconds,key={key}": time.time() - since for key, since in made.items()}


def left(folder: Path = _CERTIFICATES) -> dict[str, float]:
    """Seconds until the first certificate of each file expires."""
    found = {}
    for file in sorted(folder.glob("*.crt")):
        from cryptography import x509

        ends = [c.not_valid_after_utc.timestamp() for c in x509.load_pem_x509_certificates(file.read_bytes())]
        found[f"certificate_left_seconds,file={file.name}"] = max(min(ends) - time.time(), 0)  # statsd would subtract
    return found


def send() -> None:
    """Send every gauge, in one datagram, as the chart's exporter reads it."""
    with contextlib.closing(connect(timeout=3)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        gauges = {"database_size_bytes": cursor.fetchone()[0]} | ages() | left()
    prefix = option("metrics", "statsd_prefix", "airflow")
    lines = "\n".join(f"{prefix}.{name}:{value:.0f}|g" for name, value in gauges.items())
    exporter = option("metrics", "statsd_host", "localhost"), int(option("metrics", "statsd_port", "8125"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(lines.encode(), exporter)

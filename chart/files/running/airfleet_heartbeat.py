"""Exec probe of triggerer and dag-processor: `airfleet_heartbeat.py TriggererJob|DagProcessorJob [--liveness]`.
One query, no Airflow (`airflow jobs check` costs 1.9 s of CPU and 139 MB). Exit codes: 0 alive, 1 not, within 4 s.
With --liveness a database that is away counts as alive: otherwise all pods would restart at once."""

import contextlib
import importlib
import os
import socket
import sys
import threading
import time

from airfleet_common import connect, option

_PATIENCE = 4.0  # seconds; DNS and a server that hangs know no timeout of their own
# Source: health_check_threshold() in airflow/jobs/job.py of 3.3.2; 30 s is the default of both options.
_TRIGGERER = ("triggerer", "triggerer_health_check_threshold")
_THRESHOLDS = {"TriggererJob": _TRIGGERER, "DagProcessorJob": ("dag_processor", "health_check_threshold")}


def host_names() -> list[str]:
    """The names under which a component of this pod may have registered: [core] hostname_callable decides which."""
    names = {socket.gethostname()}
    with contextlib.suppress(OSError):  # a host without an entry in /etc/hosts or DNS has only its name
        found = socket.getaddrinfo(socket.gethostname(), None, 0, socket.SOCK_DGRAM, 0, socket.AI_CANONNAME)
        names.update(str(name) for *_, canonical, address in found for name in (canonical, address[0]) if name)
    module, _, function = option("core", "hostname_callable").rpartition(".")
    if module and module not in ("socket", "airflow.utils.net"):
        names.add(getattr(importlib.import_module(module), function)())
    return sorted(names)


def check(job_type: str) -> tuple[bool, str]:
    """(alive, one line that says why). Raises whatever keeps it from asking."""
    threshold = float(option(*_THRESHOLDS[job_type], "30"))
    names = host_names()
    query = "SELECT extract(epoch FROM max(latest_heartbeat)) FROM job"
    query += " WHERE job_type = %s AND state = 'running' AND hostname = ANY(%s)"
    with contextlib.closing(connect(timeout=3)) as connection, connection.cursor() as cursor:
        cursor.execute(query, [job_type, names])
        latest = cursor.fetchone()[0]
    if latest is None:
        return False, f"no running {job_type} of {' or '.join(names)}"
    # This host's clock wrote the heartbeat, so the database's clock must not judge it.
    age = time.time() - float(latest)
    return age < threshold, f"{job_type}: last heartbeat {age:.1f} s ago, allowed are {threshold:.0f} s"


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    job_type = next((word for word in arguments if not word.startswith("-")), "")
    if job_type not in _THRESHOLDS:
        print(f"usage: airfleet_heartbeat.py {'|'.join(_THRESHOLDS)} [--liveness]")
        return 64
    unknown = "--liveness" in arguments  # the answer if it cannot be asked: that says nothing about this process
    answer = [(unknown, f"the database did not answer in {_PATIENCE} s")]

    def look() -> None:
        try:
            answer.append(check(job_type))
            if job_type == "DagProcessorJob" and not unknown and option("metrics", "statsd_on").lower() == "true":
                importlib.import_module("airfleet_gauges").send()
        except Exception as error:
            if len(answer) == 1:  # else it was only the metrics that failed
                answer.append((unknown, " ".join(str(error).split())))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    alive, line = answer[-1]
    print(line, flush=True)
    os._exit(0 if alive else 1)  # a thread that hangs in libpq must not hold the probe


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

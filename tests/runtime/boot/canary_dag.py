"""The DAG of the launcher's tests. Its tasks report through the file CANARY_FILE of the worker's environment."""

from __future__ import annotations

import getpass
import json
import os
import signal
import sys
import time
from pathlib import Path

from airflow.sdk import dag, task


@dag(schedule=None)
def canary():
    @task(queue="gpu")
    def report():
        mask = os.umask(0)
        os.umask(mask)
        home = os.environ["HOME"]
        facts = {"umask": mask, "home": home, "user": getpass.getuser(), "uid": os.getuid()}
        facts["home_writable"] = os.access(home, os.W_OK)
        Path(os.environ["CANARY_FILE"]).write_text(json.dumps(facts))

    @task
    def fail():
        raise ValueError("on purpose")

    @task
    def close_and_linger():
        # The shape of the exit linger: all sockets are at their end while the process still takes its time.
        os.closerange(0, 64)
        time.sleep(1)
        os._exit(0)

    @task
    def sleep():
        canary_file = Path(os.environ["CANARY_FILE"])

        def stop(*_):
            canary_file.write_text("terminated")
            sys.exit(1)

        signal.signal(signal.SIGTERM, stop)
        canary_file.write_text("started")
        time.sleep(60)

    report(), fail(), close_and_linger(), sleep()


canary()

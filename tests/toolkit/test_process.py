"""The one place that runs programs: what it returns, what it raises, and how it treats a program when interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airfleet.errors import AirfleetError
from airfleet.process import run

# Puts something in order after an interrupt, which takes it a second.
ORDERLY = """
import pathlib, signal, sys, time
def end(*_):
    time.sleep(1)
    pathlib.Path(sys.argv[1]).touch()
    sys.exit(0)
signal.signal(signal.SIGINT, end)
pathlib.Path(sys.argv[1] + ".ready").touch()
time.sleep(60)
"""


def test_output_and_code_come_back() -> None:
    done = run([sys.executable, "-c", "import sys; print(input()); sys.exit(3)"], stdin="hello\n", check=False)
    assert (done.code, done.stdout) == (3, "hello\n")


def test_a_failure_says_the_command_and_its_last_words() -> None:
    with pytest.raises(AirfleetError) as failed:
        run(["sh", "-c", "echo no such luck >&2; exit 4"])
    assert failed.value.what == "sh exited with 4"
    assert failed.value.why == "no such luck"
    assert failed.value.where == "sh -c 'echo no such luck >&2; exit 4'"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(AirfleetError, match="no-such-program was not found"):
        run(["no-such-program"])


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(AirfleetError, match="did not finish in 0 s"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.3)


def test_an_interrupted_program_may_put_things_in_order_first(tmp_path: Path) -> None:
    mark = tmp_path / "in-order"
    code = f"from airfleet.process import run; run([{sys.executable!r}, '-c', {ORDERLY!r}, {str(mark)!r}])"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not (tmp_path / "in-order.ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, complaint = process.communicate(timeout=20)
    assert mark.exists()
    assert b"KeyboardInterrupt" in complaint

"""The one place that runs other programs: argument lists only, output captured, no secrets in arguments."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from airfleet.errors import AirfleetError

_GRACE = 15  # seconds that an interrupted program has to put things in order


@dataclass(frozen=True)
class Completed:
    """What a finished program left: its exit code and its output, as text."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


def shown(argv: Sequence[str | os.PathLike[str]]) -> str:
    """The command as one would type it in a shell."""
    return shlex.join(str(a) for a in argv)


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    check: bool = True,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    detached: bool = False,
) -> Completed:
    """Run a program to its end and return its output.

    env is added to this process's environment. timeout is in seconds. A detached program does not hear of a Ctrl-C.
    Raises AirfleetError if the program is missing, takes longer than timeout, or (with check) exits non-zero.
    """
    args = tuple(str(a) for a in argv)
    try:
        process = subprocess.Popen(
            args,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            start_new_session=detached,
        )
    except FileNotFoundError as e:
        missing = cwd if cwd is not None and not cwd.exists() else args[0]
        raise AirfleetError(
            f"{missing} was not found", where=shown(args), fix=f"install {args[0]} or put it on PATH"
        ) from e
    with process:
        stdout, stderr = _output(process, stdin, timeout, args)
    if check and process.returncode != 0:
        why = (stderr.strip() or stdout.strip())[-4000:]
        raise AirfleetError(f"{Path(args[0]).name} exited with {process.returncode}", where=shown(args), why=why)
    return Completed(args, process.returncode, stdout, stderr)


def run_bytes(argv: Sequence[str | os.PathLike[str]], stdin: bytes = b"") -> tuple[int, bytes]:
    """Run a program whose input or output may be no text; its exit code and what it printed."""
    done = subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, check=False)
    return done.returncode, done.stdout


def _output(
    process: subprocess.Popen[str], stdin: str | None, timeout: float | None, args: tuple[str, ...]
) -> tuple[str, str]:
    try:
        return process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired as e:
        process.kill()
        raise AirfleetError(f"{args[0]} did not finish in {timeout:.0f} s", where=shown(args)) from e
    except KeyboardInterrupt:
        # The terminal interrupted the program, too. It may have something to put in order: killed at once, Helm would
        # leave its release in the state pending-install, and the next one would be refused.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_GRACE)
        raise
    finally:
        if process.poll() is None:
            process.kill()


@contextmanager
def feed(argv: Sequence[str | os.PathLike[str]], output: BinaryIO) -> Iterator[IO[bytes]]:
    """Run a program while the body writes its standard input; its standard output goes to the open file output.

    Raises AirfleetError, after the body, if the program exits non-zero: for one because the disk is full.
    """
    args = tuple(str(a) for a in argv)
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=output, stderr=complaints)
        try:
            with cast(IO[bytes], process.stdin) as stdin:
                yield stdin
        except BrokenPipeError:
            pass  # the program ended early and says why
        except BaseException:
            process.kill()
            raise
        finally:
            code = process.wait()
        complaints.seek(0)
        if code != 0:
            why = complaints.read().decode(errors="replace").strip()[-4000:]
            raise AirfleetError(f"{Path(args[0]).name} exited with {code}", where=shown(args), why=why)

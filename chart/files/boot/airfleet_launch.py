"""Worker launcher: the `command:` of a pod template. The executor sets only the `args:` behind it.
It does what the image's entrypoint does for a task, imports Airflow without the garbage collector, and runs the
workload in this process: that of the arguments, or one line of JSON on stdin (docs/reference/boot-files.md)."""

import gc
import importlib
import inspect
import os
import pwd
import sys
import tempfile

_MODULE = "airflow.sdk.execution_time.execute_workload"
# What that module imports once it has a workload; with these, delivering one finds everything in memory.
_IMPORTS = """airflow.executors.base_executor airflow.executors.workloads airflow.sdk.log
    airflow.sdk.execution_time.supervisor airflow.sdk.execution_time.task_runner"""
_NO_WORKLOAD = 75  # sysexits.h EX_TEMPFAIL
_LOOK_EVERY = 0.02  # seconds between two looks for the end of a task process that has closed all its sockets


def prepare_user() -> None:
    """What the image's entrypoint does: files for the group, a home that can be written, and a name for any uid."""
    os.umask(0o002)
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = "airflow"
    for variable in ("USER", "LOGNAME"):
        os.environ.setdefault(variable, name)
    home = os.environ.get("HOME", "/")
    if home == "/" or not os.access(home, os.W_OK):
        os.environ["HOME"] = tempfile.gettempdir()


def import_airflow() -> None:
    """Import all that a task needs, none of which becomes garbage; frozen, its pages stay shared with the task."""
    gc.disable()
    for name in [_MODULE, *_IMPORTS.split()]:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()


def shorten_exit() -> bool:
    """Make the supervisor notice at once that its task has ended; True if this Airflow has the defect.
    If the last socket closes before the process can be reaped, nothing wakes `_monitor_subprocess` of 3.3.2 for 5 s."""
    from airflow.sdk.execution_time.supervisor import WatchedSubprocess

    service = getattr(WatchedSubprocess, "_service_subprocess", None)
    fields = {field.name for field in getattr(WatchedSubprocess, "__attrs_attrs__", ())}
    expected = ["self", "max_wait_time", "raise_on_timeout", "expect_signal"]
    if service is None or "_open_sockets" not in fields or list(inspect.signature(service).parameters) != expected:
        return False

    def service_subprocess(self, max_wait_time, raise_on_timeout=False, expect_signal=None):
        if not self._open_sockets and not raise_on_timeout:
            max_wait_time = min(max_wait_time, _LOOK_EVERY)
        return service(self, max_wait_time, raise_on_timeout, expect_signal)

    WatchedSubprocess._service_subprocess = service_subprocess
    return True


def run_line() -> int:
    """One workload from stdin. The imports are done by now: a pod that waits here starts a task in milliseconds."""
    from airflow.executors import workloads
    from airflow.sdk.execution_time import execute_workload
    from pydantic import TypeAdapter, ValidationError

    decoder = TypeAdapter(workloads.All)
    line = sys.stdin.buffer.readline()
    if not line.strip():
        print("no workload came over stdin", file=sys.stderr)
        return _NO_WORKLOAD
    try:
        workload = decoder.validate_json(line)
    except ValidationError as error:
        places = [".".join(map(str, item["loc"])) for item in error.errors()]  # the input itself holds a token
        print(f"the line on stdin is not a workload of this Airflow, see {', '.join(places)[:500]}", file=sys.stderr)
        return 1
    execute_workload.execute_workload(workload)
    return 0


def main(arguments: list[str]) -> int:
    """Run one workload and return the exit code."""
    prepare_user()
    if arguments and arguments[1:3] != ["-m", _MODULE]:
        os.execvp(arguments[0], arguments)  # noqa: S606
    import_airflow()
    shorten_exit()
    if not arguments:
        return run_line()
    sys.argv = arguments[2:]
    importlib.import_module(_MODULE).main()  # its own parser: messages and exit codes are what they are without us
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

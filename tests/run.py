"""Run layers of tests and say what passed, what failed and what repeats it: `python tests/run.py fast`.

A failing layer does not stop the next. Layers that keep one processor busy run two at a time, and what they print
comes in one piece when each of them ends; a live layer needs the machine for itself. tests/README.md says what each
one proves.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(".venv/bin")
PYTEST = (str(BIN / "python"), "-m", "pytest", "-q")
SHOWN_FAILURES = 20
ALONE = ("lab", "long", "bench")
AT_A_TIME = 2


@dataclass(frozen=True)
class Step:
    """One command of a layer. A pytest command is counted by its tests, any other one counts as one test."""

    argv: tuple[str, ...]

    @property
    def command(self) -> str:
        """What one types in the project's folder to repeat it."""
        return shlex.join(self.argv)

    @property
    def is_pytest(self) -> bool:
        """Whether it reports its tests in JUnit's format."""
        return "pytest" in self.argv


@dataclass
class Outcome:
    """What a step, or all of them, came to. `repeat` are the commands that run what failed again."""

    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    repeat: list[str] = field(default_factory=list)
    seconds: float = 0

    def add(self, other: Outcome) -> None:
        """Add what another step came to."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.repeat += other.repeat
        self.seconds += other.seconds


def static() -> Iterator[Step]:
    """Linters, types, and generated files that are up to date."""
    for argv in (
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("mypy",),
        ("yamllint", "--strict", "values", "chart/values.yaml", "chart/Chart.yaml", "scripts"),
        ("airfleet", "values", "docs", "--check"),
        ("airfleet", "docs", "--check"),
        ("airfleet", "values", "lint"),
    ):
        yield Step((str(BIN / argv[0]), *argv[1:]))


def with_airflow(folder: str) -> Iterator[Step]:
    """Tests that run in the packages of the Airflow image."""
    yield Step((airflow_python(), "-m", "pytest", "-q", folder))


@cache
def airflow_python() -> str:
    """The Python that has the Airflow image's packages; made on first use. Exits if that fails."""
    argv = [str(BIN / "airfleet"), "image", "venv"]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise LayerError(shlex.join(argv))
    return done.stdout.strip()


def benchmarks() -> Iterator[Step]:
    """Figures, printed and never asserted."""
    for path in sorted((ROOT / "tests" / "bench").glob("*.py")):
        yield Step((str(BIN / "python"), str(path.relative_to(ROOT))))


class LayerError(Exception):
    """A layer could not start; its text is the command that failed."""


LAYERS: dict[str, Callable[[], Iterator[Step]]] = {
    "static": static,
    "chart": lambda: iter([Step((*PYTEST, "tests/chart"))]),
    "toolkit": lambda: iter([Step((*PYTEST, "tests/toolkit"))]),
    "runtime": lambda: with_airflow("tests/runtime"),
    "dags": lambda: with_airflow("tests/dags"),
    "lab": lambda: iter([Step((*PYTEST, "-m", "not long", "tests/lab"))]),
    "long": lambda: iter([Step((*PYTEST, "-m", "long", "tests/lab"))]),
    "bench": benchmarks,
}
GROUPS = {
    "fast": ("static", "chart", "toolkit"),
    "all": ("runtime", "toolkit", "chart", "dags", "static", "lab"),  # the longest first: see AT_A_TIME
}


def run_step(step: Step, output: IO[str] | None = None) -> Outcome:
    """Run one command with its output passed on, or written to a file, and count what it came to."""
    print(f"$ {step.command}", file=output, flush=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        extra = (f"--junitxml={report}", "-o", "junit_family=xunit1") if step.is_pytest else ()
        errors = subprocess.STDOUT if output else None
        argv, env = (*step.argv, *extra), {**os.environ, **temporary(step)}
        done = subprocess.run(argv, cwd=ROOT, env=env, stdout=output, stderr=errors, check=False)
        outcome = read_report(report, step) if report.is_file() else Outcome()
    if done.returncode != 0 and not outcome.failed:
        outcome.failed, outcome.repeat = 1, [step.command]
    elif not step.is_pytest:
        outcome.passed = 1
    outcome.seconds = time.monotonic() - start
    return outcome


def temporary(step: Step) -> dict[str, str]:
    """Where a step's tests write. Every pytest closes the folder that all share to other users, at any moment of a test
    that runs as one: so each step has a folder of its own, and a pytest that a test starts has the same."""
    if "PYTEST_DEBUG_TEMPROOT" in os.environ:
        return {}
    folder = Path(tempfile.gettempdir()) / f"airfleet-{Path(step.argv[-1]).name}"
    folder.mkdir(mode=0o755, exist_ok=True)
    return {"PYTEST_DEBUG_TEMPROOT": str(folder)}


def read_report(report: Path, step: Step) -> Outcome:
    """Count the tests of a JUnit report."""
    outcome = Outcome()
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it a moment ago
        test = f"{case.get('file')}::{case.get('name')}" if case.get("file") else str(case.get("name"))
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
            outcome.repeat.append(shlex.join((*step.argv[:-1], test)))
        elif skipped is not None:
            outcome.skipped.append(f"{test}: {skipped.get('message')}")
        else:
            outcome.passed += 1
    return outcome


def run_layer(name: str, output: IO[str] | None = None) -> Outcome:
    """Run all of a layer's commands."""
    print(f"\n=== {name} ===", file=output, flush=True)
    total = Outcome()
    start = time.monotonic()
    try:
        for step in LAYERS[name]():
            total.add(run_step(step, output))
    except LayerError as error:
        total.add(Outcome(failed=1, repeat=[str(error)]))
    total.seconds = time.monotonic() - start
    return total


def run_layers(names: Sequence[str]) -> dict[str, Outcome]:
    """Run layers: first those that can share the machine, then each of those that need it."""
    shared = [name for name in names if name not in ALONE]
    run = run_layer if len(shared) == 1 else _in_one_piece
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        outcomes = dict(zip(shared, pool.map(run, shared), strict=True))
    outcomes |= {name: run_layer(name) for name in names if name in ALONE}
    return {name: outcomes[name] for name in names}


def _in_one_piece(name: str) -> Outcome:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        outcome = run_layer(name, output)
        output.seek(0)
        sys.stdout.write(output.read())
        sys.stdout.flush()
    return outcome


def print_summary(outcomes: dict[str, Outcome]) -> None:
    """A table of the layers, what was skipped and why, and the commands that repeat what failed."""
    print(f"\n{'layer':<10}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for name, outcome in outcomes.items():
        counts = f"{outcome.passed:>8}{outcome.failed:>8}{len(outcome.skipped):>9}{outcome.seconds:>9.1f}"
        print(f"{name:<10}{counts}")
    for name, outcome in outcomes.items():
        for text in outcome.skipped:
            print(f"skipped in {name}: {text}")
    for name, outcome in outcomes.items():
        for command in outcome.repeat[:SHOWN_FAILURES]:
            print(f"failed in {name}, to repeat it: {command}")
        if len(outcome.repeat) > SHOWN_FAILURES:
            print(f"failed in {name}: {len(outcome.repeat) - SHOWN_FAILURES} more")
        if outcome.failed:
            print(f"to repeat the layer: {BIN / 'python'} tests/run.py {name}")


def main(names: list[str]) -> int:
    """Run the named layers and groups. Returns 0 if nothing failed, 1 if something did, 64 for a wrong name."""
    chosen = [layer for name in names or ["fast"] for layer in GROUPS.get(name, (name,))]
    if wrong := [name for name in chosen if name not in LAYERS]:
        print(f"no layer {', '.join(wrong)}; there are {', '.join([*LAYERS, *GROUPS])}", file=sys.stderr)
        return 64
    # A shell has what it starts in the background ignore Ctrl-C, and what that starts; tests send some of it one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    outcomes = run_layers(list(dict.fromkeys(chosen)))
    print_summary(outcomes)
    passed, failed = (sum(getattr(o, which) for o in outcomes.values()) for which in ("passed", "failed"))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

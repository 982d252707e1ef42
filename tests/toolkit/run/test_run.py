"""tests/run.py counts what pytest reports, goes on after a failure, and names the command that repeats it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

RUN = Path(__file__).parents[2] / "run.py"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("run", RUN)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "run", module)
    spec.loader.exec_module(module)
    return module


# What the runner is tried on: one test of every outcome, a skipped one among them.
TESTS = """\
import pytest
def test_good(): pass
def test_bad(): assert False
@pytest.mark.skip(reason="no cluster")  # the specimen that has to be counted as skipped
def test_skipped(): pass
@pytest.fixture
def broken(): raise ValueError
def test_error(broken): pass
"""


def test_counts_and_names_what_failed(run: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(TESTS)
    outcome = run.run_step(run.Step((*run.PYTEST, "--rootdir", str(tmp_path), str(tmp_path / "test_x.py"))))
    assert (outcome.passed, outcome.failed) == (1, 2)
    assert [text.rpartition(": ")[2] for text in outcome.skipped] == ["no cluster"]
    assert [command.rpartition("::")[2] for command in outcome.repeat] == ["test_bad", "test_error"]


def test_a_file_that_does_not_import_is_a_failure(run: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("import nothing_of_that_name\n")
    outcome = run.run_step(run.Step((*run.PYTEST, "--rootdir", str(tmp_path), str(tmp_path / "test_x.py"))))
    assert outcome.failed == 1


def test_no_tests_at_all_is_a_failure(run: ModuleType, tmp_path: Path) -> None:
    outcome = run.run_step(run.Step((*run.PYTEST, str(tmp_path))))
    assert (outcome.passed, outcome.failed) == (0, 1)


def test_a_command_counts_as_one(run: ModuleType) -> None:
    assert run.run_step(run.Step((sys.executable, "-c", ""))).passed == 1
    bad = run.run_step(run.Step((sys.executable, "-c", "raise SystemExit(3)")))
    assert (bad.passed, bad.failed, len(bad.repeat)) == (0, 1, 1)


def test_every_layer_runs_and_the_sum_is_told(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = run.Step((sys.executable, "-c", "")), run.Step((sys.executable, "-c", "raise SystemExit(1)"))
    monkeypatch.setattr(run, "LAYERS", {"one": lambda: iter([bad, good]), "two": lambda: iter([good])})
    assert run.main(["one", "two"]) == 1
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "2 passed, 1 failed"
    assert "to repeat the layer: .venv/bin/python tests/run.py one" in out
    assert run.main(["two"]) == 0


def test_two_layers_run_at_a_time_and_a_live_one_alone(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Two of them wait for a file that the other makes: one after the other, they would wait for ever."""
    meet = "import pathlib, sys, time\npathlib.Path(sys.argv[1]).touch()\nend = time.time() + 60\n"
    meet += "while not pathlib.Path(sys.argv[2]).exists() and time.time() < end: time.sleep(0.05)\n"
    meet += "print('met'); time.sleep(0.5); pathlib.Path(sys.argv[1]).unlink(); sys.exit(time.time() > end)"
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    alone = f"import pathlib; print('alone', list(pathlib.Path({str(tmp_path)!r}).glob('o*')))"
    argv = {
        "lab": (sys.executable, "-c", alone),
        "chart": (sys.executable, "-c", meet, one, other),
        "static": (sys.executable, "-c", meet, other, one),
    }
    monkeypatch.setattr(run, "LAYERS", {name: lambda a=a: iter([run.Step(a)]) for name, a in argv.items()})
    assert run.main(["lab", "static", "chart"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line for line in lines if line in ("met", "alone []")] == ["met", "met", "alone []"]


def test_a_wrong_name_is_refused(run: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["chrat"]) == 64
    assert "no layer chrat; there are static, chart," in capsys.readouterr().err


def test_two_steps_do_not_share_a_temporary_folder(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pytest takes the rights to the folder that it writes to away from everybody else."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(run.tempfile, "tempdir", None)
    monkeypatch.delenv("PYTEST_DEBUG_TEMPROOT", raising=False)
    places = [run.temporary(run.Step((*run.PYTEST, f"tests/{name}"))) for name in ("runtime", "toolkit")]
    assert [each["PYTEST_DEBUG_TEMPROOT"] for each in places] == [
        f"{tmp_path}/airfleet-{name}" for name in ("runtime", "toolkit")
    ]
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", places[1]["PYTEST_DEBUG_TEMPROOT"])
    assert run.temporary(run.Step(run.PYTEST)) == {}  # of a pytest that a test starts

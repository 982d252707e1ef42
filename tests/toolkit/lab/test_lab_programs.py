from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from airfleet.errors import AirfleetError
from airfleet.lab import preflight, programs


@pytest.fixture(autouse=True)
def _any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about building, which needs neither root nor a kernel of some kind."""
    monkeypatch.setattr(preflight, "check_machine", lambda: None)


def test_every_module_is_pinned_by_a_committed_go_sum() -> None:
    for module in programs.modules():
        sums = (module.source / "go.sum").read_text()
        required = re.findall(r"^\t(\S+) (v\S+)", (module.source / "go.mod").read_text(), re.MULTILINE)
        assert required, module.name
        missing = [f"{name} {version}" for name, version in required if f"{name} {version}" not in sums]
        assert missing == [], module.name
        assert "replace" not in (module.source / "go.mod").read_text()


def test_the_digest_follows_the_sources_and_not_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(programs.SOURCES / "node", tmp_path / "node")
    module = next(m for m in programs.modules() if m.name == "node")
    monkeypatch.setattr(programs, "SOURCES", tmp_path)
    first = programs.digest(module)
    (tmp_path / "node" / "policy" / "new_test.go").write_text("package policy\n")
    assert programs.digest(module) == first
    source = tmp_path / "node" / "go.sum"
    source.write_text(source.read_text() + "\n")
    assert programs.digest(module) != first
    assert programs.digest(replace(module, links={})) != first


def test_two_commands_at_once_build_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, tools = tmp_path / "go" / "one", tmp_path / "tools"
    source.mkdir(parents=True)
    tools.mkdir()
    (source / "go.mod").write_text("module one\n\ngo 1.21\n")
    go = tools / "go"
    go.write_text(
        f'#!/bin/sh\n[ "$1" = env ] && {{ echo go1.99; exit; }}\necho built >>{tmp_path}/builds; sleep 0.3\n'
        'while [ "$1" != -o ]; do shift; done; touch "$2/one"\n'
    )
    go.chmod(0o755)
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setattr(programs, "SOURCES", tmp_path / "go")
    monkeypatch.setattr(programs, "modules", lambda: [programs.Module("one", "one", (programs.Build((".",)),))])
    monkeypatch.setattr(programs, "_BUILD_SPACE", 0)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: programs.ensure(), range(2))
    assert first == second
    assert (Path(first["one"]) / "one").exists()
    assert (tmp_path / "builds").read_text() == "built\n"


def test_a_failed_build_shows_the_compilers_words_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "go" / "broken"
    broken.mkdir(parents=True)
    (broken / "go.mod").write_text("module broken\n\ngo 1.21\n")
    (broken / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    module = programs.Module("broken", "a broken program", (programs.Build((".",)),))
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(programs, "SOURCES", tmp_path / "go")
    monkeypatch.setattr(programs, "modules", lambda: [module])
    monkeypatch.setattr(programs, "_BUILD_SPACE", 0)
    with pytest.raises(AirfleetError, match="go build failed for a broken program") as refused:
        programs.ensure()
    assert "undefined: undefined" in refused.value.why
    assert {p.name for p in (tmp_path / "cache").iterdir()} == {"bin", "lab-build.lock"}
    assert list((tmp_path / "cache" / "bin").iterdir()) == []

    (broken / "main.go").write_text("package main\n\nfunc main() {}\n")
    built = Path(programs.ensure()["broken"])
    assert [p.name for p in built.iterdir()] == ["broken"]
    assert programs.missing() == []

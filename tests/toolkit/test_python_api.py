"""docs/reference/python-api.md: its example prints what it shows, and what it lists is there and described."""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airfleet.api_reference import OF_THESE_ONLY, PAGE, SURFACE, api_text
from airfleet.paths import project_root
from lab_harness.typed import example, git

TEXT = (project_root() / PAGE).read_text()
NAMES = [(module, name) for module, names in SURFACE.items() for name in names]


def test_the_example_prints_what_the_page_shows(tmp_path: Path) -> None:
    code, printed = re.findall(r"```(?:python|text)\n(.*?)```", TEXT, re.DOTALL)[:2]
    checkout = example(tmp_path / "fleet")
    prod = checkout / "values/env/prod.yaml"
    prod.write_text(prod.read_text().replace("parallelism: 256", "parallelism: 512"))
    git(checkout, "commit", "--quiet", "--all", "--message", "more at a time")
    script = tmp_path / "example.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], cwd=checkout, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, printed), done.stderr


def test_the_page_is_what_the_code_says() -> None:
    assert api_text() == TEXT


def public_members(name: str, found: Any) -> Iterator[Any]:
    """The functions and properties of a class that are for others."""
    for member, value in vars(found).items():
        value = value.fget if isinstance(value, property) else getattr(value, "func", getattr(value, "__func__", value))
        if inspect.isfunction(value) and not member.startswith("_") and member in OF_THESE_ONLY.get(name, (member,)):
            yield value


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_a_name_is_there_and_is_described(module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)
    section = TEXT.split(f"\n## {module}\n")[1].split("\n## ")[0]
    entry = section.split(f"\n### {name}\n")[1].split("\n### ")[0]
    described = re.sub(r"```python\n.*?```|^- .*", "", entry, flags=re.DOTALL | re.MULTILINE).strip()
    assert described, f"{module}.{name} has no docstring"
    if inspect.isclass(found):
        assert [each.__qualname__ for each in public_members(name, found) if not each.__doc__] == []


@pytest.mark.parametrize("name", sorted(OF_THESE_ONLY))
def test_members_that_are_listed_are_there(name: str) -> None:
    (found,) = {getattr(importlib.import_module(module), n) for module, n in NAMES if n == name}
    there = {*vars(found), *vars(found).get("__annotations__", {})}
    assert {*OF_THESE_ONLY[name]} <= there


def test_the_page_mentions_nothing_private() -> None:
    assert re.findall(r"(?<![\w/])_[A-Za-z]\w*", TEXT) == []
    assert "lambda" not in TEXT
    assert "field(" not in TEXT


def test_what_signatures_mention_is_on_the_page() -> None:
    """Nobody is given an object of a class of ours that the page does not tell of."""
    listed = [getattr(importlib.import_module(module), name) for module, name in NAMES]
    missing = {
        f"{mentioned.__module__}.{mentioned.__name__}"
        for (_, name), found in zip(NAMES, listed, strict=True)
        for mentioned in mentioned_by(name, found)
        if mentioned not in listed
    }
    assert missing == set()


def mentioned_by(name: str, found: Any) -> Iterator[type]:
    """Our classes in the annotations of a function, or of a class's fields and members for others."""
    annotated = [found, *public_members(name, found)] if inspect.isclass(found) else [found]
    for each in annotated:
        module = sys.modules.get(getattr(each, "__module__", ""))
        for field, annotation in getattr(each, "__annotations__", {}).items():
            if each is found and inspect.isclass(found) and field not in OF_THESE_ONLY.get(name, (field,)):
                continue
            for word in re.findall(r"[A-Za-z_]\w*", str(annotation)):
                mentioned = getattr(module, word, None)
                if inspect.isclass(mentioned) and mentioned.__module__.startswith("airfleet."):
                    yield mentioned


def test_prose_has_no_tags() -> None:
    """A `<name>` outside of code would vanish."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", TEXT, flags=re.DOTALL)
    assert re.findall(r"<[a-z]+>", prose) == []


def test_errors_that_are_raised_can_be_caught() -> None:
    """Each that a docstring names is on the page, or Python's own."""
    raised = set(re.findall(r"\b([A-Z]\w+Error)\b", TEXT))
    assert raised > {"AirfleetError", "UsageError", "FleetError", "KeyError"}
    assert {each for each in raised if not hasattr(builtins, each)} <= {name for _, name in NAMES}

"""A fleet whose clusters are folders, and the one in values/."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from airfleet.helm import helm
from airfleet.paths import project_root
from lab_harness.folder_fleet import Place, made
from lab_harness.playbooks import Ansible, program


@pytest.fixture(scope="session", autouse=True)
def _ansible() -> None:
    """What is made once is made before a test's time runs."""
    program("ansible-playbook")
    helm()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return made(tmp_path)


@pytest.fixture
def example(tmp_path: Path) -> Ansible:
    """The fleet in values/, which is only read."""
    command = shlex.join([sys.executable, "-c", "from airfleet.cli import main; main()"])
    return Ansible(project_root() / "values", command, tmp_path)

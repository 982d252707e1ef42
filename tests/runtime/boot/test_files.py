"""What holds for all boot files together."""

from __future__ import annotations

import ast
import sys

import pytest

from conftest import BOOT, RUNNING

BESIDE = sorted(RUNNING.glob("*.py"))
FILES = [*sorted(BOOT.glob("*.py")), *BESIDE]


def test_they_stay_few_and_small():
    lines = {file.name: len(file.read_text().splitlines()) for file in FILES}
    beside = sum(lines[file.name] for file in BESIDE)
    assert sum(lines.values()) - beside <= 1000, lines
    assert beside <= 250, lines
    assert max(lines.values()) <= 350, lines
    # Helm stores the chart in one Secret of at most 1 MiB, and the files once more in a ConfigMap.
    assert sum(file.stat().st_size for file in [*BOOT.iterdir(), *BESIDE] if file.is_file()) < 64 * 1024


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_names_and_syntax(file):
    """One prefix, since they share sys.path with everything; and Python 3.10, which Airflow still supports."""
    assert file.name.startswith("airfleet_")
    ast.parse(file.read_text(), feature_version=(3, 10))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_they_need_nothing_that_the_stock_image_lacks(file):
    """Only the standard library and what Airflow itself depends on."""
    tree = ast.parse(file.read_text())
    modules = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    tops = {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names)
    assert {top for top in tops if not top.startswith("airfleet_")} <= IN_THE_STOCK_IMAGE


IN_THE_STOCK_IMAGE = {
    "airflow",
    "cryptography",
    "fastapi",
    "kubernetes",
    "pluggy",
    "psycopg2",
    "pydantic",
    "sqlalchemy",
}


def test_the_entry_point_names_an_existing_module():
    text = (BOOT / "airfleet_boot.entry_points.txt").read_text()
    assert text == "[airflow.policy]\nairfleet = airfleet_policy\n"
    assert (BOOT / "airfleet_policy.py").exists()
    assert "Name: airfleet-boot" in (BOOT / "airfleet_boot.METADATA").read_text()

"""The rendered configuration and the DAGs, read by the real Airflow.

Run with the Python that has the image's packages: `airfleet image venv` prints its path.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[2]
PROGRAMS = [PROJECT / "chart" / "files" / folder for folder in ("boot", "running")]
sys.path.insert(0, str(PROJECT / "scripts"))
sys.dont_write_bytecode = True

PRESETS = sorted((PROJECT / "values" / "presets").glob("*.yaml"))


@cache
def rendered(preset: Path | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """The chart's objects with default values, or with a preset's, by kind and name."""
    from airfleet.helm import template

    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as own:
        own.write("image: {repository: registry.example.com/airflow}\n")  # what a preset leaves to its user
        own.flush()
        values = [preset, Path(own.name)] if preset else []
        text = template(PROJECT / "chart", release="airflow", namespace="airflow", values=values)
    objects = [o for o in yaml.safe_load_all(text) if o]
    return {(o["kind"], o["metadata"]["name"]): o for o in objects}


def airflow(code: str, home: Path, **environment: str) -> Any:
    """Run code in a fresh Airflow process; it prints one JSON document as its last line."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": ":".join(map(str, PROGRAMS)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        **environment,
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])

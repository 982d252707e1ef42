"""What a page tells its reader to type, where no cluster is needed: with `airfleet` on PATH, in a copy of the example."""

from __future__ import annotations

import sys
from pathlib import Path


def on_path(folder: Path) -> Path:
    """A folder for PATH with `airfleet`: the code that is tested, whatever else is installed."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "airfleet"
    program.write_text(f"#!{sys.executable}\nfrom airfleet.cli import main\n\nmain()\n")
    program.chmod(0o755)
    return folder

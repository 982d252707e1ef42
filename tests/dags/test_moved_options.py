"""The converter's table of options that moved since Airflow 2 is the one that this Airflow has."""

from __future__ import annotations

import json
from pathlib import Path

TABLE = Path(__file__).resolve().parents[2] / "scripts/airfleet/migrate/airflow_options.json"


def test_the_table_says_what_airflow_says() -> None:
    from airflow.cli.commands.config_command import CONFIGS_CHANGES

    moves = {
        f"{change.config.section}.{change.config.option}": (
            f"{change.renamed_to.section}.{change.renamed_to.option}" if change.renamed_to else None
        )
        for change in CONFIGS_CHANGES
        if change.renamed_to or change.was_removed
    }
    wanted = {}
    for old, new in moves.items():
        while new in moves:  # some moved twice
            new = moves[new]
        wanted[old] = new
    assert json.loads(TABLE.read_text()) == wanted

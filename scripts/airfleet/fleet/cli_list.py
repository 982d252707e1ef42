"""The command `airfleet clusters`."""

from __future__ import annotations

import json
from dataclasses import asdict

from airfleet.fleet.cli import FleetOption, JsonOption, SelectorOption


def clusters(fleet: FleetOption = None, selector: SelectorOption = "", as_json: JsonOption = False) -> None:
    """List the clusters as the files describe them, by wave and then by name. No cluster is asked."""
    from airfleet.fleet import reports
    from airfleet.fleet.inventory import find_fleet, read_fleet
    from airfleet.fleet.listing import listing

    read = read_fleet(find_fleet(fleet))
    found = listing(read, read.select(selector))
    print(json.dumps(asdict(found), indent=2, ensure_ascii=False) if as_json else reports.clusters(found))

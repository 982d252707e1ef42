#!/usr/bin/env python3
"""The clusters of a fleet as Ansible reads them: `airfleet clusters --json`, in the form of a dynamic inventory.

AIRFLEET_FLEET is the fleet.yaml or its folder (by default the one in ., in values/ or above), AIRFLEET_SELECTOR chooses
clusters as `airfleet -l` does, and AIRFLEET_COMMAND is how airfleet is called (by default `airfleet`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ALL = "airfleet_clusters"
"""The group of all clusters, in the order in which `airfleet apply` comes to them."""


def inventory(listing: Mapping[str, Any], command: Sequence[str]) -> dict[str, Any]:
    """What Ansible reads. Raises ValueError if two groups would have one name."""
    found: dict[str, Any] = {ALL: {"hosts": [row["name"] for row in listing["clusters"]]}}
    origins: dict[str, str] = {}
    for origin, name, hosts in groups(listing):
        if origins.setdefault(name, origin) != origin or name == ALL:
            raise ValueError(
                f"{origin} and {origins[name] if name != ALL else 'all clusters'} are both the group {name}"
            )
        found[name] = {"hosts": hosts}
    waves = {wave["name"]: wave for wave in listing["waves"]}
    fleet = os.path.abspath(listing["fleet"])  # noqa: PTH100 - as it was named, whatever links lead there
    hostvars = {row["name"]: variables(row, waves[row["wave"]], fleet, command) for row in listing["clusters"]}
    return {**found, "_meta": {"hostvars": hostvars}}


def groups(listing: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """What a group is made of, its name and its hosts: waves, their batches, axes and owners."""
    batches = [batch for wave in listing["waves"] for batch in sliced(wave["clusters"], wave["batch"])]
    for number, hosts in enumerate(batches, 1):
        yield f"batch {number}", f"batch_{number:04}", hosts
    for wave in listing["waves"]:
        yield f"wave {wave['name']}", group_name("wave", wave["name"]), wave["clusters"]
    members: dict[tuple[str, str, str], list[str]] = {}
    for row in listing["clusters"]:
        for axis, value in row["axes"].items():
            members.setdefault(("axis", axis, value), []).append(row["name"])
        members.setdefault(("owner", "owner", row["owner"]), []).append(row["name"])
    for (kind, key, value), hosts in members.items():
        yield f"{kind} {key}={value}", group_name(key, value), hosts


def sliced(names: Sequence[str], size: int) -> Iterator[list[str]]:
    """Names, so many at a time."""
    for start in range(0, len(names), size):
        yield list(names[start : start + size])


def group_name(key: str, value: str) -> str:
    """A name that Ansible takes: eu-1 of region is region_eu_1."""
    return re.sub(r"[^A-Za-z0-9_]", "_", f"{key}_{value}")


def variables(row: Mapping[str, Any], wave: Mapping[str, Any], fleet: str, command: Sequence[str]) -> dict[str, Any]:
    """What the role has to know of a cluster, and all that the fleet's files say of it. Nothing runs on the host."""
    told = {f"airfleet_cluster_{key}": value for key, value in row.items() if key != "name"}
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "airfleet_cluster_command": list(command),
        "airfleet_cluster_fleet": fleet,
        "airfleet_cluster_max_failures": wave["max_failures"],
        **told,
    }


def main() -> int:
    """Print the inventory; or, where airfleet can't say it, pass on its error and its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--list", action="store_true", help="all groups, hosts and variables")
    which.add_argument("--host", help="a host's variables; --list has told them already")
    if parser.parse_args().host:
        print("{}")
        return 0
    command = shlex.split(os.environ.get("AIRFLEET_COMMAND", "")) or ["airfleet"]
    if os.sep in command[0]:
        command[0] = os.path.abspath(command[0])  # noqa: PTH100 - a link may be what says which Python runs it
    chosen = (("--fleet", os.environ.get("AIRFLEET_FLEET")), ("--selector", os.environ.get("AIRFLEET_SELECTOR")))
    options = [word for option, value in chosen if value for word in (option, value)]
    try:
        done = subprocess.run(
            [*command, "clusters", "--json", *options], stdout=subprocess.PIPE, text=True, check=False
        )
    except OSError as e:
        print(f"error: {command[0]}: {e.strerror}\n  fix:   say how it is called: AIRFLEET_COMMAND", file=sys.stderr)
        return 1
    if done.returncode != 0:
        return done.returncode
    try:
        print(json.dumps(inventory(json.loads(done.stdout), command), indent=2))
    except ValueError as e:
        print(f"error: {e}\n  fix:   rename one of them in the fleet's files", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

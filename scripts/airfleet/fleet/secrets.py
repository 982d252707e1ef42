"""The secrets of encrypted layers: decrypted by SOPS, once in a run, in memory alone.

Nothing is written to a disk and nothing secret stands in an argument. A layer that can't be decrypted is an error,
never an empty layer. Only what writes to clusters, and `render --decrypt`, needs this.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airfleet import console
from airfleet.errors import AirfleetError, ExitCode
from airfleet.fleet.documents import Deleted, Leaf, Node, Table, parse, plain
from airfleet.fleet.inventory import Cluster, Fleet, Layer
from airfleet.fleet.merge import keyed
from airfleet.fleet.model import Finding, FleetError, KeyPath, dotted
from airfleet.fleet.taint import is_encrypted, sealed
from airfleet.gotools import GoProgram, parse_version
from airfleet.process import run

MINIMUM = (3, 9)
SOPS = GoProgram("sops", "SOPS 3", "github.com/getsops/sops/v3/cmd/sops", "v3.13.3", "3 minutes")
_INSTALL = "install SOPS 3.9 or newer (https://getsops.io), or set AIRFLEET_SOPS to its path"
_SECONDS = 60.0  # for one file; a key service may have to be asked


@functools.cache
def sops() -> Path:
    """SOPS: $AIRFLEET_SOPS, else the one on PATH, else one built into the cache.

    Raises AirfleetError if $AIRFLEET_SOPS is no SOPS of version 3.9 or newer, or if none is found and Go is missing.
    """
    if chosen := os.environ.get("AIRFLEET_SOPS"):
        if (sops_version(Path(chosen)) or (0, 0)) < MINIMUM:
            raise AirfleetError("$AIRFLEET_SOPS is not SOPS 3.9 or newer", where=chosen, fix=_INSTALL)
        return Path(chosen)
    on_path = shutil.which("sops")
    if on_path and (sops_version(Path(on_path)) or (0, 0)) >= MINIMUM:
        return Path(on_path)
    return SOPS.built(_INSTALL)


def sops_version(path: Path) -> tuple[int, int] | None:
    """Major and minor version of the SOPS at path; None if it is not one."""
    try:
        done = run([path, "--version", "--disable-version-check"], check=False, timeout=30)
    except (AirfleetError, OSError):
        return None
    match = re.match(r"sops (\S+)", done.stdout)
    return parse_version(match[1]) if match else None


def decrypted(fleet: Fleet, clusters: Iterable[Cluster] | None = None, jobs: int = 8) -> Fleet:
    """The fleet with its secrets instead of placeholders, in the layers of these clusters (by default of all).

    jobs is how many files are decrypted at once. From then on whatever is said to the user is searched for them.
    Raises FleetError with every file that can't be decrypted.
    """
    chosen = fleet.clusters.values() if clusters is None else clusters
    wanted = sorted({name for cluster in chosen for name in cluster.layers if fleet.layers[name].secret})
    if not wanted:
        return fleet
    sops()  # found or built once, before many threads ask for it

    def look(name: str) -> Layer | Finding:
        return _layer(fleet, fleet.layers[name])

    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(look, wanted))
    if refused := tuple(each for each in found if isinstance(each, Finding)):
        count = f"{len(refused)} file{'s' * (len(refused) != 1)}"
        raise FleetError(f"{count} of the fleet can't be decrypted", code=ExitCode.ERROR, findings=refused)
    layers = {layer.name: layer for layer in found if isinstance(layer, Layer)}
    console.hide(secret for layer in layers.values() for secret in _secrets(layer.values))
    return replace(fleet, layers={**fleet.layers, **layers}, sealed=fleet)


def _layer(fleet: Fleet, layer: Layer) -> Layer | Finding:
    place = layer.values.place
    root = parse("\n".join(layer.lines), place.file, layer.name).root
    if not root.entries:
        return layer
    done = run([sops(), "decrypt", "--output-type", "json", layer.file], check=False, timeout=_SECONDS)
    if done.code != 0:
        why = done.stderr.strip()[-2000:] or f"sops exits with {done.code}"
        fix = "give SOPS the key, such as by SOPS_AGE_KEY_FILE: docs/guide/fleet.md"
        return Finding(place, "sops", "SOPS can't decrypt this file", why, fix)
    try:
        values = json.loads(done.stdout)
    except ValueError:
        values = None
    entries = {name: entry for name, entry in root.entries.items() if name != "sops"}
    opening = _Opening([])
    opened = opening.node(Table(entries, root.place, root.layer, root.replaces), values, ())
    if opening.problems or not isinstance(opened, Table):
        why = "; ".join(opening.problems[:5]) or "it printed no JSON"
        return Finding(place, "sops", "what SOPS decrypted is not this file", why, "was it edited meanwhile? try again")
    table, findings = keyed(opened, fleet.spec.list_keys)
    return replace(layer, values=table, decrypted=True) if not findings else findings[0]


@dataclass
class _Opening:
    """Puts decrypted values in the place of encrypted ones; each is still known by the digest of its encrypted text."""

    problems: list[str]

    def node(self, node: Node, value: Any, path: KeyPath) -> Node:
        if isinstance(node, Table):
            there = value if isinstance(value, Mapping) else {}
            if missing := [name for name in node.entries if name not in there]:
                self.problems.append(f"{dotted((*path, missing[0]))} is missing")
            opened = {name: self.node(entry, there.get(name), (*path, name)) for name, entry in node.entries.items()}
            return replace(node, entries=opened)
        if isinstance(node, Deleted):
            return node
        if node.items:
            return self.list(node, value, path)
        if not is_encrypted(node.value):
            return node
        if value is None or is_encrypted(value):
            self.problems.append(f"{dotted(path)} is not decrypted")
        if value == "$delete":
            self.problems.append(f"{dotted(path)} is an encrypted $delete, which SOPS has to leave as it is")
        mark = _mark(node)
        return replace(node, value=value, sealed=mark)

    def list(self, node: Leaf, value: Any, path: KeyPath) -> Leaf:
        there = value if isinstance(value, list) else []
        if len(there) != len(node.items):
            self.problems.append(f"{dotted(path)} has {len(there)} items instead of {len(node.items)}")
            return node
        pairs = enumerate(zip(node.items, there, strict=True))
        items = tuple(self.node(item, own, (*path, f"[{number}]")) for number, (item, own) in pairs)
        return replace(node, value=[plain(item) for item in items], items=items, sealed=_mark(node))


def _mark(node: Leaf) -> str:
    found = sealed(Table({"value": node}, node.place)).entries["value"]
    return found.sealed if isinstance(found, Leaf) else ""


def _secrets(node: Node) -> Iterator[Any]:
    """The values at and below a node that are secret."""
    if isinstance(node, Table):
        for entry in node.entries.values():
            yield from _secrets(entry)
    elif isinstance(node, Leaf) and node.items:
        for item in node.items:
            yield from _secrets(item)
    elif isinstance(node, Leaf) and node.sealed:
        yield node.value

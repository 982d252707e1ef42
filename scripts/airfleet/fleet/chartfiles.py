"""What a chart says of its own values: the defaults and the schema; and the values that its templates get to see."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from airfleet.errors import AirfleetError, InvalidError
from airfleet.fleet import helmyaml
from airfleet.fleet.render import Chart
from airfleet.helm import run_helm
from airfleet.paths import cache_dir


@dataclass(frozen=True)
class ChartFiles:
    """values.yaml, and values.schema.json if the chart has one."""

    defaults: Mapping[str, Any]
    schema: Mapping[str, Any] | None


@lru_cache(maxsize=64)
def chart_files(chart: Chart) -> ChartFiles:
    """Read them. Raises AirfleetError if the chart can't be had, InvalidError if a file of it is wrong."""
    texts = _from_folder(Path(chart.reference)) if Path(chart.reference).is_dir() else _from_archive(_archive(chart))
    try:
        defaults = helmyaml.load(texts.get("values.yaml", "")) or {}
        schema = json.loads(texts["values.schema.json"]) if "values.schema.json" in texts else None
    except (yaml.YAMLError, ValueError) as e:
        raise InvalidError("a file of the chart can't be read", where=chart.reference, why=str(e)) from e
    return ChartFiles(defaults, schema)


def _from_folder(folder: Path) -> dict[str, str]:
    names = ("values.yaml", "values.schema.json")
    return {name: (folder / name).read_text(encoding="utf-8") for name in names if (folder / name).is_file()}


def _from_archive(archive: Path) -> dict[str, str]:
    found = {}
    with tarfile.open(archive) as opened:
        for member in opened.getmembers():
            _, _, name = member.name.partition("/")
            if name in ("values.yaml", "values.schema.json") and (file := opened.extractfile(member)):
                found[name] = file.read().decode()
    return found


def _archive(chart: Chart) -> Path:
    """A chart's archive: itself, or what is pulled from its registry, once for each version."""
    if "://" not in chart.reference:
        return Path(chart.reference)
    folder = cache_dir() / "charts" / chart.digest.partition("://")[2].replace("/", "+").replace(":", "+")
    if not (there := sorted(folder.glob("*.tgz"))):
        run_helm(["pull", chart.reference, "--version", chart.version, "--destination", folder], timeout=300)
        there = sorted(folder.glob("*.tgz"))
    if not there:
        raise AirfleetError("Helm pulled no archive of the chart", where=chart.reference)
    return there[0]


def effective(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What templates see as .Values: the user's values over the chart's, by Helm's rules.

    A null of the user's takes a default away; a null among the defaults is no value.
    """
    seen = dict(values)
    for name, default in defaults.items():
        if default is None:
            continue
        if name not in seen:
            seen[name] = effective(default, {}) if isinstance(default, Mapping) else default
        elif seen[name] is None:
            del seen[name]
        elif isinstance(seen[name], Mapping) and isinstance(default, Mapping):
            seen[name] = effective(default, seen[name])
    return seen

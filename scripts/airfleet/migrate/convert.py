"""Values of the official chart -> values of this one, with a finding for every key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path as File
from typing import Any

from airfleet.migrate.files import Values, read_values
from airfleet.migrate.migration import Migration
from airfleet.migrate.model import Conversion, Entry, Finding, Origin, Path, Status
from airfleet.migrate.official import official
from airfleet.migrate.rules import rule_for
from airfleet.migrate.rules.images import airflow_version
from airfleet.migrate.rules.secrets import uses_embedded
from airfleet.migrate.secrets import commands
from airfleet.migrate.target import Chart, chart

# Later ones win over earlier ones where both say the same of ours.
_ORDER = ("webserver", "ingress", "workers")
IS_DEFAULT = "the official chart's default, so not a choice"
_TOLD_ANYWAY = ("airflowVersion", "defaultAirflowTag", "executor", "dags.gitSync.enabled")


def convert(files: Iterable[File], *, release: str = "airflow", namespace: str = "airflow") -> Conversion:
    """Convert files that are given to Helm in this order. Raises InvalidError for files that can't be read."""
    given = list(files)
    values = read_values(given)
    m = Migration(values, chart(), release, namespace)
    for entry in sorted(entries(values), key=_order):
        _apply(m, entry)
    m.findings += _unsaid(m, Origin(str(given[0]), 1))
    m.notes += _notes(m)
    pruned = _without_defaults(m.values, m.chart)
    return Conversion(pruned, m.sources, sorted(m.findings, key=lambda f: (f.origin, f.key)), commands(m), m.notes)


def _unsaid(m: Migration, where: Origin) -> Iterator[Finding]:
    """What the official chart does because the input does not say otherwise, and somebody has to decide about."""
    if "executor" not in m.input.data:
        why = "not set, so the release runs Celery; here each task has a pod of its own"
        yield Finding("executor", where, Status.HUMAN, (), why)
    if uses_embedded(m):
        why = "the data are in the release's own PostgreSQL: move them to one of yours (pg_dump)"
        yield Finding(
            "postgresql.enabled", m.input.origins.get(("postgresql", "enabled"), where), Status.HUMAN, (), why
        )


def entries(values: Values) -> Iterator[Entry]:
    """Every key of the input that is not merely a map of keys that the official chart knows."""

    def walk(node: dict[str, Any], path: Path) -> Iterator[Entry]:
        for key, value in node.items():
            below = (*path, key)
            inside = official().is_map(below) or (below[0] == "config" and len(below) < 3) or below == ("postgresql",)
            if isinstance(value, dict) and value and inside:
                yield from walk(value, below)
            else:
                yield Entry(below, value, _origin(values, below))

    yield from walk(values.data, ())


def _origin(values: Values, path: Path) -> Origin:
    """Where a key, or the part of it that was set last, stands."""
    return next(values.origins[path[:n]] for n in range(len(path), 0, -1) if path[:n] in values.origins)


def _order(entry: Entry) -> tuple[int, bool]:
    first = _ORDER.index(entry.path[0]) if entry.path[0] in _ORDER else len(_ORDER)
    return (first, entry.path[1:2] in (("kubernetes",), ("apiServer",)))


def _apply(m: Migration, entry: Entry) -> None:
    if not official().is_known(entry.path):
        meant = official().similar(entry.path)
        m.ask(
            entry,
            "no version of the official chart from 1.15 to 1.22 has this key" + (f"; is it {meant}?" if meant else ""),
        )
        return
    rule = rule_for(entry.path)
    if entry.key not in _TOLD_ANYWAY and official().is_default(entry.path, entry.value):
        m.drop(entry, IS_DEFAULT)
    elif entry.value is None and entry.path[0] != "config":
        _null(m, entry)
    elif rule is None:
        m.ask(entry, "nobody has thought about this key yet")
    else:
        rule(m, entry)


def _null(m: Migration, entry: Entry) -> None:
    """Null takes a default of the official chart away; where it has none, nothing was said."""
    if official().is_map(entry.path) or official().default(entry.path) not in (None, "", [], {}):
        m.ask(entry, "null takes a default away from the official chart; what should be there instead?")
    else:
        m.drop(entry, IS_DEFAULT)


def _notes(m: Migration) -> list[str]:
    """What changes without a key of the input saying so."""
    notes = []
    version = airflow_version(m)
    if version and version < (3, 3):
        notes.append(
            f"The input runs Airflow {version[0]}.{version[1]}: its database is migrated to 3.3. Back it up first."
        )
    if "workers" not in m.input.data or not (
        m.set_by_user("workers.resources") or m.set_by_user("workers.kubernetes.resources")
    ):
        limit = m.chart.default(("workers", "resources", "limits", "memory"))
        notes.append(f"A task's pod has a memory limit here ({limit}); raise workers.resources if tasks need more.")
    if not m.set_by_user("workers.automountServiceAccountToken"):
        notes.append(
            "Tasks have no token for the Kubernetes API. If they use it (KubernetesPodOperator), set "
            "workers.automountServiceAccountToken and give their ServiceAccount the rights."
        )
    notes.append("Root file systems are read-only: what writes elsewhere than /tmp and the logs needs a volume.")
    if m.said("statsd.enabled") and m.chart.has(("metrics", "enabled")):
        notes.append("The official chart exports metrics by default: set metrics.enabled if something reads them.")
    if not m.said("networkPolicies.enabled"):
        notes.append("NetworkPolicies are on: give networkPolicies.database.cidrs, and check networkPolicies.outbound.")
    return notes


def _without_defaults(values: dict[str, Any], known: Chart, path: Path = ()) -> dict[str, Any]:
    """What differs from our defaults."""
    kept: dict[str, Any] = {}
    for key, value in values.items():
        below = (*path, key)
        default = known.default(below)
        if isinstance(value, dict) and isinstance(default, dict):
            if different := _without_defaults(value, known, below):
                kept[key] = different
        elif value != default or type(value) is not type(default):
            kept[key] = value
    return kept

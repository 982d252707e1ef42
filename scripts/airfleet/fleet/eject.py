"""Leaving airfleet: plain values files and the `helm` commands that do what it does, for each cluster.

Nothing of what is written needs this toolkit: the commands give the same manifests, byte for byte.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from airfleet.errors import AirfleetError
from airfleet.fleet.inventory import Fleet
from airfleet.fleet.model import dotted
from airfleet.fleet.render import Charts, values_text
from airfleet.fleet.resolve import Resolved
from airfleet.fleet.waves import wave_names, wave_of

_README = """\
# {count} clusters, without airfleet

`values/<cluster>.yaml` holds all values of a cluster, resolved. `render.sh` renders every cluster to `manifests/`, and
`upgrade.sh` installs or upgrades them, in the order of the waves; both are only `helm` commands. Run them here.
{secrets}"""
_SECRETS = """
These values are encrypted in the fleet's files and were left out; give them with a further `--values`:

{rows}
"""
_HEAD = "#!/bin/sh\n# Written by `airfleet eject`; plain Helm from here on.\nset -eu\n"


def eject(fleet: Fleet, clusters: Sequence[Resolved], folder: Path) -> list[Path]:
    """Write values, commands and a page that says what is what below an empty folder; the files.

    Raises AirfleetError if the folder holds anything, or if there is no chart.
    """
    if folder.exists() and any(folder.iterdir()):
        raise AirfleetError("the folder is not empty", where=str(folder), fix="name a new one with -o")
    charts = Charts(fleet)
    order = {name: number for number, name in enumerate(wave_names(fleet))}
    chosen = sorted(clusters, key=lambda each: (order[wave_of(fleet, each.cluster)], each.cluster.name))
    render, upgrade, secrets = [_HEAD + "mkdir -p manifests\n"], [_HEAD], []
    files: dict[str, str] = {}
    wave = ""
    for resolved in chosen:
        cluster = resolved.cluster
        chart = charts.of(resolved)
        values = f"values/{cluster.name}.yaml"
        files[values] = values_text(without(resolved))
        secrets += [f"- {cluster.name}: `{dotted(path)}`" for path in sorted(resolved.tainted)]
        reference = chart.reference if "://" in chart.reference else _copied(Path(chart.reference), folder)
        version = ["--version", chart.version] if chart.version else []
        place = [cluster.release, reference, *version, "--namespace", cluster.namespace, "--values", values]
        template = shlex.join(["helm", "template", *place, "--kube-version", cluster.spec.kubernetes])
        render.append(f"{template} > {shlex.quote(f'manifests/{cluster.name}.yaml')}\n")
        if wave_of(fleet, cluster) != wave:
            wave = wave_of(fleet, cluster)
            upgrade.append(f"\n# wave {wave}\n")
        options = ["--kube-context", cluster.spec.context, "--install", "--create-namespace", "--wait"]
        upgrade.append(shlex.join(["helm", "upgrade", *place, *options]) + "\n")
    rows = _SECRETS.format(rows="\n".join(secrets)) if secrets else ""
    files["README.md"] = _README.format(count=len(chosen), secrets=rows)
    files["render.sh"], files["upgrade.sh"] = "".join(render), "".join(upgrade)
    return [_write(folder / name, text) for name, text in files.items()]


def without(resolved: Resolved) -> dict[str, object]:
    """The values without the encrypted ones."""
    from airfleet.fleet.dependents import with_value

    values = dict(resolved.values)
    for path in resolved.tainted:
        values = with_value(values, path, None, {})
    return values


def _copied(chart: Path, folder: Path) -> str:
    """The chart beside the values, once; its place as the commands name it."""
    target = folder / "chart" / chart.name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copy2 if chart.is_file() else shutil.copytree
        copy(chart, target)
    return str(target.relative_to(folder))


def _write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    if file.suffix == ".sh":
        file.chmod(0o755)
    return file

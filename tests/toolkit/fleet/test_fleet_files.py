"""fleet.yaml, layers and clusters: every mistake is told, all at once, with its line and the fix."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from airfleet.errors import ExitCode, UsageError
from airfleet.fleet.inventory import Fleet
from airfleet.fleet.model import FleetError
from airfleet.fleet.resolve import resolve

Write = Callable[[Mapping[str, str]], Fleet]


def told(write: Write, files: dict[str, str]) -> list[str]:
    with pytest.raises(FleetError) as refused:
        resolve(fleet := write(files), fleet.select())
    assert refused.value.code is ExitCode.INVALID
    return str(refused.value).splitlines()


CLUSTER = 'axes: {env: dev}\nkubernetes: "1.36"\n'
MISTAKES = {
    "a key": (
        {"fleet/clusters/a.yaml": CLUSTER + "contxt: a\n"},
        "fleet/clusters/a.yaml:3: there is no key contxt [key]",
        "it may be one of axes, capabilities, context, identity, ignoreDrift, kubeconfig, kubernetes, labels,"
        " namespace, owner, pins, release, values",
    ),
    "a missing key": (
        {"fleet/clusters/a.yaml": "axes: {env: dev}\n"},
        "fleet/clusters/a.yaml:1: kubernetes is missing [key]",
        "add `kubernetes:`",
    ),
    "an axis' value": (
        {"fleet/clusters/a.yaml": CLUSTER.replace("dev", "dve")},
        "fleet/clusters/a.yaml:1: there is no env dve [axis]",
        "one of dev, prod, or make env/dve.yaml (it may be empty)",
    ),
    "an axis": (
        {"fleet/clusters/a.yaml": CLUSTER.replace("env: dev", "env: dev, zone: b")},
        "fleet/clusters/a.yaml:1: there is no axis zone [axis]",
        "it may be one of env; anything else is a label",
    ),
    "a layer that is pinned": (
        {"fleet/fleet.yaml": "chart: x\naxes: [env]\npins:\n  env/stag: {airflow: 3.3.2}\n"},
        "fleet/fleet.yaml:4: there is no layer env/stag [pins]",
        "one of base, env/dev, env/prod; a cluster's own pins stand in its file",
    ),
    "no wave": (
        {"fleet/fleet.yaml": "chart: x\naxes: [env]\nwaves:\n  - {name: one, select: env=dev}\n"},
        "fleet/clusters/b.yaml:1: cluster b is in no wave [wave]",
        "widen a wave's select, or add a wave",
    ),
    "values": (
        {"fleet/clusters/a.yaml": CLUSTER + "values: 3\n"},
        "fleet/clusters/a.yaml:3: values is not a map [value]",
        "write `key: value` below it",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_line_and_the_fix(write: Write, mistake: str) -> None:
    files, what, fix = MISTAKES[mistake]
    assert told(write, files) == ["error: 1 problem in the fleet's files", f"  {what}", f"    fix: {fix}"]


def test_a_canary_without_an_account_is_a_mistake(write: Write) -> None:
    fleet = "chart: ../chart\naxes: [env]\nadapter: none\ngates:\n  canary: hello\n"
    assert told(write, {"fleet/fleet.yaml": fleet})[1:] == [
        "  fleet/fleet.yaml:4: gates: {'canary': 'hello'} is not valid [value]",
        "    why: a canary needs `account`, the Secret of who runs it",
    ]


def test_all_mistakes_are_told_at_once(write: Write) -> None:
    lines = told(
        write,
        {
            "fleet/base.yaml": "a: 1\na: 2\n",
            "fleet/env/prod.yaml": "size: [1\n",
            "fleet/clusters/a.yaml": 'axes: {env: dve}\nkubernetes: "1.x"\n',
        },
    )
    assert lines[0] == "error: 4 problems in the fleet's files"
    assert [line.split(": ")[0].strip() for line in lines if line.startswith("  fleet/")] == [
        "fleet/base.yaml:2",
        "fleet/clusters/a.yaml:1",
        "fleet/clusters/a.yaml:2",
        "fleet/env/prod.yaml:2",
    ]


def test_times_and_selectors_of_waves(write: Write) -> None:
    wave = "chart: x\naxes: [env]\nwaves:\n  - {name: one, soak: 2x}\n"
    assert told(write, {"fleet/fleet.yaml": wave})[1] == (
        "  fleet/fleet.yaml:4: waves.0.soak: '2x' is not a time such as 30s, 10m or 2h [value]"
    )
    wave = "chart: x\naxes: [env]\nwaves:\n  - {name: one, select: envv=dev}\n  - {name: all}\n"
    assert told(write, {"fleet/fleet.yaml": wave})[1].startswith(
        "  fleet/fleet.yaml:4: wave one: no cluster has envv; there are"
    )


def test_an_expression_without_a_value_is_told_with_its_line_and_the_cluster(write: Write) -> None:
    lines = told(write, {"fleet/base.yaml": "x: 1\nurl: https://${{ cluster.nam }}\n"})
    assert lines[1] == "  fleet/base.yaml:2: url: https://${{ cluster.nam }} has no value [expression]"
    assert lines[2] == "    why: 'dict object' has no attribute 'nam' (on a, b)"


@pytest.mark.parametrize(
    "text",
    ["${{ ''.__class__.__mro__ }}", "${{ cluster.labels.clear() }}", "${{ cluster.update({}) }}", "${{ 1 / 0 }}"],
)
def test_expressions_are_kept_in_a_sandbox(write: Write, text: str) -> None:
    assert "has no value [expression]" in told(write, {"fleet/base.yaml": f'x: "{text}"\n'})[1]


def test_expressions_know_the_cluster_and_keep_types(write: Write) -> None:
    fleet = write(
        {
            "fleet/base.yaml": "url: https://${{ cluster.name }}.${{ axes.env }}\nnumber: ${{ 40 + 2 }}\n"
            "airflow: '{{ ti.dag_id }}'\nlist: [\"${{ release }}\", 1]\n",
        }
    )
    (a,) = resolve(fleet, fleet.select(names=["a"]))
    assert a.values == {"url": "https://a.dev", "number": 42, "airflow": "{{ ti.dag_id }}", "list": ["printer", 1]}


def test_selectors(write: Write) -> None:
    fleet = write({"fleet/clusters/a.yaml": CLUSTER + "capabilities: [gpu]\nlabels: {team: x}\n"})
    chosen = {
        "": "ab",
        "env=dev": "a",
        "env!=dev": "b",
        "env=dev|prod": "ab",
        "capability/gpu": "a",
        "!team": "b",
        "name=b": "b",
    }
    assert {text: "".join(c.name for c in fleet.select(text)) for text in chosen} == chosen
    for text, why in (("env=x", "no cluster matches env=x"), ("foo", "no cluster has foo"), ("a=b=c", "is no term")):
        with pytest.raises(UsageError, match=why):
            fleet.select(text)
    with pytest.raises(UsageError, match="no cluster z"):
        fleet.select(names=["z"])

"""The commands of the fleet, as they are typed: what they print, write and exit with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from airfleet.fleet import export
from airfleet.fleet.explain import ABSENT, explain
from airfleet.fleet.inventory import Fleet, read_fleet
from airfleet.fleet.model import at_path, parse_path
from airfleet.fleet.render import render
from airfleet.fleet.resolve import resolve
from airfleet.fleet.schema import ClusterSpec
from airfleet.helm import helm
from airfleet.paths import project_root

Write = Callable[[Mapping[str, str]], Fleet]


def airfleet(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from airfleet.cli import main; main()", *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_render_writes_checks_and_prunes(write: Write, tmp_path: Path) -> None:
    write({})
    where = ("--fleet", "fleet", "-o", "out")
    assert airfleet("render", *where, "--check").returncode == 2
    assert not (tmp_path / "out").exists()
    first = airfleet("render", *where)
    assert first.returncode == 0
    assert first.stdout.splitlines() == [
        f"added    out/{cluster}/{name}.yaml" for cluster in "ab" for name in ("manifests", "values")
    ]
    assert yaml.safe_load((tmp_path / "out/b/values.yaml").read_text()) == {"colour": "blue", "size": 3}
    assert airfleet("render", *where, "--check").returncode == 0
    write({"fleet/env/prod.yaml": "size: 4\n"})
    again = airfleet("render", *where)
    assert again.stdout.splitlines() == ["changed  out/b/manifests.yaml", "changed  out/b/values.yaml"]
    assert "2 clusters, 1 rendered anew, 2 files differ" in again.stderr
    (tmp_path / "fleet/clusters/a.yaml").unlink()
    assert airfleet("render", *where).stdout.splitlines() == [
        "removed  out/a/manifests.yaml",
        "removed  out/a/values.yaml",
    ]


def test_what_was_rendered_before_is_not_rendered_again_unless_it_could_differ(write: Write) -> None:
    def cached() -> list[bool]:
        return [each.cached for each in render(fleet, resolve(fleet, fleet.select()))]

    fleet = write({})
    assert cached() == [False, False]
    assert cached() == [True, True]
    fleet = write({"chart/README.md": "x"})
    assert cached() == [False, False]
    fleet = write({"chart/README.md": "x", "fleet/clusters/a.yaml": 'axes: {env: dev}\nkubernetes: "1.35"\n'})
    assert cached() == [False, True]


def test_explain_and_who_sets(write: Write) -> None:
    write({})
    done = airfleet("explain", "b", "colour", "--fleet", "fleet")
    assert done.stdout == (
        "colour on b: blue\n"
        "  fleet/base.yaml:1        red  (shadowed)\n"
        "  fleet/clusters/b.yaml:5  blue  (wins)\n"
        "  the chart                grey  (default)\n"
        "\n"
        "rendered fields that depend on it:\n"
        '  ConfigMap/printer  data."values.json".colour\n'
    )
    told = json.loads(airfleet("explain", "b", "colour", "--fleet", "fleet", "--json").stdout)
    assert [(row["place"], row["wins"]) for row in told["settings"]] == [
        ("fleet/base.yaml:1", False),
        ("fleet/clusters/b.yaml:5", True),
    ]
    assert told["fields"] == [{"object": "ConfigMap/printer", "field": 'data."values.json".colour'}]
    done = airfleet("who-sets", "colour", "--fleet", "fleet")
    assert done.stdout == (
        "fleet/base.yaml:1  colour: red\n    wins on a\n    shadowed on b\n"
        "fleet/clusters/b.yaml:5  colour: blue\n    wins on b\n"
    )


@pytest.mark.parametrize(
    ("path", "depending"),
    [
        ("size", ["size"]),
        ("box.width", ["box.width"]),
        ("box", ["box.lid.open", "box.width"]),
        ("box.colour", ["box.colour"]),
    ],
)
def test_what_depends_on_a_value_that_only_the_chart_sets(write: Write, path: str, depending: list[str]) -> None:
    write({"chart/values.yaml": "size: 1\nbox: {width: 2, lid: {open: false}}\n"})
    told = json.loads(airfleet("explain", "a", path, "--fleet", "fleet", "--json").stdout)
    assert [row["field"] for row in told["fields"]] == [f'data."values.json".{each}' for each in depending]


def test_a_default_beside_which_the_chart_takes_nothing_is_not_said_to_be_unused(write: Write) -> None:
    only = '{{ if ne .Values.box.kind "round" }}{{ fail "boxes are round" }}{{ end }}'
    write({"chart/values.yaml": "box: {kind: round}\n", "chart/templates/only.yaml": only})
    done = airfleet("explain", "a", "box.kind", "--fleet", "fleet")
    assert "what depends on it is not known: the chart takes no other value" in done.stdout


def test_what_explain_says_is_what_is_rendered() -> None:
    """For every value of every cluster of the example fleet."""
    fleet = read_fleet(project_root() / "values" / "fleet.yaml")
    for resolved in resolve(fleet, fleet.select()):
        for path in paths(resolved.values):
            assert explain(fleet, resolved, path, {}).value == at_path(resolved.values, path), path
        assert explain(fleet, resolved, parse_path("no.such.key"), {}).value is ABSENT


def paths(values: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(values, dict) or not values:
        return [path]
    return [found for key, value in values.items() for found in paths(value, (*path, key))]


def test_the_example_fleet_renders_and_the_ejected_commands_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project_root())
    out = tmp_path / "ejected"
    assert airfleet("eject", "-l", "env=prod", "-o", str(out)).returncode == 0
    assert airfleet("render", "-l", "env=prod", "-o", str(tmp_path / "rendered")).returncode == 0
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "helm").symlink_to(helm())
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    subprocess.run(["sh", "render.sh"], cwd=out, env=environment, check=True)
    clusters = sorted(path.stem for path in (out / "manifests").iterdir())
    assert clusters == ["prod-eu-1", "prod-eu-2", "prod-us-1", "prod-us-gpu"]
    for name in clusters:
        manifests = (tmp_path / "rendered" / name / "manifests.yaml").read_bytes()
        assert (out / "manifests" / f"{name}.yaml").read_bytes() == manifests
    upgrades = (out / "upgrade.sh").read_text()
    assert upgrades.index("# wave first-prod") < upgrades.index("# wave prod\n")
    assert "--kube-context prod-eu-1 --install --create-namespace --wait" in upgrades
    refused = airfleet("eject", "-o", str(out))
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (1, "error: the folder is not empty")


@pytest.mark.parametrize("controller", ["argocd", "flux"])
def test_export_leads_a_controller_to_the_manifests(write: Write, tmp_path: Path, controller: str) -> None:
    argv = ("export", "--fleet", "fleet", "--gitops", controller, "-o", "x")
    write({})
    refused = airfleet(*argv)
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (
        64,
        "error: fleet.yaml does not say what controllers read",
    )
    with (tmp_path / "fleet/fleet.yaml").open("a") as file:
        file.write("gitops: {repository: 'https://git.example.com/f.git'}\n")
    assert airfleet(*argv).returncode == 0
    assert airfleet(*argv).stdout == ""
    rendered = airfleet("render", "--fleet", "fleet", "-l", "name=b").stdout.partition("\n")[2]
    assert (tmp_path / "x/clusters/b/manifests.yaml").read_text() == rendered
    if controller == "argocd":
        application = yaml.safe_load((tmp_path / "x/applications/b.yaml").read_text())
        assert application["spec"]["source"]["path"] == "clusters/b"
        assert application["spec"]["destination"] == {"name": "b", "namespace": "airflow"}
        assert application["metadata"]["labels"]["airfleet/wave"] == "rest"
    else:
        kustomization = yaml.safe_load((tmp_path / "x/kustomizations/b.yaml").read_text())
        assert kustomization["spec"]["path"] == "./clusters/b"
        resources = yaml.safe_load((tmp_path / "x/clusters/b/kustomization.yaml").read_text())["resources"]
        assert all((tmp_path / "x/clusters/b" / name).is_file() for name in resources)


def test_argo_cd_ignores_what_the_clusters_file_does() -> None:
    spec = ClusterSpec.model_validate(
        {
            "axes": {},
            "kubernetes": "1.36",
            "ignoreDrift": ['Deployment/a-* metadata.annotations."example.com/~x"', "Deployment/b"],
        }
    )
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a-b"}, "spec": {}}
    rendering: Any = SimpleNamespace(objects=[deployment], resolved=SimpleNamespace(cluster=SimpleNamespace(spec=spec)))
    pointer = "/metadata/annotations/example.com~1~0x"
    assert [*export._ignored(rendering)] == [
        {"group": "apps", "kind": "Deployment", "name": "a-*", "jsonPointers": [pointer]},
        {"group": "apps", "kind": "Deployment", "name": "b", "jsonPointers": ["/spec"]},
    ]


def test_new_cluster(write: Write, tmp_path: Path) -> None:
    write({})
    argv = ("new-cluster", "c", "--fleet", "fleet", "--kubernetes", "1.36", "--context", "c", "--axis")
    done = airfleet(*argv, "env=prod")
    assert (done.returncode, done.stdout) == (0, "fleet/clusters/c.yaml\n")
    assert [c.name for c in read_fleet(tmp_path / "fleet/fleet.yaml").select("env=prod")] == ["b", "c"]
    again = airfleet(*argv, "env=prod")
    assert (again.returncode, again.stderr.splitlines()[0]) == (1, "error: there is a cluster c already")
    wrong = airfleet(argv[0], "d", *argv[2:], "env=prd")
    assert (wrong.returncode, wrong.stderr.splitlines()[1]) == (64, "  why:   there is no env prd: one of dev, prod")
    assert not (tmp_path / "fleet/clusters/d.yaml").exists()


@pytest.mark.parametrize(
    ("argv", "code", "first"),
    [
        (("render", "--fleet", "nowhere"), 64, "error: nowhere was not found"),
        (("render", "--fleet", "fleet", "-l", "env=x"), 64, "error: no cluster matches env=x"),
        (("render", "--fleet", "fleet", "--check"), 64, "error: --check compares with a folder"),
        (("explain", "z", "colour", "--fleet", "fleet"), 64, "error: no cluster z"),
        (("explain", "a", "a..b", "--fleet", "fleet"), 64, "error: 'a..b' is no path of keys: column 3"),
        (
            ("new-cluster", "A", "--fleet", "fleet", "--kubernetes", "1", "--context", "x"),
            64,
            "error: A is no name of a cluster",
        ),
    ],
)
def test_wrong_usage(write: Write, argv: tuple[str, ...], code: int, first: str) -> None:
    write({})
    done = airfleet(*argv)
    assert (done.returncode, done.stderr.splitlines()[0]) == (code, first)


def test_helm_s_refusal_is_told_once_with_its_clusters(write: Write) -> None:
    refusing = '{{ fail "size is too large" }}'
    write(
        {
            "chart/templates/refuse.yaml": "{{ if gt (int .Values.size) 5 }}" + refusing + "{{ end }}",
            "fleet/base.yaml": "size: 9\n",
        }
    )
    done = airfleet("render", "--fleet", "fleet")
    assert done.returncode == 3
    assert done.stderr.splitlines()[1] == "  fleet/clusters/a.yaml:1: Helm refuses the values of a [helm]"
    assert "size is too large" in done.stderr

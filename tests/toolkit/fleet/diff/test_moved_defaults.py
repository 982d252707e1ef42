"""`airfleet lint --since`: overrides of chart defaults that moved, with real repositories and real charts."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from airfleet.errors import AirfleetError, UsageError
from airfleet.fleet.inventory import read_fleet
from airfleet.fleet.model import Finding, FleetError
from airfleet.fleet.moved import _is_lower, fleet_at, moved
from airfleet.fleet.resolve import resolve
from airfleet.fleet.revisions import Repository

PROD = ("prod-asia", "prod-eu", "prod-us")


def found(fleet: Any, since: str = "HEAD") -> list[Finding]:
    file = fleet.root / "values" / "fleet.yaml"
    now = read_fleet(file, fleet.root)
    before, _ = fleet_at(Repository.around(file), since, now)
    return moved(now, resolve(now, now.select()), before, since)


def told(fleet: Any, since: str = "HEAD") -> list[tuple[str, str, tuple[str, ...]]]:
    return [(str(each.place), each.what, each.clusters) for each in found(fleet, since)]


def test_a_default_that_rose_above_an_override(fleet) -> None:
    fleet.edit("chart/values.yaml", "replicas: 2", "replicas: 4")
    (finding,) = found(fleet)
    assert str(finding) == (
        "values/env/prod.yaml:1: warning: replicas is 3, now lower than the chart's default of 4 [moved-default]\n"
        "  why: the default was 2 at HEAD and is 4\n"
        "  fix: raise it, or remove the line to follow the chart"
    )
    assert finding.clusters == PROD
    fleet.commit()
    assert found(fleet) == []
    assert len(found(fleet, "HEAD~1")) == 1


@pytest.mark.parametrize(
    ("line", "default", "expected"),
    [
        ("claim: {storage: 2Gi}", "4Gi", "claim.storage is 2Gi, now lower than the chart's default of 4Gi"),
        ("claim: {storage: 512Mi}", "4Gi", "claim.storage is 512Mi, lower than the chart's default of 4Gi"),
        ("claim: {storage: 4096Mi}", "4Gi", "claim.storage is 4096Mi, over a default of the chart that moved"),
        ("claim: {storage: 8Gi}", "4Gi", "claim.storage is 8Gi, over a default of the chart that moved"),
        ("claim: {storage: null}", "4Gi", "claim.storage is null, over a default of the chart that moved"),
        ("claim: {storage: '${{ axes.env }}'}", "4Gi", "claim.storage is ${{ axes.env }}, over a default"),
    ],
)
def test_what_an_override_is_to_the_new_default(fleet, line: str, default: str, expected: str) -> None:
    fleet.write("values/env/prod.yaml", line)
    fleet.edit("chart/values.yaml", "storage: 1Gi", f"storage: {default}")
    ((_, what, clusters),) = told(fleet)
    assert what.startswith(expected)
    assert clusters == PROD


@pytest.mark.parametrize(
    "line", ["claim: {class: fast}", "claim: {}", "claim: {storage: $delete}", "claim: {$replace: true}", "debug: true"]
)
def test_lines_that_set_nothing_over_it_are_left_alone(fleet, line: str) -> None:
    fleet.write("values/base.yaml", "claim: {storage: 1Gi}\n")
    fleet.write("values/env/prod.yaml", line)
    fleet.write("values/env/dev.yaml", "claim: {storage: $delete}\n")
    fleet.edit("chart/values.yaml", "storage: 1Gi", "storage: 1Ti")
    assert [each for each in told(fleet) if not each[0].startswith("values/base.yaml")] == []


def test_defaults_that_came_and_went(fleet) -> None:
    fleet.write("values/env/prod.yaml", "port: 81\nbacklog: 5\n")
    fleet.edit("chart/values.yaml", "port: 80\n", "backlog: 9\n")
    assert [each.why for each in found(fleet)] == [
        "the default was 80 at HEAD and is nothing",
        "the default was nothing at HEAD and is 9",
    ]


def test_a_line_is_judged_where_it_wins(fleet) -> None:
    fleet.write("values/base.yaml", "replicas: 3\n")
    fleet.write("values/env/prod.yaml", "replicas: 9\n")
    fleet.edit("chart/values.yaml", "replicas: 2", "replicas: 4")
    assert told(fleet) == [
        ("values/base.yaml:1", "replicas is 3, now lower than the chart's default of 4", ("dev-eu",)),
        ("values/env/prod.yaml:1", "replicas is 9, over a default of the chart that moved", PROD),
    ]


def test_secrets_are_left_out(fleet) -> None:
    fleet.write("values/env/prod.sops.yaml", "replicas: ENC[AES256_GCM,data:x,type:int]\nsops: {mac: x}\n")
    fleet.edit("chart/values.yaml", "replicas: 2", "replicas: 4")
    assert told(fleet) == []


@pytest.mark.parametrize(
    ("value", "than", "lower"),
    [
        (1, 2, True),
        (2, 1.5, False),
        (0.1, "500m", True),
        ("1500m", 1, False),
        ("999Mi", "1Gi", True),
        ("1024Mi", "1Gi", False),
        ("1G", "1Gi", True),
        ("1.5Gi", "2Gi", True),
        ("1", "2", True),
        ("1k", "1Ki", True),
        ("3.2", "3.12", False),  # may be versions, and 3.12 is the newer one
        ("30s", "1h", False),
        ("1ki", "2Ki", False),
        (True, 2, False),
        (None, 2, False),
        ([1], [2], False),
        (1.0, float("inf"), False),
    ],
)
def test_numbers_and_quantities_are_compared_and_nothing_else(value: Any, than: Any, lower: bool) -> None:
    assert _is_lower(value, than) is lower


def packed(file: Path, values: str) -> None:
    """A chart's archive."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz") as archive:
        for name, text in (("Chart.yaml", "{apiVersion: v2, name: shop, version: 1.0.0}"), ("values.yaml", values)):
            member = tarfile.TarInfo(f"shop/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


def test_a_packed_chart_is_read_as_the_revision_has_it(fleet) -> None:
    fleet.edit("values/fleet.yaml", "../chart", "../shop-1.tgz")
    packed(fleet.root / "shop-1.tgz", "replicas: 2\n")
    fleet.commit()
    packed(fleet.root / "shop-2.tgz", "replicas: 5\n")
    fleet.edit("values/fleet.yaml", "shop-1", "shop-2")
    assert [what for _, what, _ in told(fleet)] == ["replicas is 3, now lower than the chart's default of 5"]


@pytest.mark.usefixtures("cold")
def test_of_a_chart_in_a_registry_each_cluster_s_own_version_counts(fleet) -> None:
    """The versions have been pulled before: they lie in the cache."""
    for version, replicas in (("1.0.0", 2), ("2.0.0", 4), ("3.0.0", 6)):
        folder = fleet.root.parent / "cache" / "charts" / f"charts.example.com+shop@{version}"
        packed(folder / f"shop-{version}.tgz", f"replicas: {replicas}\n")
    fleet.edit("values/fleet.yaml", "../chart", "oci://charts.example.com/shop")
    fleet.write("values/fleet.yaml", (fleet.root / "values/fleet.yaml").read_text() + "pins: {base: {chart: 1.0.0}}\n")
    fleet.commit()
    fleet.edit("values/fleet.yaml", "base: {chart: 1.0.0}", "base: {chart: 1.0.0}, env/prod: {chart: 2.0.0}")
    fleet.write("values/base.yaml", "replicas: 3\n")
    fleet.write("values/env/prod.yaml", "")
    fleet.cluster("prod-us", pins={"chart": "3.0.0"})
    fleet.cluster("prod-new")
    assert [(each.why, each.clusters) for each in found(fleet)] == [
        ("the default was 2 at HEAD and is 4 (on prod-asia, prod-eu)", ("prod-asia", "prod-eu")),
        ("the default was 2 at HEAD and is 6 (on prod-us)", ("prod-us",)),
    ]


@pytest.mark.usefixtures("cold")
def test_a_cluster_that_is_new_had_no_chart_out_of_a_registry(fleet) -> None:
    packed(
        fleet.root.parent / "cache/charts/charts.example.com+other@1.0.0/other.tgz", "replicas: 1\nurl: http://shop\n"
    )
    spec = (fleet.root / "values/fleet.yaml").read_text()
    registry = spec.replace("../chart", "oci://charts.example.com/other") + "pins: {base: {chart: 1.0.0}}\n"
    fleet.write("values/fleet.yaml", registry)
    fleet.commit()
    fleet.write("values/fleet.yaml", spec)
    fleet.cluster("prod-new")
    assert [(each.why, each.clusters) for each in found(fleet)] == [("the default was 1 at HEAD and is 2", PROD)]


@pytest.mark.parametrize("name", ["nothing", "--help", "HEAD..HEAD"])
def test_an_unknown_revision_is_one_clear_error(fleet, name: str) -> None:
    done = fleet.run("lint", f"--since={name}")
    assert (done.code, done.out) == (64, "")
    assert done.err.splitlines()[0] == f"error: there is no revision {name}"


def test_a_revision_that_can_t_say_what_the_chart_was(fleet) -> None:
    fleet.git("rm", "-r", "--quiet", "--cached", "values")
    without = fleet.git("commit-tree", fleet.git("write-tree"), "-m", "none")
    fleet.git("reset", "--quiet")
    with pytest.raises(UsageError, match=rf"{without[:9]} has no values/fleet.yaml"):
        found(fleet, without)
    fleet.write("values/base.yaml", "url: ${{ \n")
    fleet.write("values/fleet.yaml", (fleet.root / "values/fleet.yaml").read_text() + "chart: 1\n")
    broken = fleet.commit()
    fleet.git("checkout", "--quiet", "HEAD~1", "--", "values")
    with pytest.raises(FleetError, match=f"fleet's files of {broken[:9]}"):
        found(fleet, broken)
    fleet.edit("values/fleet.yaml", "../chart", "../gone")
    gone = fleet.commit()
    fleet.edit("values/fleet.yaml", "../gone", "../chart")
    with pytest.raises(AirfleetError, match="the chart of") as refused:
        found(fleet, gone)
    assert refused.value.why == "there is no chart"


def test_a_chart_outside_of_the_repository_has_no_past(fleet) -> None:
    (fleet.root / "chart").rename(fleet.root.parent / "elsewhere")
    fleet.edit("values/fleet.yaml", "../chart", "../../elsewhere")
    fleet.commit()
    done = fleet.run("lint", "--since", "HEAD")
    assert done.code == 64
    assert "the chart is outside of the repository that the fleet is in" in done.err


def test_the_command_warns_and_is_strict_if_told_to(fleet) -> None:
    fleet.edit("chart/values.yaml", "replicas: 2", "replicas: 4")
    assert "moved-default" not in fleet.run("lint").out
    done = fleet.run("lint", "--since", "main")
    assert done.code == 0
    assert "[moved-default]" in done.out
    assert f"at main ({fleet.git('rev-parse', 'HEAD')[:9]}) and is 4" in done.out
    assert fleet.run("lint", "--since", "main", "--strict").code == 3
    rows = json.loads(fleet.run("lint", "--since", "main", "--json").out)
    assert [row["clusters"] for row in rows if row["rule"] == "moved-default"] == [[*PROD]]

"""What differs between two Git revisions of a fleet, with real repositories and the real Helm."""

from __future__ import annotations

import json
import os

import pytest

from airfleet.errors import AirfleetError, UsageError
from airfleet.fleet.changes import Kind
from airfleet.fleet.consequences import What
from airfleet.fleet.diff import FleetDiff, Group, Line
from airfleet.fleet.model import FleetError, dotted
from airfleet.fleet.report_diff_text import text

PROD = ("prod-asia", "prod-eu", "prod-us")


def lines(group: Group) -> dict[str, Line]:
    """The fields that change in a group, as `Kind/name field`."""
    return {f"{item.ref} {dotted(line.path)}": line for item in group.items for line in item.lines}


def values(found: FleetDiff) -> dict[str, tuple[object, object, tuple[str, ...]]]:
    return {edit.path: (edit.before, edit.after, names) for edit, names in found.edits}


def consequences(found: FleetDiff, what: What) -> dict[str, tuple[str, ...]]:
    return {effect.text: names for effect, names in found.effects if effect.what is what}


@pytest.mark.usefixtures("cold")
def test_nothing_changed_is_known_without_a_single_rendering(fleet) -> None:
    fleet.edit("values/base.yaml", "# What all have.", "# What every cluster has.")
    found = fleet.diff()
    assert found.changed == ()
    assert fleet.renders() == 0
    assert text(found).splitlines()[0].endswith("nothing changes on 4 clusters")


@pytest.mark.usefixtures("cold")
def test_a_change_of_one_layer_renders_only_its_clusters(fleet) -> None:
    fleet.write("values/env/prod.yaml", "replicas: 4\n")
    found = fleet.diff()
    assert fleet.renders() == 2 * len(PROD)
    (group,) = found.groups
    assert group.clusters == found.changed == PROD
    assert [(key, line.before, line.after) for key, line in lines(group).items()] == [
        ("Deployment/shop spec.replicas", 3, 4)
    ]
    assert values(found) == {"replicas": (3, 4, PROD)}
    (edit, _), *_ = found.edits
    assert str(edit.place) == "values/env/prod.yaml:1"


@pytest.mark.usefixtures("cold")
def test_a_value_that_the_layers_cancel_out_renders_nothing(fleet) -> None:
    fleet.edit("values/base.yaml", "url:", "replicas: 7\nurl:")
    fleet.cluster("dev-eu", values={"replicas": 2})
    fleet.commit()
    fleet.edit("values/base.yaml", "replicas: 7", "replicas: 8")
    assert fleet.diff().changed == ()
    assert fleet.renders() == 0


def test_the_same_change_on_many_is_told_once_and_who_differs_is_named(fleet) -> None:
    fleet.cluster("prod-asia", values={"image": "registry.example.com/shop:1-asia"})
    fleet.commit()
    fleet.write("values/env/prod.yaml", "replicas: 3\nport: 8080\n")
    fleet.cluster("prod-asia", values={"image": "registry.example.com/shop:2-asia"})
    found = fleet.diff()
    first, second = found.groups
    assert first.clusters == PROD
    assert set(lines(first)) == {"Service/shop spec.ports[http].port"}
    assert second.clusters == ("prod-asia",)
    assert "Deployment/shop spec.template.spec.containers[shop].image" in lines(second)
    assert "3 of 4 clusters change, 2 in the same way; prod-asia differs" in text(found)


def test_a_cluster_s_own_name_does_not_make_its_change_another_one(fleet) -> None:
    fleet.edit("values/base.yaml", "http://", "https://")
    (group,) = fleet.diff().groups
    assert len(group.clusters) == 4
    assert lines(group)['ConfigMap/shop data."shop.ini".shop.url'].after == "https://${{ cluster.name }}.example.com"


def test_values_that_differ_everywhere_are_one_change_with_all_of_them(fleet) -> None:
    for number, name in enumerate(PROD):
        fleet.cluster(name, values={"message": f"number {number}"})
    (group,) = fleet.diff().groups
    line = lines(group)['ConfigMap/shop data."shop.ini".shop.message']
    assert line.by_cluster == tuple((name, "hello", f"number {n}") for n, name in enumerate(PROD))
    assert "another value on each cluster" in text(fleet.diff())


def test_the_chart_is_the_one_of_the_revision(fleet) -> None:
    fleet.edit("chart/templates/shop.yaml", "port: {{ .Values.port }}", "port: 8443")
    found = fleet.diff()
    (group,) = found.groups
    assert group.clusters == found.clusters
    assert lines(group)["Service/shop spec.ports[http].port"].before == 80
    assert found.edits == ()


def test_a_version_s_label_on_many_objects_is_one_line(fleet) -> None:
    fleet.edit("chart/Chart.yaml", 'appVersion: "1"', 'appVersion: "2"')
    shown = text(fleet.diff())
    assert shown.count("app.kubernetes.io/version") == 1
    assert "~ 6 objects (ConfigMap/shop, Secret/shop, Service/shop and 3 more)" in shown


def test_a_configuration_s_digest_is_told_as_a_restart_and_a_config_map_restarts_nothing_by_itself(fleet) -> None:
    fleet.write("values/env/dev.yaml", "message: good day\n")
    found = fleet.diff()
    restarts = {effect.text: effect.why for effect, _ in found.effects if effect.what is What.RESTART}
    assert restarts == {"Deployment/shop restarts its 2 pods, one after the other": "its configuration"}
    assert "checksum" not in text(found)
    fleet.edit("chart/templates/shop.yaml", "        checksum/config:", "        other:")
    fleet.commit()
    fleet.write("values/env/dev.yaml", "message: good night\n")
    fleet.edit(
        "chart/templates/shop.yaml", '        other: {{ include "settings" . | sha256sum }}', "        other: none"
    )
    fleet.commit()
    fleet.write("values/env/dev.yaml", "message: good morning\n")
    found = fleet.diff()
    assert consequences(found, What.RESTART) == {}
    assert [*consequences(found, What.SEEN)] == [
        "the pods of Deployment/shop see the new ConfigMap/shop in their files within two minutes"
    ]


def test_a_job_under_a_new_hash_runs_again_and_says_because_of_what(fleet) -> None:
    fleet.write("values/env/dev.yaml", "setup: {image: registry.example.com/setup:2}\n")
    found = fleet.diff()
    (effect, names), *others = found.effects
    assert others == []
    assert (effect.what, effect.text, effect.why) == (
        What.RUN,
        "Job/shop-setup runs again",
        "containers[setup].image",
    )
    assert names == ("dev-eu",)
    ((item,),) = (group.items for group in found.groups)
    assert item.kind is Kind.REPLACED


def test_what_kubernetes_refuses_is_told_before_it_does(fleet) -> None:
    fleet.write("values/env/dev.yaml", "claim: {storage: 2Gi}\n")
    found = fleet.diff()
    (refused,) = consequences(found, What.REFUSED)
    assert refused == "StatefulSet/store can't be changed like this: Kubernetes refuses spec.volumeClaimTemplates"
    assert "somebody has to decide" in text(found)


def test_clusters_come_go_and_are_renamed(fleet) -> None:
    (fleet.root / "values/clusters/prod-us.yaml").unlink()
    fleet.cluster("prod-africa")
    (fleet.root / "values/clusters/prod-asia.yaml").rename(fleet.root / "values/clusters/prod-japan.yaml")
    found = fleet.diff()
    assert [(move.cluster, move.kind, move.was) for move in found.moves] == [
        ("prod-africa", "added", ""),
        ("prod-japan", "renamed", "prod-asia"),
        ("prod-us", "removed", ""),
    ]
    assert consequences(found, What.LEFT) == {
        "release shop in namespace shop goes on running, and nobody removes it": ("prod-us",)
    }
    by_clusters = {group.clusters: group for group in found.groups}
    assert {item.kind for item in by_clusters["prod-africa",].items} == {Kind.ADDED}
    assert 'ConfigMap/shop data."shop.ini".shop.url' in lines(by_clusters["prod-japan",])
    assert ("prod-us",) not in by_clusters


def test_a_cluster_that_moves_to_another_environment_says_so(fleet) -> None:
    fleet.cluster("prod-us", axes={"env": "dev"}, kubernetes="1.37")
    found = fleet.diff()
    (move,) = found.moves
    assert [(dotted(each.path), each.before, each.after) for each in move.fields] == [
        ("axes.env", "prod", "dev"),
        ("kubernetes", "1.36", "1.37"),
    ]
    assert consequences(found, What.SCALE) == {"Deployment/shop has 2 pods instead of 3": ("prod-us",)}


def test_another_name_of_the_release_is_another_release_and_the_old_one_stays(fleet) -> None:
    fleet.cluster("dev-eu", namespace="elsewhere")
    found = fleet.diff()
    assert "release shop in namespace shop goes on running, and nobody removes it" in consequences(found, What.LEFT)
    (group,) = found.groups
    assert {item.kind for item in group.items} == {Kind.ADDED}
    fix = next(effect.fix for effect, _ in found.effects if effect.what is What.LEFT)
    assert fix == "helm uninstall shop --namespace shop --kube-context dev-eu"


def test_a_context_that_leads_elsewhere_is_told(fleet) -> None:
    fleet.cluster("dev-eu", context="other")
    found = fleet.diff()
    assert [*consequences(found, What.LEFT)] == [
        "dev-eu is another cluster, or there is another way to it: context was dev-eu and is other"
    ]
    assert found.changed == ("dev-eu",)


def test_a_selector_chooses_on_either_side(fleet) -> None:
    fleet.write("values/base.yaml", "port: 8080\n")
    fleet.cluster("prod-us", axes={"env": "dev"})
    assert fleet.diff("HEAD", "env=dev").clusters == ("dev-eu", "prod-us")
    assert fleet.diff("HEAD", "env=prod").clusters == PROD
    with pytest.raises(UsageError, match="no cluster matches env=test"):
        fleet.diff("HEAD", "env=test")


def test_two_revisions_are_compared_whatever_the_working_tree_is(fleet) -> None:
    first = fleet.git("rev-parse", "HEAD")
    fleet.write("values/env/dev.yaml", "port: 81\n")
    second = fleet.commit()
    fleet.write("values/base.yaml", "this: [is, no")
    found = fleet.diff(f"{first}..{second}")
    assert found.changed == ("dev-eu",)
    assert (found.before, found.after) == (first[:9], second[:9])
    assert fleet.diff(f"{second}..{first}").changed == ("dev-eu",)


def test_three_dots_compare_with_where_a_branch_was_left(fleet) -> None:
    fleet.git("switch", "--quiet", "--create", "feature")
    fleet.write("values/env/dev.yaml", "port: 81\n")
    fleet.commit()
    fleet.git("switch", "--quiet", "main")
    fleet.write("values/env/prod.yaml", "port: 82\n")
    fleet.commit()
    assert fleet.diff("main...feature").changed == ("dev-eu",)
    assert fleet.diff("main..feature").changed == ("dev-eu", *PROD)


def test_a_revision_without_the_fleet_has_no_clusters(fleet) -> None:
    fleet.git("rm", "-r", "--quiet", "--cached", "values")
    without = fleet.git("commit-tree", fleet.git("write-tree"), "-m", "none")
    fleet.git("reset", "--quiet")
    found = fleet.diff(without)
    assert {move.kind for move in found.moves} == {"added"}
    assert "every cluster is new" in text(found)
    with pytest.raises(UsageError, match="neither"):
        fleet.diff(f"{without}..{without}")


def test_what_is_wrong_says_in_which_revision(fleet) -> None:
    fleet.write("values/base.yaml", "url: ${{ nothing }}\n")
    bad = fleet.commit()
    fleet.write("values/base.yaml", "url: fine\n")
    with pytest.raises(FleetError, match=rf"1 problem in the fleet's files of {bad[:9]}") as refused:
        fleet.diff(bad)
    assert str(refused.value.findings[0].place) == "values/base.yaml:1"
    fleet.write("values/fleet.yaml", "chart: [")
    worse = fleet.commit()
    with pytest.raises(FleetError, match=rf"fleet's files of main \({worse[:9]}\)") as refused:
        fleet.diff("main..HEAD~1")
    assert refused.value.findings[0].place.file == "values/fleet.yaml"


def test_what_helm_refuses_says_in_which_revision(fleet) -> None:
    fleet.edit("chart/templates/shop.yaml", "port: {{ .Values.port }}", 'port: {{ fail "no such port" }}')
    with pytest.raises(FleetError, match="of the working tree") as refused:
        fleet.diff()
    assert "no such port" in refused.value.findings[0].why


@pytest.mark.parametrize("name", ["nothing", "--help", "HEAD..nothing", "nothing...HEAD"])
def test_an_unknown_revision_is_a_usage_error(fleet, name: str) -> None:
    with pytest.raises(UsageError, match="there is no revision"):
        fleet.diff(name)


def test_a_link_out_of_the_revision_is_not_followed(fleet) -> None:
    (fleet.root / "values/env/dev.yaml").unlink()
    (fleet.root / "values/env/dev.yaml").symlink_to("../../../../etc/hostname")
    fleet.commit()
    fleet.git("rm", "--quiet", "values/env/dev.yaml")
    fleet.write("values/env/dev.yaml", "")
    with pytest.raises(FleetError, match="1 problem") as refused:
        fleet.diff()
    assert "there is no env dev" in str(refused.value)


def test_a_link_within_it_is(fleet) -> None:
    (fleet.root / "values/env/dev.yaml").unlink()
    (fleet.root / "values/env/dev.yaml").symlink_to("prod.yaml")
    fleet.commit()
    fleet.write("values/env/prod.yaml", "replicas: 5\n")
    assert fleet.diff().changed == ("dev-eu", *PROD)


def test_a_chart_outside_of_the_repository_is_the_same_one_for_both(fleet) -> None:
    (fleet.root / "chart").rename(fleet.root.parent / "elsewhere")
    fleet.edit("values/fleet.yaml", "../chart", "../../elsewhere")
    fleet.commit()
    fleet.write("values/env/dev.yaml", "port: 81\n")
    assert fleet.diff().changed == ("dev-eu",)


def test_a_submodule_in_the_chart_is_refused_in_words(fleet) -> None:
    commit = fleet.git("rev-parse", "HEAD")
    fleet.git("update-index", "--add", "--cacheinfo", f"160000,{commit},chart/charts/other")
    fleet.git("commit", "--quiet", "--message", "submodule")
    with pytest.raises(AirfleetError, match="a Git submodule"):
        fleet.diff()


@pytest.mark.usefixtures("cold")
def test_a_revision_s_files_are_kept_and_old_copies_go(fleet) -> None:
    copies = fleet.root.parent / "cache" / "revisions"
    fleet.diff()
    (first,) = copies.iterdir()
    os.utime(first, (0, 0))
    fleet.diff()  # used again: young again
    fleet.write("values/env/dev.yaml", "port: 81\n")
    fleet.commit()
    fleet.diff()
    assert len([*copies.iterdir()]) == 2
    os.utime(first, (0, 0))
    fleet.write("values/env/dev.yaml", "port: 82\n")
    fleet.commit()
    fleet.diff()
    assert first not in [*copies.iterdir()]


def test_the_command_s_exit_codes_and_forms(fleet) -> None:
    assert fleet.run("diff").code == 0
    fleet.write("values/env/dev.yaml", "port: 81\n")
    done = fleet.run("diff", "--json", "--html", "diff.html")
    assert done.code == 2
    found = json.loads(done.out)
    assert found["format"] == 1
    assert found["changed"] == ["dev-eu"]
    assert found["groups"][0]["objects"][0] == {
        "object": {"apiVersion": "v1", "kind": "Service", "namespace": "", "name": "shop"},
        "change": "changed",
        "fields": [{"path": "spec.ports[http].port", "change": "changed", "before": 80, "after": 81}],
    }
    assert (fleet.root / "diff.html").read_text().startswith("<!doctype html>")
    assert fleet.run("diff", "--git", "nothing").code == 64
    assert fleet.run("diff", "--json", "--markdown").code == 64
    fleet.write("values/env/dev.yaml", "port: [")
    assert fleet.run("diff").code == 3

"""The rules can fail: each notices the releases and the charts that were broken on purpose."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from chart_harness import strict
from chart_harness.mutations import MUTATIONS, Mutation, edges
from chart_harness.mutations.edges import EXPOSED
from chart_harness.objects import Rendered
from chart_harness.render import CHART, RefusedError, render
from chart_harness.rules import RULES
from chart_harness.scenarios import DIGEST, SCENARIOS

EMBEDDED = {"postgres": {"embedded": True}, "logs": {"persistence": {"enabled": True}}}
# Where a rule looks only at certain releases, the good release that is broken is one of those.
VALUES: dict[str, dict[str, Any]] = {
    **{mutation.rule: EXPOSED for mutation in edges.MUTATIONS},
    "log_credentials_go_where_logs_do": SCENARIOS["logs in S3"],
    "boot_files_of_an_image_are_checked": SCENARIOS["boot files in the image"],
    "a_digest_wins": {"image": {"digest": DIGEST}},
    "openshift_says_who_pods_run_as": {"openshift": True},
    "a_templates_own_way_out_is_all_it_has": {
        "podTemplates": {"web": {"egress": {"web": {"cidrs": ["0.0.0.0/0"], "ports": [443]}}}}
    },
    "metrics_go_by_the_table": {"metrics": {"enabled": True}},
    "workers_do_not_reach_the_database": {"networkPolicies": {"database": {"cidrs": ["10.20.0.5/32"]}}},
}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.rule}: {m.what}")
def test_a_broken_release_is_noticed(mutation: Mutation) -> None:
    good = render(VALUES.get(mutation.rule, EMBEDDED))
    assert list(RULES[mutation.rule](good)) == []
    broken = render(VALUES.get(mutation.rule, EMBEDDED))
    mutation.change(broken)
    assert list(RULES[mutation.rule](Rendered(broken.release, broken.objects)))


def test_every_rule_is_shown_to_fail() -> None:
    assert set(RULES) == {mutation.rule for mutation in MUTATIONS}


# file, text, what it becomes, rule
IN_TEMPLATES = [
    ("_container.tpl", "name: base\n", "name: airflow\n", "workers_are_what_the_executor_needs"),
    ("_pod.tpl", "enableServiceLinks: false\n", "", "service_links_are_off"),
    ("_volumes.tpl", 'ternary "worker-config" "config" (eq .name "worker")', '"cfg"', "config_maps_exist"),
    ("_container.tpl", 'set $fields "resources" .cfg.resources', 'set $fields "x" 1', "containers_have_resources"),
    (
        "_labels.tpl",
        "app.kubernetes.io/component: {{ index . 1 }}",
        "app.kubernetes.io/component: x",
        "workloads_select_their_own_pods",
    ),
    ("shared/roles.yaml", "resources: [pods]", "resources: [pods, pods/exec]", "rights_go_by_the_table"),
    ("scheduler/_part.tpl", "jwt-secret]", "jwt-secret, api-secret-key]", "secrets_go_by_the_table"),
    (
        "triggerer/_part.tpl",
        "waitForMigrations: true",
        "waitForMigrations: true\ntoken: true",
        "tokens_are_mounted_only_where_used",
    ),
    (
        "workers/pod-templates.yaml",
        "restartPolicy: Never",
        "restartPolicy: Never\nsecrets: [connection]",
        "workers_have_no_control_plane_secret",
    ),
    ("_edges.tpl", "targetPort: http,", "targetPort: https,", "services_reach_a_port"),
    (
        "_network.tpl",
        "{from: api-server, to: triggerer, port: 8794}",
        "{from: worker, to: triggerer, port: 8794}",
        "pods_reach_each_other_by_the_table",
    ),
    ("shared/logs-claim.yaml", "helm.sh/resource-policy: keep", "note: none", "only_data_outlives_the_release"),
]


@pytest.mark.parametrize(
    ("file", "text", "instead", "rule"), IN_TEMPLATES, ids=[f"{c[0]}: {c[3]}" for c in IN_TEMPLATES]
)
def test_a_broken_chart_is_noticed(tmp_path: Path, file: str, text: str, instead: str, rule: str) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    template = chart / "templates" / file
    assert text in template.read_text()
    template.write_text(template.read_text().replace(text, instead))
    assert list(RULES[rule](render(EMBEDDED, chart=chart)))


STRICT = [
    ("an unknown key", "enableServiceLinks:", "enableServiceLink:"),
    ("a wrong type", "revisionHistoryLimit: 3", 'revisionHistoryLimit: "3"'),
    ("a version that is gone", '"networking.k8s.io/v1"', '"networking.k8s.io/v1beta1"'),
]


@pytest.mark.parametrize(("what", "text", "instead"), STRICT, ids=[c[0] for c in STRICT])
def test_kubernetes_schemas_notice(tmp_path: Path, what: str, text: str, instead: str) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    for path in (chart / "templates").rglob("*"):
        if path.is_file():
            path.write_text(path.read_text().replace(text, instead))
    assert list(strict.violations(render(EMBEDDED, chart=chart), "1.37"))


def test_kubernetes_schemas_look_into_pod_templates() -> None:
    release = render(EMBEDDED)
    data = release.get("ConfigMap/airflow-pod-templates")["data"]
    data["default.yaml"] = data["default.yaml"].replace("restartPolicy", "restartPolcy")
    assert any("restartPolcy" in error for error in strict.violations(release, "1.37"))


def test_a_key_that_is_there_twice_is_noticed(tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    service = chart / "templates/postgres/service.yaml"
    service.write_text(service.read_text() + "kind: Service\n")
    with pytest.raises(Exception, match="kind"):
        render(EMBEDDED, chart=chart)


def test_what_helm_refuses_is_told() -> None:
    with pytest.raises(RefusedError, match="schedulr"):
        render({"schedulr": {}})

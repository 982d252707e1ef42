"""Every rule of validate finds what it is for; the clusters that have it alike are told together."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from airfleet.errors import ExitCode
from airfleet.fleet.inventory import Fleet
from airfleet.fleet.model import Finding
from airfleet.fleet.render import render
from airfleet.fleet.resolve import resolve
from airfleet.fleet.validate import validate
from airfleet.paths import project_root
from airfleet.process import run

Write = Callable[[Mapping[str, str]], Fleet]
SOUND = """
securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
containers:
  - {name: a, image: "a:1", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: SPEC
"""


def deployment(spec: str = SOUND) -> str:
    indented = "\n".join(f"      {line}" for line in spec.strip().splitlines())
    return DEPLOYMENT.replace("SPEC", f"\n{indented}")


def findings(write: Write, manifest: str, **more: str) -> list[Finding]:
    fleet = write(
        {"chart/templates/more.yaml": manifest, **{f"fleet/{name}.yaml": text for name, text in more.items()}}
    )
    return validate(fleet, render(fleet, resolve(fleet, fleet.select())))


def told(write: Write, manifest: str, **more: str) -> list[tuple[str, str]]:
    return [(found.rule, found.what) for found in findings(write, manifest, **more)]


def test_a_sound_release_is_let_pass(write: Write) -> None:
    assert told(write, deployment()) == []


def test_what_the_version_of_a_cluster_refuses_is_told_with_the_clusters(write: Write) -> None:
    (found,) = findings(write, deployment().replace("  selector:", "  replica: 2\n  selector:"))
    assert found.rule == "schema"
    assert found.what.startswith("Deployment/web: spec: ")
    assert "replica" in found.what
    assert (found.why, found.clusters) == ("on a, b", ("a", "b"))


def test_each_cluster_is_held_against_its_own_version(write: Write) -> None:
    old = "axes: {env: dev}\nkubernetes: '1.7'\ncontext: a\n"
    (found,) = findings(write, deployment(), **{"clusters/a": old})
    assert found.what.startswith("a: the schemas of Kubernetes 1.7 are not known; 1.")
    gone = "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: old}\n"
    assert told(write, gone) == [("schema", "CronJob/old: Kubernetes 1.36 has no batch/v1beta1 CronJob")]
    assert told(write, "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: mine}\n") == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (SOUND + "hostNetwork: true\n", ["Deployment/web: hostNetwork is true"]),
        (SOUND + "volumes: [{name: v, hostPath: {path: /}}]\n", ["Deployment/web: the volume v is a hostPath"]),
        (SOUND.replace("drop: [ALL]", ""), ["Deployment/web container a: it does not drop ALL capabilities"]),
        (SOUND.replace("runAsNonRoot: true, ", ""), ["Deployment/web container a: runAsNonRoot is not true"]),
        (
            SOUND.replace("allowPrivilegeEscalation: false", "privileged: true"),
            [
                "Deployment/web container a: allowPrivilegeEscalation is not false",
                "Deployment/web container a: it is privileged",
            ],
        ),
    ],
)
def test_pods_that_the_standard_forbids(write: Write, spec: str, expected: list[str]) -> None:
    assert told(write, deployment(spec)) == [("pod-security", what) for what in expected]


def test_another_standard_is_a_setting(write: Write) -> None:
    spec = SOUND.replace("runAsNonRoot: true, ", "")
    fleet = "chart: ../chart\naxes: [env]\nadapter: none\nrelease: printer\npodSecurity: baseline\n"
    assert told(write, deployment(spec), fleet=fleet) == []
    assert told(write, deployment(spec + "hostPID: true\n"), fleet=fleet) == [
        ("pod-security", "Deployment/web: hostPID is true")
    ]


def test_a_pod_template_in_a_config_map_is_a_pod(write: Write) -> None:
    pod = "\n".join(
        f"    {line}"
        for line in "apiVersion: v1\nkind: Pod\nspec:\n  hostIPC: true\n  containers: [{name: a}]".splitlines()
    )
    manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: templates}}\ndata:\n  gpu.yaml: |\n{pod}\n"
    found = told(write, manifest)
    assert ("pod-security", "ConfigMap/templates gpu.yaml: hostIPC is true") in found
    assert ("pod-security", "ConfigMap/templates gpu.yaml container a: it has no seccompProfile") in found


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {app: wed}, ports: [{port: 80}]}\n",
            "Service/s: its selector matches no pod of the release",
        ),
        (
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\n"
            "spec: {maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: wed}}\n",
            "HorizontalPodAutoscaler/h: there is no Deployment/wed to scale",
        ),
        (
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: r}\n"
            "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: gone}\n",
            "RoleBinding/r: there is no Role/gone",
        ),
        (
            "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: p}\n"
            "spec: {maxUnavailable: 1, selector: {matchLabels: {app: wed}}}\n",
            "PodDisruptionBudget/p: its selector matches no pod of the release",
        ),
    ],
)
def test_names_that_lead_nowhere_are_warnings(write: Write, manifest: str, expected: str) -> None:
    (found,) = findings(write, f"{deployment()}---\n{manifest}")
    assert (found.rule, found.what, str(found.severity)) == ("nowhere", expected, "warning")
    mended = manifest.replace("wed", "web").replace("name: gone", "name: there")
    role = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: there}\nrules: []\n"
    assert told(write, f"{deployment()}---\n{mended}{role}") == []


def test_two_of_one_name(write: Write) -> None:
    assert told(write, f"{deployment()}---\n{deployment()}") == [
        ("twice", "Deployment/web: there are two of this name")
    ]


POLICIES = """
chart: ../chart
axes: [env]
adapter: none
release: printer
podSecurity: privileged
policies:
  - name: limits
    about: container
    expect: it.resources is defined and it.resources.limits is defined
    message: a container has no limits
    fix: set resources
  - {name: size, about: values, select: env=prod, where: values.colour == 'blue', expect: it.size > 5, message: small}
  - {name: replicas, about: Deployment, expect: it.spec.replicas is defined, message: says no number, severity: warning}
"""


def test_policies_are_about_what_they_name(write: Write) -> None:
    found = findings(write, deployment(), fleet=POLICIES)
    assert [(f.rule, f.what, f.clusters, str(f.severity)) for f in found] == [
        ("limits", "Deployment/web container a: a container has no limits", ("a", "b"), "error"),
        ("size", "values: small", ("b",), "error"),
        ("replicas", "Deployment/web: says no number", ("a", "b"), "warning"),
    ]


@pytest.mark.parametrize("expect", ["it.size >", "nothing.size > 1"])
def test_a_policy_that_can_not_be_understood_or_evaluated(write: Write, expect: str) -> None:
    fleet = POLICIES.partition("policies:")[0] + (
        f"policies: [{{name: p, about: values, expect: '{expect}', message: m}}]\n"
    )
    found = findings(write, deployment(), fleet=fleet)
    assert len(found) == 1
    assert "can't be" in found[0].what


def test_the_example_fleet_is_valid_and_the_commands_say_so(tmp_path: Path) -> None:
    for command in (["lint", "--strict"], ["validate", "--strict", "-l", "env=dev", "--json"]):
        argv = [str(project_root() / ".venv/bin/airfleet"), *command, "--fleet", str(project_root() / "values")]
        done = run(argv, check=False)
        assert done.code == 0, done.stdout + done.stderr
        assert done.stderr.endswith("0 errors, 0 warnings\n")
    assert json.loads(done.stdout) == []


def test_what_is_found_ends_with_3(write: Write, tmp_path: Path) -> None:
    write(
        {
            "chart/templates/more.yaml": deployment(SOUND + "hostIPC: true\n"),
            "fleet/env/dev.yaml": "# until: 2020-01-01\na: 1\n",
        }
    )
    airfleet = str(project_root() / ".venv/bin/airfleet")
    for command, words in (("validate", "hostIPC is true [pod-security]"), ("lint", "has outlived its time [expired]")):
        done = run([airfleet, command, "--fleet", str(tmp_path / "fleet")], check=False)
        assert done.code == ExitCode.INVALID
        assert words in done.stdout

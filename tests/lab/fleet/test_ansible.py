"""The playbooks of scripts/ansible on three clusters: changed is what was changed, a wave that fails is the last."""

from __future__ import annotations

import shlex

import pytest

from lab_harness.fleet import AIRFLEET, NAMES, FleetOnDisk
from lab_harness.playbooks import Ansible
from lab_harness.release import until

pytestmark = pytest.mark.long  # tests/README.md says why
A, B, C = NAMES


@pytest.fixture
def ansible(fleet: FleetOnDisk, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """In front of the fleet; what it keeps is not in the fleet's folder."""
    return Ansible(fleet.folder, shlex.join(AIRFLEET), tmp_path_factory.mktemp("ansible"))


def every(verdict: str) -> dict[str, str]:
    return dict.fromkeys(NAMES, verdict)


def revisions(fleet: FleetOnDisk) -> list[str]:
    """Helm's own records on each cluster: `1`, `1 2` ..."""
    found = []
    for name in NAMES:
        core = fleet.cluster(name).core
        secrets = core.list_namespaced_secret(fleet.namespace, label_selector="owner=helm").items
        found.append(" ".join(sorted(secret.metadata.labels["version"] for secret in secrets)))
    return found


def messages(fleet: FleetOnDisk) -> list[str]:
    return [fleet.message(name) for name in NAMES]


def test_changed_then_ok_and_check_mode_writes_nothing(fleet: FleetOnDisk, ansible: Ansible) -> None:
    done = ansible.play("apply", "--check")
    assert (done.code, done.verdicts, messages(fleet)) == (0, every("changed"), ["", "", ""]), done.text
    done = ansible.play("apply")
    assert (done.code, done.verdicts, messages(fleet)) == (0, every("changed"), ["one"] * 3), done.text
    done = ansible.play("apply")
    assert (done.code, done.verdicts, revisions(fleet)) == (0, every("ok"), ["1"] * 3), done.text
    fleet.write("env/b.yaml", "message: two\n")
    done = ansible.play("apply", "--check")
    assert (done.code, done.verdicts) == (0, {A: "ok", B: "changed", C: "ok"}), done.text
    assert "changed ConfigMap/tiny: data.message" in done.told
    assert (messages(fleet), revisions(fleet)) == (["one"] * 3, ["1"] * 3)
    assert ansible.play("status").verdicts == every("ok")
    assert ansible.play("verify").verdicts == every("ok")
    assert ansible.play("drift").verdicts == every("ok")
    assert ansible.kept == []


def test_a_wave_that_fails_is_the_last_and_the_same_call_goes_on(fleet: FleetOnDisk, ansible: Ansible) -> None:
    assert ansible.play("apply").code == 0
    fleet.write("base.yaml", "message: two\n")
    # A quota that has no room for a second pod: the cluster's fault, which is mended while the files stay.
    core = fleet.cluster(B).core
    core.create_namespaced_resource_quota(
        fleet.namespace, {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "1"}}}
    )
    done = ansible.play("apply")
    assert (done.code, done.verdicts) == (2, {A: "changed", B: "failed", C: "untouched"}), done.text
    assert f"error: {B} did not pass the gate rollout in 15 s" in done.told
    assert f"wave second stops: {B} failed, 0 may" in done.told
    assert (messages(fleet), ansible.kept) == (["two", "two", "one"], [B])
    core.delete_namespaced_resource_quota("none", fleet.namespace)
    # Kubernetes tries again after a while that grows, which the gate's 15 seconds may not be enough for.
    until(f"the new pod on {B}", lambda: fleet.run("status", "-l", "env=b").code == 0, 180)
    done = ansible.play("apply")
    assert (done.code, done.verdicts) == (0, {A: "ok", B: "changed", C: "changed"}), done.text
    assert (messages(fleet), revisions(fleet), ansible.kept) == (["two"] * 3, ["1 2"] * 3, [])


def test_a_rollback_and_what_a_hand_changed(fleet: FleetOnDisk, ansible: Ansible) -> None:
    assert ansible.play("apply", "--limit", "wave_first").verdicts == {A: "changed"}
    fleet.write("base.yaml", "message: two\n")
    assert ansible.play("apply", "--limit", "wave_first").verdicts == {A: "changed"}
    done = ansible.play("rollback", "--limit", A)
    assert (done.code, done.verdicts, messages(fleet)) == (0, {A: "changed"}, ["one", "", ""]), done.text
    change = {"data": {"message": "by hand"}}
    core = fleet.cluster(A).core
    core.patch_namespaced_config_map("tiny", fleet.namespace, change, field_manager="kubectl-edit")
    done = ansible.play("drift", "--limit", A)
    assert (done.code, done.verdicts) == (2, {A: "failed"}), done.text
    assert "by hand" in done.told
    assert ansible.play("apply", "--limit", "wave_second,wave_third").verdicts == {B: "changed", C: "changed"}

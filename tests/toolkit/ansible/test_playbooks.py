"""The playbooks that only look, and the one that goes back; and what ansible-lint says of all of them."""

from __future__ import annotations

import shutil
import subprocess

from lab_harness.folder_fleet import ENVS, Place
from lab_harness.playbooks import ROOT, Ansible


def test_they_look_and_tell(place: Place) -> None:
    place.installed()
    place.say("two", "env/a.yaml")
    place.fault("b-1", "sick")
    place.fault("b-2", "gone")
    place.fault("c", "drifted")
    before = place.messages
    done = place.play("status", "--check")
    assert (done.code, done.verdicts) == (2, {**dict.fromkeys(ENVS, "ok"), "b-2": "failed"}), done.text
    assert "msg: behind; airfleet plan " in done.told
    assert "msg: in step; airfleet plan " in done.told
    assert "; Deployment/tiny: 1 of 1 pods are new, 0 available, 0 old" in done.told.partition("unhealthy; ")[2]
    assert "unreachable; could not read the namespace kube-system: it is gone" in done.told
    done = place.play("verify")
    assert (done.code, done.verdicts) == (2, {"a": "ok", "b-1": "failed", "b-2": "failed", "c": "ok"}), done.text
    assert "b-1 did not pass the gate rollout in 0 s" in done.told
    assert "rollout: good after 0 s" in done.told
    done = place.play("drift")
    assert (done.code, done.verdicts) == (2, {"a": "ok", "b-1": "ok", "b-2": "failed", "c": "failed"}), done.text
    assert "after: by hand" in done.told
    assert place.messages == before


def test_check_mode_verifies_nothing_since_a_canary_would_run(place: Place) -> None:
    done = place.play("verify", "--check", "--limit", "a")
    assert (done.code, done.verdicts, place.log) == (0, {"a": "ok"}, []), done.text


def test_a_rollback_is_of_clusters_that_are_named(place: Place) -> None:
    place.installed()
    place.say("two")
    place.airfleet("plan", "--output", str(place.folder / "two.json"))
    place.airfleet("apply", str(place.folder / "two.json"))
    done = place.play("rollback")
    assert (done.code, place.messages) == (2, dict.fromkeys(ENVS, "two 2"))
    assert "a rollback is of clusters that you name: --limit prod-eu-2" in done.told
    done = place.play("rollback", "--limit", "a", "--check")
    assert (done.code, done.verdicts, place.messages["a"]) == (0, {"a": "changed"}, "two 2"), done.text
    done = place.play("rollback", "--limit", "a")
    assert (done.code, done.verdicts, place.messages["a"]) == (0, {"a": "changed"}, "one 3"), done.text
    assert "at revision 3: Rollback to 1" in done.told
    done = place.play("rollback", "--limit", "a", "-e", "airfleet_cluster_revision=9")
    assert (done.code, done.verdicts, place.messages["a"]) == (2, {"a": "failed"}, "one 3"), done.text
    assert "error: there is no revision 9 to go back to" in done.told


def test_arguments_are_checked(place: Place) -> None:
    done = place.play("status", "--limit", "a", "-e", "airfleet_cluster_fleet=")
    assert (done.code, done.verdicts) == (2, {"a": "failed"}), done.text
    assert place.log == []


def test_ansible_lint_s_profile_production(example: Ansible) -> None:
    """Offline: of a copy outside Git, so that it looks at all files and at nothing else."""
    there = example.scratch / "there"
    shutil.copytree(ROOT, there)
    done = lint(example)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Profile 'production' was required, and it passed" in done.stderr
    tasks = there / "roles/airfleet_cluster/tasks/status.yml"
    tasks.write_text(tasks.read_text().replace("  changed_when: false\n", ""))
    assert "no-changed-when" in lint(example, str(tasks)).stdout


def lint(example: Ansible, *files: str) -> subprocess.CompletedProcess[str]:
    folder = example.scratch / "there"
    return example.run("ansible-lint", "--strict", "--offline", "--nocolor", *files, cwd=folder)

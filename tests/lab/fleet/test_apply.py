"""A plan is carried out exactly, wave by wave, or not at all; whatever happens in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from airfleet.helm import helm
from lab_harness.fleet import NAMES, FleetOnDisk

pytestmark = pytest.mark.long  # tests/README.md says why
A, B, C = NAMES


def planned(fleet: FleetOnDisk, file: str = "plan.json") -> dict[str, Any]:
    done = fleet.run("plan", "-o", file)
    assert done.code in (0, 2), done.err
    found: dict[str, Any] = json.loads((fleet.folder / file).read_text())
    return found


def wait_for(what: str, probe: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)
    return found


def journal(fleet: FleetOnDisk, file: str = "plan.json") -> list[tuple[str, str]]:
    path = fleet.folder / f"{file}.journal"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [(row["cluster"], row["what"]) for row in rows if "cluster" in row]


def test_installs_in_waves_then_there_is_nothing_to_do(fleet: FleetOnDisk) -> None:
    plan = planned(fleet)
    assert [(step["cluster"], step["wave"], step["action"]) for step in plan["steps"]] == [
        (A, "first", "install"),
        (B, "second", "install"),
        (C, "third", "install"),
    ]
    assert fleet.run("apply", "plan.json", "--wave", "first").code == 0
    assert [fleet.message(name) for name in NAMES] == ["one", "", ""]
    done = fleet.run("apply", "plan.json")
    assert done.code == 0
    assert [fleet.message(name) for name in NAMES] == ["one", "one", "one"]
    assert journal(fleet) == [(n, what) for n in NAMES for what in ("started", "written", "healthy")]
    assert "helm upgrade tiny " in done.err
    assert fleet.run("plan", "-o", "again.json").code == 0
    assert fleet.run("status").code == 0


def test_a_bad_wave_stops_it_a_rollback_restores_and_the_same_plan_goes_on(fleet: FleetOnDisk) -> None:
    planned(fleet)
    assert fleet.run("apply", "plan.json").code == 0
    fleet.write("base.yaml", "message: two\n")
    # A quota that a second cluster has not room for: the cluster's fault, which is mended while the plan stays.
    b = fleet.cluster(B)
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "1"}}}
    b.core.create_namespaced_resource_quota(fleet.namespace, quota)
    planned(fleet, "two.json")
    done = fleet.run("apply", "two.json")
    assert done.code == 4
    assert f"{B}: error: {B} did not pass the gate rollout in 15 s" in done.err
    assert [fleet.message(name) for name in NAMES] == ["two", "two", "one"]
    status = fleet.run("status")
    assert status.code == 2
    assert [line.split()[2] for line in status.out.splitlines()[1:4]] == ["in", "unhealthy", "behind"]
    back = fleet.run("rollback", B)
    assert (back.code, back.out) == (0, f"{B} is at revision 3: Rollback to 1\n")
    assert fleet.message(B) == "one"
    b.core.delete_namespaced_resource_quota("none", fleet.namespace)
    assert fleet.run("apply", "two.json").code == 0
    assert [fleet.message(name) for name in NAMES] == ["two", "two", "two"]
    assert [what for name, what in journal(fleet, "two.json") if name == A] == ["started", "written", "healthy"]


def test_what_moved_is_refused_before_anything_is_written(fleet: FleetOnDisk) -> None:
    planned(fleet)
    fleet.write("env/c.yaml", "message: other\n")
    done = fleet.run("apply", "plan.json")
    assert done.code == 1
    assert done.err == (
        "error: the fleet is not what the plan was made of, so nothing was applied\n"
        f"  why:   {C}: another values and another rendering\n"
        "  fix:   make the plan anew: `airfleet plan -o FILE`\n"
    )
    fleet.write("env/c.yaml", "")
    planned(fleet, "other.json")
    assert fleet.run("apply", "other.json").code == 0
    done = fleet.run("apply", "plan.json")
    assert done.code == 1
    assert "3 clusters are not as the plan knew them, so nothing was applied" in done.err
    assert "the plan knew revision none; it is at 1: airfleet plan" in done.err


def test_another_cluster_behind_the_context_is_refused_before_any_write(fleet: FleetOnDisk) -> None:
    planned(fleet)
    # The user's file now leads to another cluster under the same name.
    swapped = yaml.safe_load(fleet.labs[B].kubeconfig.read_text())
    other = yaml.safe_load(fleet.labs[C].kubeconfig.read_text())
    swapped["clusters"][0]["cluster"] = other["clusters"][0]["cluster"]
    swapped["users"][0]["user"] = other["users"][0]["user"]
    fleet.write("swapped", swapped)
    spec = yaml.safe_load((fleet.folder / f"clusters/{B}.yaml").read_text())
    fleet.write(f"clusters/{B}.yaml", {**spec, "kubeconfig": "swapped"})
    done = fleet.run("apply", "plan.json")
    assert done.code == 1
    assert f"the context {fleet.labs[B].context} leads to another cluster than {B}" in done.err
    assert [fleet.message(name) for name in NAMES] == ["", "", ""]
    assert journal(fleet) == []


@pytest.mark.parametrize("moment", ["started", "written"])
def test_killed_in_the_middle_it_goes_on(fleet: FleetOnDisk, moment: str) -> None:
    planned(fleet)
    running = fleet.start("apply", "plan.json")
    try:
        wait_for(moment, lambda: (B, moment) in journal(fleet))
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()
    assert ("fleet-b", "healthy") not in journal(fleet)
    # The dead one's lock holds until it is old enough; nobody has to break it.
    done = wait_for("the lock to be free", lambda: (d := fleet.run("apply", "plan.json")).code == 0 and d)
    assert [fleet.message(name) for name in NAMES] == ["one", "one", "one"]
    assert "is being changed by" not in done.err
    assert [what for name, what in journal(fleet) if name == A] == ["started", "written", "healthy"]


# Helm as it is, but an upgrade waits for pods that never come: it has begun its revision and does not end it.
HANGING_HELM = """\
#!/bin/sh
case "$1" in upgrade) exec {helm} "$@" --wait --timeout 5m --set image=none:1;; esac
exec {helm} "$@"
"""


def test_a_helm_that_died_leaves_a_pending_release_which_is_mended(
    fleet: FleetOnDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(fleet)
    assert fleet.run("apply", "plan.json").code == 0
    fleet.write("base.yaml", "message: two\n")
    planned(fleet, "two.json")
    fleet.write("helm", HANGING_HELM.format(helm=helm()))
    (fleet.folder / "helm").chmod(0o755)
    with monkeypatch.context() as changed:
        changed.setenv("AIRFLEET_HELM", str(fleet.folder / "helm"))
        running = fleet.start("apply", "two.json")
    a, record = fleet.cluster(A), "sh.helm.release.v1.tiny.v2"
    try:
        wait_for("Helm's revision", lambda: a.exists(a.core.read_namespaced_secret, record, fleet.namespace))
    finally:
        for pid in [int(pid) for pid in subprocess.check_output(["pgrep", "-P", str(running.pid)]).split()]:
            os.kill(pid, signal.SIGKILL)
        running.kill()
        running.communicate()
    assert "pending" in fleet.run("status").out
    wait_for("the lock to be free", lambda: fleet.run("apply", "two.json").code == 0, 120)
    assert [fleet.message(name) for name in NAMES] == ["two", "two", "two"]
    assert fleet.run("status").code == 0


def test_ctrl_c_ends_what_is_being_written_and_begins_nothing(fleet: FleetOnDisk) -> None:
    spec = yaml.safe_load((fleet.folder / "fleet.yaml").read_text())
    spec["waves"][0]["soak"] = "1h"
    fleet.write("fleet.yaml", spec)
    planned(fleet)
    running = fleet.start("apply", "plan.json")
    wait_for("the first wave", lambda: (A, "healthy") in journal(fleet))
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    assert "the same command goes on: airfleet apply plan.json" in err
    assert out.splitlines()[1:] == [f"{A}  healthy", f"{B}  untouched", f"{C}  untouched"]
    assert fleet.run("status", "-l", "env=a").code == 0


def test_of_two_applies_one_is_refused(fleet: FleetOnDisk) -> None:
    spec = yaml.safe_load((fleet.folder / "fleet.yaml").read_text())
    fleet.write("fleet.yaml", {**spec, "gates": {"rollout": "2m"}})
    fleet.write("env/a.yaml", "image: docker.io/airfleet/nothing:1\n")
    planned(fleet)
    shutil.copy(fleet.folder / "plan.json", fleet.folder / "same.json")
    first = fleet.start("apply", "plan.json")
    try:
        wait_for("the first one to write", lambda: (A, "written") in journal(fleet))
        (fleet.folder / "same.json.journal").write_bytes((fleet.folder / "plan.json.journal").read_bytes())
        second = fleet.run("apply", "same.json")
        assert second.code == 4
        assert f"{A} is being changed by root@" in second.err
        assert journal(fleet, "same.json")[-1] == (A, "failed")
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)
    assert journal(fleet)[-1] == (A, "stopped")


def test_a_plan_is_never_overwritten_and_another_file_is_no_plan(fleet: FleetOnDisk) -> None:
    planned(fleet)
    done = fleet.run("plan", "-o", "plan.json")
    assert (done.code, done.err.splitlines()[0]) == (1, "error: a plan is not written over another file")
    done = fleet.run("apply", "fleet.yaml")
    assert (done.code, done.err.splitlines()[0]) == (3, "error: this is not a plan")
    done = fleet.run("apply", "plan.json", "--wave", "forth")
    assert (done.code, done.err.splitlines()[0]) == (64, "error: the plan has no wave forth")

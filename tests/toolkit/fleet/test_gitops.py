"""Clusters that a GitOps controller owns: a real Git, a real API server, and lab_harness/controller.py on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from airfleet.errors import AirfleetError
from airfleet.fleet.gitops import Applied, argo_cd, cloned, flux
from airfleet.fleet.inventory import read_fleet
from airfleet.lab import Lab
from lab_harness.controller import Controller

ENVS = {"a": "dev", "b": "prod", "c": "prod"}
WHO = ("-c", "user.name=t", "-c", "user.email=t@example.com")


@dataclass
class Place:
    """Three clusters that are namespaces of one API server, and the repository from which a controller fills them."""

    folder: Path
    bare: Path
    lab: Lab
    controller: Controller

    def gitops(self, **settings: Any) -> None:
        spec = yaml.safe_load((self.folder / "fleet/fleet.yaml").read_text())
        where = {"repository": str(self.bare), "path": "", "timeout": "3s", "namespace": ""}
        spec["gitops"] = where | settings
        (self.folder / "fleet/fleet.yaml").write_text(yaml.safe_dump(spec))

    def set(self, colour: str) -> None:
        (self.folder / "fleet/base.yaml").write_text(f"colour: {colour}\n")

    def run(self, *argv: str) -> Any:
        command = [sys.executable, "-c", "from airfleet.cli import main; main()", *argv]
        env = {**os.environ, **_AUTHOR}
        done = subprocess.run(command, cwd=self.folder / "fleet", capture_output=True, text=True, env=env, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)

    def plan(self, name: str = "plan.json") -> int:
        return int(self.run("plan", "--output", name).code)

    def states(self) -> dict[str, str]:
        return {row["cluster"]: row["state"] for row in json.loads(self.run("status", "--json").out)}

    def colour(self, cluster: str) -> str:
        found = self.lab.kubectl("get", "configmap", "printer", f"--namespace=gitops-{cluster}", "--output=json")
        return str(json.loads(json.loads(found.stdout)["data"]["values.json"])["colour"])

    def subjects(self, branch: str = "main") -> list[str]:
        return self.controller.git("log", "--reverse", "--format=%s", branch).splitlines()

    def colleague(self, script: str) -> None:
        """What somebody else does in a clone of their own."""
        there = self.folder / "colleague"
        if not there.exists():
            subprocess.run(["git", "clone", "--quiet", self.bare, there], check=True)
        env = {**os.environ, **_AUTHOR}
        newest = "set -e; git fetch --quiet; git checkout --quiet -B main origin/main"
        subprocess.run(
            ["sh", "-c", f"{newest}; {script}; git push --quiet origin main"],
            cwd=there,
            env=env,
            check=True,
            capture_output=True,
        )


_AUTHOR = {f"GIT_{who}_{what}": "t@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture(params=["argocd", "flux"])
def owner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(owner: str, write: Any, tmp_path: Path, api_server: Lab) -> Iterator[Place]:
    write({})
    bare = tmp_path / "manifests.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare], check=True)
    tree = subprocess.run(["git", "-C", bare, "mktree"], input="", capture_output=True, text=True, check=True)
    first = ["git", "-C", bare, *WHO, "commit-tree", "-m", "first", tree.stdout.strip()]
    commit = subprocess.run(first, capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run(["git", "-C", bare, "update-ref", "refs/heads/main", commit], check=True)
    spec = yaml.safe_load((tmp_path / "fleet/fleet.yaml").read_text())
    (tmp_path / "fleet/fleet.yaml").write_text(yaml.safe_dump(spec | {"owner": owner}))
    for name, env in ENVS.items():
        reached = {"context": api_server.context, "kubeconfig": str(api_server.kubeconfig)}
        about = {"axes": {"env": env}, "kubernetes": "1.36", "namespace": f"gitops-{name}", **reached}
        (tmp_path / f"fleet/clusters/{name}.yaml").write_text(yaml.safe_dump(about))
    with Controller(owner, api_server, bare) as controller:
        found = Place(tmp_path, bare, api_server, controller)
        found.gitops(timeout="60s")
        yield found
    for name in ENVS:
        api_server.kubectl("delete", "namespace", f"gitops-{name}", "--ignore-not-found", "--wait=false")


def test_one_change_for_each_wave_and_helm_is_not_asked(place: Place) -> None:
    assert place.plan() == 2
    done = place.run("apply", "plan.json")
    assert done.code == 0, done.err
    assert [subject.partition(", ")[2] for subject in place.subjects()[1:]] == ["wave first: a", "wave rest: b, c"]
    assert [place.colour(name) for name in ENVS] == ["red"] * 3
    secrets = place.lab.kubectl("get", "secrets", "--all-namespaces", "--output=name").stdout
    assert "sh.helm.release" not in secrets
    assert place.plan("again.json") == 0
    assert place.states() == dict.fromkeys(ENVS, "in step")
    place.set("green")
    assert place.states() == dict.fromkeys(ENVS, "behind")


def test_a_sick_cluster_stops_the_waves_and_is_taken_back(place: Place) -> None:
    place.plan()
    assert place.run("apply", "plan.json").code == 0
    place.set("green")
    place.gitops(timeout="3s")
    place.plan("green.json")
    place.controller.sick.add("a")
    done = place.run("apply", "green.json")
    assert done.code == 4
    assert f"a did not pass the gate {place.controller.kind} in 3 s" in done.err
    assert "a pod is ill" in done.err
    assert place.states() == {"a": "unhealthy", "b": "behind", "c": "behind"}
    assert place.colour("b") == "red"
    place.controller.sick.clear()
    place.gitops(timeout="60s")
    back = place.run("rollback", "a")
    assert back.code == 0, back.err
    assert place.colour("a") == "red"
    assert place.subjects()[-1].startswith("Take a back to ")
    again = place.run("apply", "green.json")
    assert again.code == 0, again.err
    assert [place.colour(name) for name in ENVS] == ["green"] * 3


@pytest.mark.parametrize("owner", ["argocd"], indirect=True)
def test_a_change_waits_for_people_and_a_squash_is_the_same_change(place: Place) -> None:
    place.gitops(review=True, timeout="3s")
    place.plan()
    done = place.run("apply", "plan.json")
    assert done.code == 4
    assert "the change's branch is not merged into main yet" in done.err
    assert place.subjects() == ["first"]
    (branch,) = [name for name in place.controller.git("branch", "--format=%(refname:short)").split() if name != "main"]
    assert branch.startswith("airfleet/") and branch.endswith("/first")
    before = place.controller.git("rev-parse", branch)
    assert place.run("apply", "plan.json", "--wave", "first").code == 4
    assert place.controller.git("rev-parse", branch) == before  # not pushed twice
    squash = f"git merge --quiet --squash origin/{branch}; git commit --quiet -m squashed"
    place.colleague(f"echo x > other; git add .; git commit --quiet -m other; {squash}")
    place.gitops(review=True, timeout="60s")
    done = place.run("apply", "plan.json", "--wave", "first")
    assert done.code == 0, done.err
    assert place.colour("a") == "red"


@pytest.mark.parametrize("owner", ["argocd"], indirect=True)
def test_what_was_changed_since_the_plan_is_refused_before_anything_is_pushed(place: Place) -> None:
    place.plan()
    assert place.run("apply", "plan.json").code == 0
    place.set("green")
    place.plan("green.json")
    place.colleague("echo '# mine' >> clusters/b/manifests.yaml; git commit --quiet --all -m mine")
    done = place.run("apply", "green.json")
    assert done.code == 1
    assert "error: the files of b in Git were changed since the plan was made" in done.err
    assert place.subjects()[-1] == "mine"


@pytest.mark.parametrize("owner", ["argocd"], indirect=True)
def test_a_push_of_others_in_between_is_no_obstacle(place: Place) -> None:
    read = read_fleet(place.folder / "fleet/fleet.yaml")
    pushed = iter(["echo one > one; git add .; git commit --quiet -m one"])
    with cloned(read, read.select()) as git:
        assert git
        for key, value in {"user.name": "t", "user.email": "t@example.com"}.items():
            git.git("config", key, value)

        def check() -> None:
            for script in pushed:
                place.colleague(script)

        git.propose({"a": {"clusters/a/manifests.yaml": "{}\n"}}, "ours", "", check)
    assert place.subjects() == ["first", "one", "ours"]


@pytest.mark.parametrize("owner", ["argocd"], indirect=True)
def test_a_refused_push_tells_what_the_server_says(place: Place) -> None:
    hook = place.bare / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'main is protected'\nexit 1\n")
    hook.chmod(0o755)
    place.plan()
    done = place.run("apply", "plan.json")
    assert done.code == 4
    assert "error: the change could not be pushed" in done.err
    assert "main is protected" in done.err
    assert "wave first stops: a failed, 0 may" in done.err
    assert [line.split()[1] for line in done.out.splitlines()[1:]] == ["failed", "untouched", "untouched"]
    assert place.subjects() == ["first"]


@pytest.mark.parametrize("owner", ["flux"], indirect=True)
def test_drift_and_live_differences_are_seen_beside_the_controller(place: Place) -> None:
    place.plan()
    assert place.run("apply", "plan.json").code == 0
    assert place.run("drift").code == 0
    assert place.run("diff", "--live").code == 0
    assert place.run("verify").code == 0
    place.controller.asleep = True
    changed = json.dumps({"data": {"values.json": "{}"}})
    place.lab.kubectl("patch", "configmap", "printer", "--namespace=gitops-b", "--type=merge", "--patch", changed)
    done = place.run("drift")
    assert done.code == 2
    assert "values.json" in done.out
    place.set("green")
    done = place.run("diff", "--live", "-l", "name=a")
    assert done.code == 2
    assert "tracking" not in done.out and "refuse" not in done.out


@pytest.mark.parametrize("owner", ["argocd"], indirect=True)
def test_a_controller_that_does_not_know_the_cluster_is_told(place: Place) -> None:
    place.controller.asleep = True
    place.gitops(timeout="1s")
    place.plan()
    done = place.run("apply", "plan.json")
    assert done.code == 4
    assert "there is no Application argocd/printer-a: nothing has applied it from Git yet" in done.err
    assert place.states() == dict.fromkeys(ENVS, "not installed")


@pytest.mark.parametrize("owner", ["argocd"], indirect=True)
def test_there_is_nothing_to_go_back_to(place: Place) -> None:
    place.plan()
    assert place.run("apply", "plan.json").code == 0
    done = place.run("rollback", "a", "--to", "123456")
    assert done.code == 64
    assert "error: there is no commit 123456 that a can go back to" in done.err


@pytest.mark.parametrize("owner", ["argocd"], indirect=True)
def test_another_owner_is_another_plan(place: Place) -> None:
    place.plan()
    file = place.folder / "fleet/clusters/a.yaml"
    file.write_text(file.read_text() + "owner: helm\n")
    done = place.run("apply", "plan.json")
    assert done.code == 1
    assert "a: another owner" in done.err


def test_without_a_repository_nothing_is_planned(write: Any) -> None:
    fleet = write({"fleet/clusters/a.yaml": 'axes: {env: dev}\nkubernetes: "1.36"\ncontext: a\nowner: flux\n'})
    with pytest.raises(AirfleetError) as refused, cloned(fleet, fleet.select()):
        pass
    assert refused.value.what == "a belongs to flux, and fleet.yaml does not say what that reads"
    assert refused.value.fix == "add `gitops: {repository: URL}` to fleet.yaml"


def test_a_password_in_the_address_is_refused(write: Any) -> None:
    with pytest.raises(AirfleetError, match="leave them to Git's credential helper"):
        write(
            {
                "fleet/fleet.yaml": "chart: ../chart\naxes: [env]\ngitops: {repository: 'https://me:pw@git.example.com/x'}\n"
            }
        )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"sync": {"status": "Synced", "revision": "c1"}, "health": {"status": "Healthy"}}, Applied("c1")),
        (
            {"sync": {"status": "Synced", "revision": "c1"}, "health": {"status": "Progressing"}},
            Applied("c1", "Argo CD: Progressing"),
        ),
        (
            {
                "sync": {"status": "OutOfSync", "revision": "c1"},
                "health": {"status": "Healthy"},
                "operationState": {"phase": "Failed", "message": "one or more objects failed to apply"},
                "conditions": [{"type": "SyncError", "message": "no"}, {"type": "OrphanedResourceWarning"}],
            },
            Applied("c1", "SyncError: no\nArgo CD: OutOfSync; Failed one or more objects failed to apply"),
        ),
        ({}, Applied("", "Argo CD: Unknown\nArgo CD: Unknown")),
    ],
)
def test_argo_cd_s_words(status: Any, expected: Applied) -> None:
    assert argo_cd({"status": status}) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"lastAppliedRevision": "main@sha1:c1", "conditions": [{"type": "Ready", "status": "True"}]}, Applied("c1")),
        (
            {"conditions": [{"type": "Ready", "status": "False", "reason": "BuildFailed", "message": "no"}]},
            Applied("", "Flux: BuildFailed: no"),
        ),
        ({"observedGeneration": 1}, Applied("", "Flux has not seen its present form yet")),
    ],
)
def test_flux_s_words(status: Any, expected: Applied) -> None:
    assert flux({"metadata": {"generation": 2}, "status": {"observedGeneration": 2, **status}}) == expected

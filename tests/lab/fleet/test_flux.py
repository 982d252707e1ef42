"""Clusters that the real kustomize-controller of Flux owns: waves by commits, a wave that stops, and the way back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab_harness.fleet import NAMES, FleetOnDisk
from lab_harness.flux import flux

pytestmark = pytest.mark.long  # tests/README.md says why
A, B, C = NAMES


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    bare = tmp_path / "manifests.git"
    clone = tmp_path / "first"
    for argv in (
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(bare)],
        ["git", "init", "--quiet", "--initial-branch=main", str(clone)],
    ):
        subprocess.run(argv, check=True)
    (clone / "kustomizations").mkdir()
    (clone / "kustomizations/none.yaml").write_text("# the clusters' Kustomizations stand beside this file\n")
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for argv in (["add", "."], [*identity, "commit", "--quiet", "-m", "first"], ["push", "--quiet", str(bare), "main"]):
        subprocess.run(["git", "-C", clone, *argv], check=True)
    return bare


@pytest.fixture
def owned(fleet: FleetOnDisk, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetOnDisk]:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "t")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "t@example.com")
    management = fleet.labs[A]
    spec = yaml.safe_load((fleet.folder / "fleet.yaml").read_text())
    gitops = {
        "repository": str(bare),
        "context": management.context,
        "kubeconfig": str(management.kubeconfig),
        "identity": fleet.cluster(A).identity(),
        "timeout": "60s",
    }
    fleet.write("fleet.yaml", {**spec, "owner": "flux", "gitops": gitops})
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    with flux(management, fleet.labs, bare, artifacts):
        yield fleet


def subjects(bare: Path) -> list[str]:
    log = subprocess.run(["git", "-C", bare, "log", "--reverse", "--format=%s"], capture_output=True, text=True)
    return log.stdout.splitlines()


def test_waves_stop_at_a_sick_cluster_go_back_and_go_on(owned: FleetOnDisk, bare: Path) -> None:
    assert owned.run("plan", "-o", "one.json").code == 2
    done = owned.run("apply", "one.json", timeout=300)
    assert done.code == 0, done.err
    assert [owned.message(name) for name in NAMES] == ["one", "one", "one"]
    assert len(subjects(bare)) == 4
    assert owned.run("status").code == 0
    assert owned.run("drift").code == 0
    assert owned.run("diff", "--live").code == 0
    for name in NAMES:
        secrets = owned.labs[name].kubectl("get", "secrets", "--namespace", owned.namespace, "--output=name").stdout
        assert "sh.helm.release" not in secrets
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "1"}}}
    b = owned.cluster(B)
    b.core.create_namespaced_resource_quota(owned.namespace, quota)
    owned.write("base.yaml", "message: two\n")
    assert owned.run("plan", "-o", "two.json").code == 2
    done = owned.run("apply", "two.json", timeout=300)
    assert done.code == 4
    assert f"{B} did not pass the gate flux in 60 s" in done.err
    assert [owned.message(name) for name in NAMES] == ["two", "two", "one"]
    assert len(subjects(bare)) == 6
    b.core.delete_namespaced_resource_quota("none", owned.namespace)
    back = owned.run("rollback", B, timeout=300)
    assert back.code == 0, back.err
    assert owned.message(B) == "one"
    done = owned.run("apply", "two.json", timeout=300)
    assert done.code == 0, done.err
    assert [owned.message(name) for name in NAMES] == ["two", "two", "two"]

"""A fleet in a real Git repository, with a small chart beside it, rendered by the real Helm.

Helm is called through a script that notes each call, so that a test can say what was not rendered.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfleet import console, helm
from airfleet.fleet.diff import FleetDiff
from airfleet.fleet.review import between
from airfleet.fleet.revisions import Repository
from airfleet.fleet.secrets import sops
from airfleet.gotools import GoProgram
from airfleet.kube import Cluster
from airfleet.lab import Lab
from lab_harness.recording import recording
from lab_harness.shop import Shop

CHART = Path(__file__).parent / "chart"
CLUSTERS = {"dev-eu": "dev", "prod-eu": "prod", "prod-us": "prod", "prod-asia": "prod"}


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


@dataclass
class Checkout:
    """A Git repository with a fleet in values/ and its chart in chart/."""

    root: Path
    log: Path

    def write(self, name: str, content: Any) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def cluster(self, name: str, **spec: Any) -> None:
        env = CLUSTERS.get(name, "prod")
        about = {"axes": {"env": env}, "kubernetes": "1.36", "context": name}
        self.write(f"values/clusters/{name}.yaml", about | spec)

    def git(self, *argv: str) -> str:
        self.root.mkdir(exist_ok=True)
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", "-C", self.root, *who, *argv], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message: str = "change") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def diff(self, text: str = "HEAD", selector: str = "") -> FleetDiff:
        repository = Repository.around(self.root / "values" / "fleet.yaml")
        return between(repository, *repository.sides(text), selector)

    def renders(self) -> int:
        """How often Helm rendered since this was asked the last time."""
        calls = self.log.read_text().split() if self.log.exists() else []
        self.log.write_text("")
        return len(calls)

    def run(self, *argv: str, **env: str) -> Done:
        """A command as a user types it, in the repository."""
        command = [sys.executable, "-c", "from airfleet.cli import main; main()", *argv]
        done = subprocess.run(
            command, cwd=self.root, capture_output=True, text=True, env={**os.environ, **env}, check=False, timeout=120
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for all of these tests: most of what they render is the same."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cold(fleet: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, with nothing in it."""
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def fleet(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """Four clusters, one in dev and three in prod, committed once."""
    real, log = helm.helm(), tmp_path / "helm.log"
    recorder = tmp_path / "helm"
    recorder.write_text(f'#!/bin/sh\n[ "$1" = template ] && echo . >> {log}\nexec {real} "$@"\n')
    recorder.chmod(0o755)
    monkeypatch.setenv("AIRFLEET_HELM", str(recorder))
    monkeypatch.setenv("AIRFLEET_CACHE", str(cache))
    helm.helm.cache_clear()
    helm.identity.cache_clear()
    checkout = Checkout(tmp_path / "repository", log)
    shutil.copytree(CHART, checkout.root / "chart")
    spec = {"chart": "../chart", "axes": ["env"], "adapter": "none", "release": "shop", "namespace": "shop"}
    checkout.write("values/fleet.yaml", spec)
    checkout.write("values/base.yaml", "# What all have.\nurl: http://${{ cluster.name }}.example.com\n")
    checkout.write("values/env/dev.yaml", "")
    checkout.write("values/env/prod.yaml", "replicas: 3\n")
    for name in CLUSTERS:
        checkout.cluster(name)
    checkout.git("init", "--quiet", "--initial-branch", "main")
    checkout.commit("first")
    yield checkout
    helm.helm.cache_clear()
    helm.identity.cache_clear()


@dataclass
class Age:
    """SOPS, and an age key that it finds only where a test says so."""

    sops: Path
    key: Path
    public: str

    @property
    def env(self) -> dict[str, str]:
        return {"SOPS_AGE_KEY_FILE": str(self.key)}

    def encrypt(self, file: Path, *options: str) -> None:
        argv = [self.sops, "encrypt", "--age", self.public, *options, "--in-place", file]
        subprocess.run(argv, check=True, capture_output=True)

    def set(self, file: Path, path: str, value: Any) -> None:
        """Change one value of an encrypted file, as an editor would: what else is in it stays as it is."""
        keys = "".join(f"[{part}]" if part.isdecimal() else f'["{part}"]' for part in path.split("."))
        argv = [self.sops, "set", file, keys, json.dumps(value)]
        subprocess.run(argv, check=True, capture_output=True, env={**os.environ, **self.env})


@pytest.fixture(scope="session")
def built_age(tmp_path_factory: pytest.TempPathFactory) -> Age:
    """Built from their Go modules, once, into the cache that is no test's own."""
    keygen = GoProgram("age-keygen", "age", "filippo.io/age/cmd/age-keygen", "v1.3.2", "10 seconds")
    key = tmp_path_factory.mktemp("age") / "key.txt"
    done = subprocess.run([keygen.built("-"), "-o", key], check=True, capture_output=True, text=True)
    return Age(sops(), key, done.stderr.split()[-1])


@pytest.fixture
def age(built_age: Age, monkeypatch: pytest.MonkeyPatch) -> Iterator[Age]:
    monkeypatch.setenv("AIRFLEET_SOPS", str(built_age.sops))
    for name in ("SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    sops.cache_clear()
    yield built_age
    sops.cache_clear()
    console._hidden.clear()


@pytest.fixture
def shop(fleet: Checkout, api_server: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    for file in (fleet.root / "values/clusters").glob("prod-*"):
        file.unlink()
    namespace = f"live-{abs(hash(request.node.name)) % 10**8}"
    with recording(Cluster(api_server.kubeconfig, api_server.context), tmp_path) as recorded:
        found = Shop(fleet, api_server, recorded, namespace)
        found.values()
        yield found
    api_server.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")

"""A lab of two nodes for the tests of the lab itself, and a namespace for each test module."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from airfleet.lab import Lab, state

NAME = "selftest"
TOOLBOX = "airfleet/toolbox:1"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass(frozen=True)
class Probe:
    """What a test does with a namespace of a lab."""

    lab: Lab
    namespace: str

    def kubectl(self, *args: str, stdin: str | None = None, check: bool = True) -> str:
        done = self.lab.kubectl("--namespace", self.namespace, *args, stdin=stdin, check=check, timeout=90)
        return done.stdout if check else done.stdout + done.stderr

    def apply(self, *objects: dict[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(listed))

    def get(self, *args: str) -> Any:
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def sh(self, pod: str, script: str) -> str:
        return self.kubectl("exec", pod, "--", "sh", "-c", script)

    def wait_ready(self, *pods: str) -> None:
        self.kubectl("wait", "--for=condition=Ready", *(f"pod/{p}" for p in pods), "--timeout=60s")

    def wait_done(self, pod: str) -> str:
        self.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{pod}", "--timeout=60s")
        return self.kubectl("logs", pod)

    @cache  # noqa: B019 - a pod keeps its address, and there are few
    def ip(self, pod: str) -> str:
        return str(self.get("pod", pod)["status"]["podIP"])

    @staticmethod
    def pod(name: str, script: str = "sleep 100000", *, node: str = "", **spec: Any) -> dict[str, Any]:
        labels, container = spec.pop("labels", {}), spec.pop("container", {})
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"name": name, **labels}},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "base", "image": TOOLBOX, "command": ["sh", "-c", script], **container}],
                **({"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}),
                **spec,
            },
        }


def wait_until(what: str, holds: Callable[[], Any], timeout: float = 20) -> Any:
    """Poll until `holds` gives something true, and return that; the last answer is part of the failure."""
    deadline = time.monotonic() + timeout
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not in {timeout:.0f} s: {what} (last: {found!r})"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    return wait_until


@pytest.fixture(scope="session")
def selftest() -> Iterator[Lab]:
    lab = Lab(NAME)
    lab.down()
    lab.up(nodes=2)
    yield lab
    lab.down()


@pytest.fixture(scope="module")
def probe(selftest: Lab, request: pytest.FixtureRequest) -> Iterator[Probe]:
    namespace = request.module.__name__.rpartition(".")[2].replace("_", "-")
    selftest.kubectl("create", "namespace", namespace)
    probe = Probe(selftest, namespace)
    wait_until("the service account", lambda: probe.kubectl("get", "sa", "default", check=False).count("default"))
    yield probe
    selftest.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="session")
def restricted() -> dict[str, Any]:
    return RESTRICTED


def traces(name: str) -> dict[str, list[str]]:
    """Everything on this machine that belongs to a lab: kind -> what was found."""
    directory, group = str(state.lab_dir(name)), state.group(name)
    found: dict[str, list[str]] = {"processes": [], "mounts": [], "cgroups": [], "files": []}
    namespaces = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            command = (process / "cmdline").read_text(errors="replace").replace("\0", " ")
            if group in (process / "cgroup").read_text() or f"{directory}/" in command:
                found["processes"].append(f"{process.name} {command[:100]}")
            namespace = (process / "ns/mnt").readlink()
            if namespace not in namespaces:
                namespaces.add(namespace)
                lines = (process / "mountinfo").read_text().splitlines()
                found["mounts"] += [line for line in lines if f"{directory}/" in line]
        except OSError:
            continue  # it ended while we looked
    found["cgroups"] = [str(p) for p in Path("/sys/fs/cgroup").glob(f"**/airfleet/{group}")]
    found["files"] = [str(p) for p in (state.lab_dir(name), state.state_dir() / f"{name}.lock") if p.exists()]
    return found


@pytest.fixture(scope="session")
def traces_of() -> Callable[[str], dict[str, list[str]]]:
    return traces


@pytest.fixture(scope="session")
def nothing() -> dict[str, list[str]]:
    return {"processes": [], "mounts": [], "cgroups": [], "files": []}


@pytest.fixture(scope="session")
def airfleet() -> Callable[..., subprocess.Popen[str]]:
    """Start the command line in a process group of its own, as a shell does."""

    def start(*args: str) -> subprocess.Popen[str]:
        argv = [str(Path(sys.executable).with_name("airfleet")), *args]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)

    return start


def machine_interfaces() -> set[str]:
    return {line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]}


@pytest.fixture(scope="session")
def interfaces() -> Callable[[], set[str]]:
    return machine_interfaces

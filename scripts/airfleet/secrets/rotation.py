"""How every rotation goes: named steps, each of which can be done again, and a record of how far it came.

The record is the ConfigMap `<release>-rotation`. It holds no secret; an interrupted rotation goes on from it, and a
second operator finds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from airfleet import console
from airfleet.errors import AirfleetError, ExitCode
from airfleet.secrets.installed import Installed, changed_at, owner
from airfleet.secrets.rollout import roll_out


@dataclass(frozen=True)
class Step:
    """One step: what it does, in words, and the function that does it and says what came of it."""

    title: str
    run: Callable[[], str]


@dataclass
class Rotation:
    """A rotation under way. facts are what later steps need to know; never a secret."""

    installed: Installed
    kind: str
    id: str = ""
    done: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    resumed: bool = False
    go_on: bool = False
    timeout: float = 600
    folder: Path = field(default_factory=Path)

    @property
    def record(self) -> str:
        """The name of the ConfigMap that remembers."""
        return f"{self.installed.fullname}-rotation"

    def load(self) -> None:
        """Go on with what was begun, or begin."""
        found = json.loads(self.installed.config_map(self.record).get(self.kind) or "{}")
        if found and not found.get("finished"):
            self.id, self.done, self.facts, self.resumed = found["id"], found["done"], found["facts"], True
            return
        if self.go_on:
            raise AirfleetError(
                f"there is no rotation of {self.kind} to continue",
                where=f"ConfigMap {self.record}",
                fix="leave --continue out to begin one",
                code=ExitCode.USAGE,
            )
        self.id = f"{self.kind}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"

    def save(self, *, finished: bool = False) -> None:
        """Remember how far it came, or that it is finished and when."""
        told: dict[str, Any] = {"id": self.id, "done": self.done, "facts": self.facts}
        if finished:
            told = {"id": self.id, "finished": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        self.installed.write_config_map(self.record, {self.kind: json.dumps(told)})

    def run(self, steps: list[Step]) -> list[dict[str, str]]:
        """Do the steps that are left; what came of each."""
        report = [{"step": step.title, "result": "done before"} for step in steps[: self.done]]
        self.save()
        for number, step in enumerate(steps[self.done :], self.done + 1):
            with console.step(f"{number}/{len(steps)} {step.title}"):
                result = step.run()
            if result:
                console.say(f"      {result}")
            report.append({"step": step.title, "result": result})
            self.done = number
            self.save()
        self.save(finished=True)
        return report

    def rollout(self, kind: str, names: tuple[str, ...], components: tuple[str, ...] = ()) -> Callable[[], str]:
        """A step: restart whatever mounts one of these secrets, or of that only some components."""

        def run() -> str:
            readers = {w.name: w for name in names for w in self.installed.readers(kind, name)}
            chosen = [w for w in readers.values() if not components or w.component in components]
            return roll_out(self.installed, chosen, f"{self.id}-{self.done + 1}", self.timeout)

        return run

    def write(self, kind: str, propose: Callable[[dict[str, str]], Mapping[str, str]], accepted: Accepted) -> str:
        """Bring a Secret to what accepted() agrees to: written here, or by whoever owns it.

        propose(data) gives the keys to change. Raises AirfleetError (code 4) if the owner has to write them, after
        leaving them in a file for the owner.
        """
        metadata = self.installed.metadata(kind)
        data = self.installed.read(kind) if metadata else {}
        if metadata and not accepted(data):
            return "the Secret holds it already"
        ref = self.installed.secret(kind)
        if metadata is None or not (who := owner(metadata)):
            self.installed.write(ref.name, dated(kind, propose(data)))
            if refused := accepted(self.installed.read(kind)):
                raise AirfleetError(f"Secret {ref.name} does not hold what was written", why=refused)
            return f"wrote Secret {ref.name}"
        file = self.folder / f"{ref.name}.{self.id}.{self.done + 1}.yaml"
        if not file.exists():
            _private(file, {"apiVersion": "v1", "kind": "Secret", "stringData": dict(propose(data))}, ref.name)
        raise AirfleetError(
            f"Secret {ref.name} belongs to {who}: it is not written here",
            where=f"{self.installed.namespace}/{ref.name}",
            why=accepted(data) if self.go_on else "what is written here would be overwritten by its owner",
            fix=f"put the values of {file} into the store, wait until the Secret has them, delete the file, and run"
            " the same command with --continue",
            code=ExitCode.PARTIAL,
        )

    def verify_pods(self, kind: str, *names: str) -> str:
        """Every pod that mounts these secrets holds the Secret's value, and was started after it was written."""
        pods = uses(self.installed, dict.fromkeys(names, kind))
        behind = [f"{use.pod}: {use.name} {use.outdated}" for use in pods if use.outdated]
        if behind:
            raise AirfleetError(f"pods do not use the new {' and '.join(names)}", why="\n".join(behind))
        return f"{len({use.pod for use in pods})} pods use the new {' and '.join(names)}"


Accepted = Callable[[dict[str, str]], str]


def dated(kind: str, changed: Mapping[str, str]) -> dict[str, str]:
    """With the time at which each key was made, as the bootstrap Job notes it: an alert looks at its age."""
    now = f"{datetime.now(UTC).timestamp():.0f}"
    return {**changed, **({f"{key}-since": now for key in changed} if kind == "keys" else {})}


@dataclass(frozen=True)
class Use:
    """A secret that a pod mounts, and why it does not use the present value; nothing if it does."""

    name: str
    pod: str
    outdated: str


def uses(installed: Installed, kinds: Mapping[str, str]) -> list[Use]:
    """Every use of these secrets (name -> kind of its Secret) by a pod of the control plane."""
    readers: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        for workload in installed.readers(kind, name):
            readers.setdefault(workload.component, []).append(name)
    found = []
    for component, names in readers.items():
        for pod in installed.pods(component):
            digests = _digests(installed, pod.metadata.name)
            for name in names:
                why = _outdated(installed, pod, kinds[name], name, digests.get(name, ""))
                found.append(Use(name, pod.metadata.name, why))
    return found


def _digests(installed: Installed, pod: str) -> dict[str, str]:
    """SHA-256 of each secret file of a pod, computed in the pod."""
    argv = ["sh", "-c", "cd /opt/airfleet/secrets && sha256sum *"]
    try:
        lines = installed.cluster.execute(installed.namespace, pod, argv).splitlines()
    except AirfleetError:  # it is starting, or holds no such files: the time of its start has to do
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _outdated(installed: Installed, pod: Any, kind: str, name: str, digest: str) -> str:
    ref = installed.secret(kind)
    written = changed_at(installed.metadata(kind), ref.key(name))
    started = [s.state.running.started_at for s in pod.status.container_statuses or [] if s.state.running]
    if not started or min(started) < written:
        return "was read before the Secret was written"
    if not digest:  # the container that reads the file is not the one that can be asked
        return ""
    value = installed.cluster.secret(installed.namespace, ref.name).get(ref.key(name), "")
    return "" if digest == hashlib.sha256(value.encode()).hexdigest() else "holds another value"


def _private(file: Path, content: dict[str, Any], name: str) -> None:
    """Write a file that nobody else may read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(yaml.safe_dump({**content, "metadata": {"name": name}}, sort_keys=False))

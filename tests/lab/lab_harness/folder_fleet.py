"""A fleet of four clusters in three waves; they are folders, and all that calls them is what it is."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab_harness.fleet import CHART
from lab_harness.playbooks import Ansible, Played

ENVS = {"a": "a", "b-1": "b", "b-2": "b", "c": "c"}
WAVES = [
    {"name": "first", "select": "env=a"},
    {"name": "second", "select": "env=b"},
    {"name": "third", "select": "env=c"},
]


@dataclass(frozen=True)
class Place:
    """The fleet's files in `fleet`, its clusters in `clusters`, and Ansible in front of them."""

    folder: Path
    ansible: Ansible

    def write(self, name: str, content: Any) -> None:
        file = self.folder / "fleet" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))

    def say(self, message: str, layer: str = "base.yaml") -> None:
        """Edit the fleet: what all clusters, or those of a layer, are to say."""
        self.write(layer, f"message: {message}\n")

    def waves(self, **changed: dict[str, Any]) -> None:
        """Settings of waves, by their names."""
        spec = {"chart": str(CHART), "axes": ["env"], "adapter": "none", "release": "tiny", "namespace": "tiny"}
        waves = [wave | changed.get(wave["name"], {}) for wave in WAVES]
        self.write("fleet.yaml", {**spec, "waves": waves, "gates": {"rollout": "0s"}})

    def cluster(self, name: str) -> dict[str, Any]:
        """What a cluster's file says at first."""
        return {"axes": {"env": ENVS[name]}, "kubernetes": "1.36", "context": name}

    def airfleet(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Call airfleet itself."""
        words = [*shlex.split(self.ansible.command), *argv, "--fleet", str(self.ansible.fleet)]
        env = self.ansible.environment({})
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 2), done.stderr
        return done

    def installed(self) -> None:
        """Have the release on every cluster."""
        plan = str(self.folder / "plan.json")
        self.airfleet("plan", "--output", plan)
        self.airfleet("apply", plan)

    def start(self, playbook: str, *argv: str) -> subprocess.Popen[str]:
        return self.ansible.start(playbook, *argv)

    def play(self, playbook: str, *argv: str) -> Played:
        return self.ansible.play(playbook, *argv)

    def fault(self, cluster: str, what: str, *, there: bool = True) -> None:
        """Make something wrong on a cluster, or right again: folder_clusters.py knows what."""
        file = self.folder / "clusters" / cluster / what
        file.parent.mkdir(exist_ok=True)
        file.touch() if there else file.unlink()

    @property
    def messages(self) -> dict[str, str]:
        """What each cluster's release says, and how many revisions it took: `one 1`; nothing where none is."""
        return {name: self._message(name) for name in ENVS}

    def _message(self, name: str) -> str:
        file = self.folder / "clusters" / name / "history.json"
        if not file.exists():
            return ""
        history = json.loads(file.read_text())
        objects = {obj["kind"]: obj for obj in yaml.safe_load_all(history[-1]["manifest"]) if obj}
        return f"{objects['ConfigMap']['data']['message']} {len(history)}"

    @property
    def log(self) -> list[str]:
        """What was done to clusters, in its order; looks that follow each other on the same one are one."""
        file = self.folder / "clusters" / "log"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for number, line in enumerate(lines) if line not in lines[max(0, number - 1) : number]]


def made(folder: Path) -> Place:
    """The fleet in a folder; nothing is installed on its clusters."""
    (folder / "clusters").mkdir()
    words = [sys.executable, str(Path(__file__).with_name("folder_clusters.py")), str(folder / "clusters")]
    place = Place(folder, Ansible(folder / "fleet", shlex.join(words), folder))
    place.waves()
    place.say("one")
    for name, env in ENVS.items():
        place.write(f"env/{env}.yaml", "")
        place.write(f"clusters/{name}.yaml", place.cluster(name))
    return place

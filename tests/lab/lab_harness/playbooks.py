"""The real Ansible, pinned in an environment of its own, and what its playbooks did to each cluster."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from airfleet.image.venv import locked_venv
from airfleet.paths import project_root

ROOT = project_root() / "scripts" / "ansible"
LOCK = project_root() / "tests" / "toolkit" / "ansible" / "tools" / "ansible.lock"
_OF_THE_INVENTORY = ("AIRFLEET_FLEET", "AIRFLEET_SELECTOR", "AIRFLEET_COMMAND")
_RECAP = re.compile(r"^(\S+) +: (ok=.*)$", re.MULTILINE)


def program(name: str) -> Path:
    """`ansible-playbook`, `ansible-inventory` or `ansible-lint`."""
    return locked_venv([LOCK], "Ansible, for the tests of scripts/ansible").parent / name


@dataclass(frozen=True)
class Played:
    """What a run of a playbook came to: its exit code, what it printed, and its counts of each cluster."""

    code: int
    text: str

    @property
    def told(self) -> str:
        """What it printed in one line: Ansible wraps what is long."""
        return " ".join(self.text.split())

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """`ok`, `changed`, `failed` ... of each cluster that the run came to."""
        rows = _RECAP.findall(self.text.rpartition("PLAY RECAP")[2])
        return {name: {key: int(n) for key, n in re.findall(r"(\w+)=(\d+)", counts)} for name, counts in rows}

    @property
    def verdicts(self) -> dict[str, str]:
        """`failed`, `changed`, `ok` or, if no task ran for it, `untouched`: of each cluster."""
        words = ("unreachable", "failed", "changed", "ok")
        return {name: next((w for w in words if row[w]), "untouched") for name, row in self.recap.items()}


@dataclass(frozen=True)
class Ansible:
    """Ansible as somebody calls it who has a fleet in a folder. command is how airfleet is called.

    Whatever it keeps is in a folder of the test's own.
    """

    fleet: Path
    command: str
    scratch: Path

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """What it runs with: nothing of the user's own settings of Ansible."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_") and k not in _OF_THE_INVENTORY}
        mine = {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.scratch / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "XDG_STATE_HOME": str(self.scratch / "state"),
            "AIRFLEET_FLEET": str(self.fleet),
            "AIRFLEET_COMMAND": self.command,
        }
        return {**kept, **mine, **more}

    def start(self, playbook: str, *argv: str) -> subprocess.Popen[str]:
        """Start a playbook of scripts/ansible, with its standard error in its output."""
        words = [str(program("ansible-playbook")), f"playbooks/{playbook}.yml", *argv]
        return subprocess.Popen(
            words,
            cwd=ROOT,
            env=self.environment({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def play(self, playbook: str, *argv: str, timeout: float = 300) -> Played:
        """Run a playbook to its end."""
        running = self.start(playbook, *argv)
        try:
            text, _ = running.communicate(timeout=timeout)
        finally:
            running.kill()
        assert "Traceback" not in text, text
        return Played(running.returncode, text)

    def run(
        self, name: str, *argv: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run another of Ansible's programs, which finds its fellows on PATH."""
        path = f"{program(name).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [program(name), *argv],
            cwd=cwd,
            env=self.environment({"PATH": path, **(env or {})}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def kept(self) -> list[str]:
        """The clusters whose plans are kept, since they are not carried out."""
        folders = sorted((self.scratch / "state" / "airfleet" / "plans").glob("*/"))
        return [folder.name.rpartition("-")[0] for folder in folders]

    def journal(self, cluster: str) -> str:
        """The journal of a cluster's kept plan; empty if there is none."""
        found = (self.scratch / "state" / "airfleet" / "plans").glob(f"{cluster}-*/*.journal")
        return "".join(file.read_text() for file in found)

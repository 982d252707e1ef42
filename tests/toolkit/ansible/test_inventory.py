"""The inventory as Ansible reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airfleet.paths import project_root
from lab_harness.folder_fleet import Place
from lab_harness.playbooks import ROOT, Ansible

GROUPS = {
    "airfleet_clusters": "dev-eu dev-us staging-eu staging-us prod-eu-1 prod-eu-2 prod-us-1 prod-us-gpu",
    "batch_0001": "dev-eu dev-us",
    "batch_0002": "staging-eu staging-us",
    "batch_0003": "prod-eu-1",
    "batch_0004": "prod-eu-2",
    "batch_0005": "prod-us-1",
    "batch_0006": "prod-us-gpu",
    "wave_dev": "dev-eu dev-us",
    "wave_staging": "staging-eu staging-us",
    "wave_first_prod": "prod-eu-1",
    "wave_prod": "prod-eu-2 prod-us-1 prod-us-gpu",
    "env_dev": "dev-eu dev-us",
    "env_staging": "staging-eu staging-us",
    "env_prod": "prod-eu-1 prod-eu-2 prod-us-1 prod-us-gpu",
    "region_eu": "dev-eu staging-eu prod-eu-1 prod-eu-2",
    "region_us": "dev-us staging-us prod-us-1 prod-us-gpu",
    "owner_helm": "dev-eu dev-us staging-eu staging-us prod-eu-1 prod-eu-2 prod-us-1 prod-us-gpu",
}


def listed(ansible: Ansible, **more: str) -> dict[str, Any]:
    done = ansible.run("ansible-inventory", "--list", env=more)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_groups_and_variables_of_the_example(example: Ansible) -> None:
    found = listed(example)
    groups = {name: " ".join(group["hosts"]) for name, group in found.items() if "hosts" in group}
    assert groups == GROUPS
    assert set(found["all"]["children"]) == {"ungrouped", *GROUPS}
    told = found["_meta"]["hostvars"]["prod-eu-1"]
    assert told["airfleet_cluster_fleet"] == str(project_root() / "values" / "fleet.yaml")
    assert (told["ansible_connection"], told["airfleet_cluster_max_failures"]) == ("local", 0)
    assert (told["airfleet_cluster_wave"], told["airfleet_cluster_context"]) == ("first-prod", "prod-eu-1")
    assert told["airfleet_cluster_pins"] == {"airflow": "3.3.2"}


def test_a_selector_chooses_and_batches_are_of_what_it_chose(example: Ansible) -> None:
    found = listed(example, AIRFLEET_SELECTOR="env=prod,region=us")
    groups = {name: " ".join(group["hosts"]) for name, group in found.items() if "hosts" in group}
    assert groups["airfleet_clusters"] == groups["wave_prod"] == "prod-us-1 prod-us-gpu"
    assert (groups["batch_0001"], groups["batch_0002"]) == ("prod-us-1", "prod-us-gpu")
    assert "env_dev" not in groups


def test_a_mistake_in_the_fleet_s_files_is_told_and_nothing_runs(place: Place) -> None:
    place.write("clusters/a.yaml", {"axes": {"env": "nowhere"}, "kubernetes": "1.36"})
    done = place.play("apply")
    assert done.code == 1
    assert "there is no env nowhere" in done.told
    assert "fix: one of a, b, c, or make env/nowhere.yaml" in done.told
    assert place.log == []


def test_a_relative_program_is_found_from_wherever_the_role_calls_it(place: Place) -> None:
    program = place.folder / "bin" / "airfleet"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {place.ansible.command} "$@"\n')
    program.chmod(0o755)
    found = listed(place.ansible, AIRFLEET_COMMAND=os.path.relpath(program, ROOT))
    assert found["_meta"]["hostvars"]["a"]["airfleet_cluster_command"] == [str(program)]


def test_a_program_that_is_not_there_is_told(place: Place) -> None:
    done = place.ansible.run("ansible-inventory", "--list", env={"AIRFLEET_COMMAND": "no-such-program"})
    assert done.returncode != 0
    assert "no-such-program: No such file or directory" in done.stderr


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a.b", "error: axis env=a.b and axis env=a-b are both the group env_a_b\n"),
        ("a-b", ""),
    ],
)
def test_two_groups_never_become_one(place: Place, value: str, said: str) -> None:
    """A limit would reach more clusters than it names."""
    for env in ("a-b", value):
        place.write(f"env/{env}.yaml", "")
    place.waves(first={"select": ""})
    place.write("clusters/a.yaml", place.cluster("a") | {"axes": {"env": "a-b"}})
    place.write("clusters/b-1.yaml", place.cluster("b-1") | {"axes": {"env": value}})
    environment = place.ansible.environment({})
    script = ROOT / "inventory" / "fleet.py"
    done = subprocess.run([script, "--list"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.partition("  fix:")[0]) == (1 if said else 0, said)


def test_it_needs_nothing_but_python(tmp_path: Path) -> None:
    """Ansible calls it with whatever Python is first on PATH."""
    told = {"fleet": "fleet.yaml", "waves": [], "clusters": []}
    program = tmp_path / "airfleet"
    program.write_text(f"#!/bin/sh\necho '{json.dumps(told)}'\n")
    program.chmod(0o755)
    script = str(ROOT / "inventory" / "fleet.py")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, "--list"], env=environment, capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout) == {"airfleet_clusters": {"hosts": []}, "_meta": {"hostvars": {}}}
    done = subprocess.run([script, "--host", "a"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "{}\n")

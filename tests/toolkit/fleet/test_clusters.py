"""`airfleet clusters`: what the files say of each cluster, and the waves that they are changed in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping

from airfleet.fleet.inventory import Fleet, read_fleet
from airfleet.fleet.listing import listing
from airfleet.paths import project_root

Write = Callable[[Mapping[str, str]], Fleet]
WAVES = "waves:\n  - {name: early, select: env=prod, batch: 50%, maxFailures: 1, soak: 10m}\n  - {name: late}\n"
FLEET = "chart: ../chart\naxes: [env]\nadapter: none\nrelease: printer\npins: {base: {airflow: 3.3.2}}\n" + WAVES
CLUSTER = 'axes: {env: %s}\nkubernetes: "1.36"\ncontext: %s\n'
FILES = {
    "fleet/fleet.yaml": FLEET,
    "fleet/clusters/a.yaml": CLUSTER % ("dev", "a"),
    "fleet/clusters/b.yaml": CLUSTER % ("prod", "b"),
    "fleet/clusters/c.yaml": CLUSTER % ("prod", "there") + "owner: flux\nnamespace: mine\npins: {airflow: 3.3.1}\n",
    "fleet/clusters/d.yaml": 'axes: {env: prod}\nkubernetes: "1.37"\nowner: argocd\n',
    "fleet/clusters/e.yaml": CLUSTER % ("prod", "e"),
}


def airfleet(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from airfleet.cli import main; main()", *argv, "--fleet", "fleet"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_by_wave_and_then_by_name(write: Write) -> None:
    write(FILES)
    done = airfleet("clusters")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "cluster  wave   env   owner   release  namespace  kubernetes  context  pins\n"
        "b        early  prod  helm    printer  airflow    1.36        b        airflow 3.3.2\n"
        "c        early  prod  flux    printer  mine       1.36        there    airflow 3.3.1\n"
        "d        early  prod  argocd  printer  airflow    1.37        -        airflow 3.3.2\n"
        "e        early  prod  helm    printer  airflow    1.36        e        airflow 3.3.2\n"
        "a        late   dev   helm    printer  airflow    1.36        a        airflow 3.3.2\n"
    )


def test_as_json_with_the_waves_of_what_was_chosen(write: Write) -> None:
    write(FILES)
    found = json.loads(airfleet("clusters", "--json").stdout)
    early, late = found["waves"]
    assert early == {"name": "early", "clusters": ["b", "c", "d", "e"], "batch": 2, "soak": 600, "max_failures": 1}
    assert late == {"name": "late", "clusters": ["a"], "batch": 1, "soak": 0, "max_failures": 0}
    assert found["fleet"] == "fleet/fleet.yaml"
    assert found["clusters"][1] == {
        "name": "c",
        "wave": "early",
        "axes": {"env": "prod"},
        "owner": "flux",
        "release": "printer",
        "namespace": "mine",
        "kubernetes": "1.36",
        "context": "there",
        "pins": {"airflow": "3.3.1"},
    }
    found = json.loads(airfleet("clusters", "--json", "-l", "name=c|d").stdout)
    assert [(wave["name"], wave["clusters"], wave["batch"]) for wave in found["waves"]] == [("early", ["c", "d"], 1)]


def test_a_fleet_without_waves_has_one_for_all(write: Write) -> None:
    fleet = write({**FILES, "fleet/fleet.yaml": FLEET.removesuffix(WAVES)})
    (wave,) = listing(fleet, fleet.select()).waves
    assert (wave.name, wave.clusters, wave.batch) == ("all", ("a", "b", "c", "d", "e"), 5)


def test_a_mistake_in_the_files_is_told(write: Write) -> None:
    write(FILES)
    done = airfleet("clusters", "-l", "env=nowhere")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("error: no cluster matches env=nowhere\n")


def test_the_example() -> None:
    fleet = read_fleet(project_root() / "values" / "fleet.yaml")
    found = listing(fleet, fleet.select())
    order = "dev-eu dev-us staging-eu staging-us prod-eu-1 prod-eu-2 prod-us-1 prod-us-gpu"
    assert [row.name for row in found.clusters] == order.split()
    assert [(wave.name, len(wave.clusters), wave.batch, wave.soak) for wave in found.waves] == [
        ("dev", 2, 2, 0),
        ("staging", 2, 2, 600),
        ("first-prod", 1, 1, 3600),
        ("prod", 3, 1, 0),
    ]

"""`airfleet doctor --inside`: what a real kubelet, a real database and real policies say to its Jobs.

The database over TLS and by way of PgBouncer is asked in test_database.py, the log store in test_logs.py, the identity
provider in test_single_sign_on.py.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from airfleet.demo.install import RESTRICTED
from airfleet.errors import ExitCode
from lab_harness.doctor import doctor, made, start
from lab_harness.release import Release, until

WRONG = "c4nary-wrong-password"


def test_an_installed_release_has_what_it_needs(airflow: Release, tmp_path: Path) -> None:
    before = airflow.control_plane()
    told = doctor(airflow, tmp_path)
    assert told.problems == []
    assert told.done.code == ExitCode.OK
    assert re.fullmatch(r"PostgreSQL \d+\.\d+, migrated", told.only("database"))
    assert told.only("logs") == "skipped: they go to no remote store"
    assert told.only("identity") == "skipped: passwords are Airflow's own"
    images = {seen.partition(": there, on ")[0] for _, seen in told.checks["image"]}
    values = airflow.base_values()
    named = [values["image"], values["postgres"]["image"]]
    assert {f"{image['repository']}:{image['tag']}" for image in named} <= images
    assert airflow.control_plane() == before


def test_a_wrong_password_is_told_and_not_shown(airflow: Release, tmp_path: Path) -> None:
    right = airflow.cluster.secret(airflow.namespace, "airflow-database")
    wrong = right["connection"].replace(right["password"], WRONG)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "wrong"}, "stringData": {"connection": wrong}}
    applied = airflow.kubectl("apply", "--filename", "-", stdin=yaml.safe_dump(secret))
    assert applied.code == 0, applied.stderr
    told = doctor(airflow, tmp_path, postgres={"embedded": False}, database={"secretName": "wrong"})
    assert told.done.code == ExitCode.ERROR
    assert told.only("database").startswith("cannot connect to the database: ")
    assert told.only("database").endswith('FATAL: password authentication failed for user "airflow"')
    assert WRONG not in told.done.stdout + told.done.stderr
    assert all(fine for fine, _ in told.checks["image"])


def test_a_secret_that_is_not_there(airflow: Release, tmp_path: Path) -> None:
    told = doctor(airflow, tmp_path, postgres={"embedded": False}, database={"secretName": "nonesuch"})
    assert told.only("database") == "the Secret nonesuch is not there"
    told = doctor(airflow, tmp_path, postgres={"embedded": False}, database={"secretName": "airflow-keys"})
    assert told.only("database") == "the Secret airflow-keys has no key connection"


def test_an_image_that_does_not_exist(airflow: Release, tmp_path: Path) -> None:
    """In the kubelet's words: what a registry says, or that there is none; the whole sentence where nobody is asked."""
    image = f"{airflow.base_values()['image']['repository']}:nonesuch"
    told = doctor(airflow, tmp_path, image={"tag": "nonesuch"})
    assert told.done.code == ExitCode.ERROR
    (missing,) = (seen for fine, seen in told.checks["image"] if not fine)
    assert re.match(rf"{re.escape(image)}: (ErrImagePull|ImagePullBackOff): .*nonesuch", missing, re.DOTALL)
    assert told.only("database") == "not asked: its image is missing"
    never = doctor(airflow, tmp_path, image={"tag": "nonesuch", "pullPolicy": "Never"})
    why = f'Container image "{image}" is not present with pull policy of Never'
    assert (False, f"{image}: ErrImageNeverPull: {why}") in never.checks["image"]


def test_a_pod_that_finds_no_node(airflow: Release, tmp_path: Path) -> None:
    told = doctor(airflow, tmp_path, "--timeout", "5", bootstrap={"nodeSelector": {"nowhere": "really"}})
    assert told.only("database").startswith("no answer in 5 s: Unschedulable: 0/")


def test_ctrl_c_leaves_nothing(airflow: Release, tmp_path: Path) -> None:
    process = start(airflow, tmp_path, bootstrap={"nodeSelector": {"nowhere": "really"}})
    pending = lambda: "pod/airfleet-doctor-database-" in made(airflow)
    until("the pod that asks", pending, 120)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == ExitCode.INTERRUPTED, out + err
    assert "Traceback" not in err
    until("everything to be gone", lambda: not made(airflow))


@pytest.fixture
def early(airflow: Release) -> Iterator[str]:
    """A namespace in which nothing is installed yet."""
    name = f"{airflow.namespace}-early"
    airflow.cluster.ensure_namespace(name, RESTRICTED)
    yield name
    airflow.cluster.core.delete_namespace(name)


def test_before_the_first_installation(airflow: Release, early: str, tmp_path: Path) -> None:
    """The accounts that the chart will make are there for the Jobs, and gone afterwards."""
    told = doctor(airflow, tmp_path, namespace=early)
    assert told.problems == []
    assert told.only("database") == "skipped: the embedded PostgreSQL comes with the first installation"
    assert {name for name, each in told.checks.items() if name == "image" and all(fine for fine, _ in each)} == {
        "image"
    }
    accounts = airflow.lab.kubectl("--namespace", early, "get", "serviceaccounts", "--output", "name").stdout
    assert accounts.split() == ["serviceaccount/default"]

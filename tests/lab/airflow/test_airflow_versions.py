"""Airflow of another version under the same chart: forward over a migration, refused without one, back, and a patch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfleet import image
from airfleet.airflow_api import TaskInstance
from airfleet.helm import run_helm
from airfleet.kube import Cluster
from airfleet.lab import Lab
from airfleet.process import Completed, run
from lab_harness import older
from lab_harness.release import DAGS, Release, until
from lab_harness.runbook import runbook

pytestmark = pytest.mark.long  # tests/README.md says why
MINOR, PATCH = "3.2.2", "3.3.1"


def with_image(ref: str) -> dict[str, Any]:
    repository, tag = ref.rsplit(":", 1)
    return {"image": {"repository": repository, "tag": tag}}


@pytest.fixture(scope="module")
def versions(lab: Lab, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A release that begins with the older minor version."""
    lab.load([older.archive(version)[1] for version in (MINOR, PATCH)])
    release = Release(lab, cluster, "versions", "versions", tmp_path_factory.mktemp("versions"))
    release.prepare([*DAGS, *Path(__file__).parent.glob("dags/*.py")])
    release.install(with_image(older.reference(MINOR)))
    yield release
    release.remove()


def version(release: Release) -> str:
    return str(release.api.request("GET", "/api/v2/version")["version"])


def history(release: Release) -> int:
    """Helm's newest revision."""
    listed = release.helm(["history", release.name, "--namespace", release.namespace, "--output", "yaml"])
    return max(int(entry["revision"]) for entry in yaml.safe_load(listed))


def values_file(release: Release, ref: str) -> Path:
    """What a user has: one file with the values of the release, and the image changed in it."""
    given = release.helm(["get", "values", release.name, "--namespace", release.namespace, "--output", "yaml"])
    values = yaml.safe_load(given) | with_image(ref)
    values.pop("scheduler", None)
    file = release.folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def quiesce(release: Release, timeout: int) -> Completed:
    where = ["--context", release.cluster.context, "--namespace", release.namespace, "--release", release.name]
    kubeconfig = ["--kubeconfig", str(release.cluster.kubeconfig)]
    program = str(Path(sys.executable).with_name("airfleet"))
    return run([program, "quiesce", *kubeconfig, *where, "--timeout", str(timeout)], check=False, timeout=timeout + 60)


def napping(release: Release, seconds: int) -> Callable[[], TaskInstance]:
    """Start a task that takes a while and wait until it runs; what looks at it."""
    run_id = release.start("sleep", {"seconds": seconds})
    task = lambda: release.api.task_instances("sleep", run_id)[0]
    until("the task to run", lambda: task().state == "running", 120)
    return task


def outlived(release: Release, before: TaskInstance) -> None:
    """The task ended well, in its first try and its first pod."""
    ended = release.finish("sleep", before.run_id, 400)["nap"]
    assert (ended.state, ended.try_number, ended.hostname) == ("success", 1, before.hostname)


def test_a_task_outlives_the_upgrade_to_the_next_minor_version(versions: Release) -> None:
    connection = {"connection_id": "vault", "conn_type": "generic", "password": "sesame-4711"}
    versions.api.request("POST", "/api/v2/connections", connection)
    assert version(versions) == MINOR
    versions.run("hello_pods")
    refused = quiesce(versions, 1)
    assert refused.code == 1
    assert "error: the scheduler still starts tasks" in refused.stderr
    task = napping(versions, 240)()
    book = runbook("upgrade-airflow")
    stop, _, upgrade = [block for block in book.blocks if block.section == "Commands"]
    values = values_file(versions, image.reference("airflow"))
    given = {"CHART": str(versions.chart), "VALUES": str(values)}
    book.run_block(stop, versions, **given)
    waiting = versions.start("shout", {"word": "viridian"})
    late = quiesce(versions, 5)
    assert late.code == 1
    assert f"1 running: sleep.nap of {task.run_id}" in late.stderr
    assert versions.api.run_state("shout", waiting) == "queued"
    book.run_block(upgrade, versions, **given)
    book.run(versions, only=("Verify",), **given)
    assert version(versions) == image.reference("airflow").rpartition(":")[2].partition("-")[0]
    outlived(versions, task)
    assert versions.finish("shout", waiting)["say"].state == "success"
    assert versions.run("read_connection", {"connection": "vault"})["read"].state == "success"


def test_the_way_back_is_refused_until_the_schema_is_back(versions: Release) -> None:
    newer = history(versions)
    before = set(versions.control_plane())
    argv = ["rollback", versions.name, "1", "--namespace", versions.namespace, "--wait", "--timeout", "30s"]
    done = run_helm(argv, kubeconfig=versions.cluster.kubeconfig, context=versions.cluster.context, check=False)
    assert done.code != 0
    selector = f"{versions.components},app.kubernetes.io/component=bootstrap"
    log = lambda: versions.kubectl("logs", "--selector", selector, "--tail", "-1").stdout
    until("the older image to refuse the database", lambda: "error: the database is newer" in log(), 60)
    assert before <= set(versions.control_plane()), "the newer pods stay until older ones are ready"
    back = ["rollback", versions.name, str(newer), "--namespace", versions.namespace, "--wait", "--timeout", "5m"]
    versions.helm(back)
    book = runbook("downgrade-airflow")
    book.run(versions, CHART=str(versions.chart), VERSION=MINOR, REVISION="1")
    assert version(versions) == MINOR
    versions.run("hello_pods")


def test_the_whole_runbook_leads_forward_again(versions: Release) -> None:
    values = values_file(versions, image.reference("airflow"))
    runbook("upgrade-airflow").run(versions, CHART=str(versions.chart), VALUES=str(values))
    versions.run("hello_pods")


def test_a_task_outlives_a_patch_release_and_the_way_back(versions: Release) -> None:
    versions.install(with_image(older.reference(PATCH)))
    assert version(versions) == PATCH
    task = napping(versions, 120)()
    versions.install({})
    assert version(versions) != PATCH
    versions.helm(["rollback", versions.name, "--namespace", versions.namespace, "--wait", "--timeout", "5m"])
    assert version(versions) == PATCH
    outlived(versions, task)

"""MountedDagBundle on a directory that changes as the kubelet changes a ConfigMap, under Airflow's own file walk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import airflow_environment


class ConfigMapVolume:
    """What the kubelet's AtomicWriter makes of a ConfigMap: links through ..data, which is replaced in one step."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.generation = 0
        root.mkdir()

    def write(self, files: dict[str, str]) -> None:
        self.generation += 1
        data = self.root / f"..2026_{self.generation}"
        for name, text in files.items():
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            (data / name).write_text(text)
        old = (self.root / "..data").resolve() if (self.root / "..data").is_symlink() else None
        (self.root / "..data_tmp").symlink_to(data.name)
        (self.root / "..data_tmp").replace(self.root / "..data")
        tops = {name.split("/")[0] for name in files}
        for top in tops:
            if not (self.root / top).is_symlink():
                (self.root / top).symlink_to(f"..data/{top}")
        for link in self.root.iterdir():
            if not link.name.startswith("..") and link.name not in tops:
                link.unlink()
        if old:
            shutil.rmtree(old)


@pytest.fixture
def volume(tmp_path) -> ConfigMapVolume:
    return ConfigMapVolume(tmp_path / "mounted")


@pytest.fixture
def bundle(tmp_path, volume, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "bundles"))
    from airfleet_bundle import MountedDagBundle

    return MountedDagBundle(name="mounted", source=str(volume.root), refresh_interval=15)


def shown(bundle) -> dict[str, str]:
    return {str(path.relative_to(bundle.path)): path.read_text() for path in bundle.path.rglob("*") if path.is_file()}


def airflow_sees(bundle) -> set[str]:
    """As airflow/dag_processing/manager.py does it."""
    from airflow.utils.file import list_py_file_paths

    found = list_py_file_paths(bundle.path, safe_mode=False)
    return {str(Path(path).relative_to(bundle.path)) for path in found}


def test_a_configmap_where_it_is_mounted_is_what_airflow_cannot_read(volume):
    from airflow.utils.file import list_py_file_paths

    volume.write({"a.py": "a = 1", "lib/b.py": "b = 1"})
    with pytest.raises(RuntimeError, match="recursive loop"):
        list_py_file_paths(volume.root, safe_mode=False)


def test_files_come_change_and_go(bundle, volume):
    volume.write({"a.py": "a = 1", "lib/b.py": "b = 1"})
    bundle.initialize()
    assert bundle.is_initialized
    assert shown(bundle) == {"a.py": "a = 1", "lib/b.py": "b = 1"}
    assert airflow_sees(bundle) == {"a.py", "lib/b.py"}
    path = bundle.path
    volume.write({"a.py": "a = 2", "c.py": "c = 1"})
    assert shown(bundle)["a.py"] == "a = 1"
    bundle.refresh()
    assert bundle.path == path
    assert shown(bundle) == {"a.py": "a = 2", "c.py": "c = 1"}
    assert airflow_sees(bundle) == {"a.py", "c.py"}


def test_nothing_is_copied_when_nothing_has_changed(bundle, volume):
    volume.write({"a.py": "a = 1"})
    bundle.initialize()
    before = (bundle.path.resolve(), (bundle.path / "a.py").stat())
    bundle.refresh()
    bundle.initialize()
    assert before == (bundle.path.resolve(), (bundle.path / "a.py").stat())


def test_a_parser_that_has_begun_can_finish(bundle, volume):
    volume.write({"a.py": "a = 1"})
    bundle.initialize()
    old = bundle.path.resolve()
    volume.write({"b.py": "b = 1"})
    bundle.refresh()
    assert (old / "a.py").read_text() == "a = 1"
    volume.write({"c.py": "c = 1"})
    bundle.refresh()
    assert not old.exists()  # copies do not pile up
    assert len([entry for entry in bundle.base_dir.iterdir() if not entry.is_symlink()]) == 2


def test_a_reader_never_sees_half_a_tree(bundle, volume):
    """All files of a generation hold its number; a reader must never see two numbers, and never a missing file."""
    names = [f"f{number}.py" for number in range(20)]
    volume.write(dict.fromkeys(names, "1"))
    bundle.initialize()
    stop, seen = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            whole = bundle.path.resolve()
            seen.append({(whole / name).read_text() for name in names})

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for generation in range(2, 12):
            volume.write(dict.fromkeys(names, str(generation)))
            bundle.refresh()
            enough = len(seen) + 2  # the copy before the last is deleted: nobody reads that long
            while len(seen) < enough and reader.is_alive():
                time.sleep(0.001)
    finally:
        stop.set()
        reader.join()
    assert {len(texts) for texts in seen} == {1}
    assert len(seen) >= 20
    assert shown(bundle)["f0.py"] == "11"


DAG = "from airflow.sdk import DAG\ndag = DAG('{}', schedule=None)\n"


def test_the_dag_processor_follows_the_mount(volume, migrated, tmp_path):
    """DAGs appear, and become stale when their files go, while one dag-processor keeps running."""
    config = {"name": "mounted", "classpath": "airfleet_bundle.MountedDagBundle"}
    config["kwargs"] = {"source": str(volume.root), "refresh_interval": 1}
    env = airflow_environment(tmp_path, migrated.url) | {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([config]),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(tmp_path / "bundles"),
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
    }
    volume.write({"one.py": DAG.format("one"), "two.py": DAG.format("two")})
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, "-m", "airflow", "dag-processor"]
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:

        def until(expected: set[str]) -> None:
            deadline = time.monotonic() + 120
            while {name for (name,) in migrated.execute("SELECT dag_id FROM dag WHERE NOT is_stale")} != expected:
                assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()[-5000:]
                time.sleep(0.2)

        until({"one", "two"})
        volume.write({"two.py": DAG.format("two"), "three.py": DAG.format("three")})
        until({"two", "three"})
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
    assert migrated.execute("SELECT * FROM import_error") == []


def test_a_source_that_goes_away_keeps_the_last_copy(bundle, volume, tmp_path):
    volume.write({"a.py": "a = 1"})
    bundle.initialize()
    volume.root.rename(tmp_path / "gone")
    bundle.refresh()
    assert shown(bundle) == {"a.py": "a = 1"}


def test_nothing_mounted_is_an_error(bundle, volume):
    volume.root.rmdir()
    with pytest.raises(FileNotFoundError, match="nothing is mounted at"):
        bundle.initialize()


def test_a_plain_read_only_directory_with_links_works_too(bundle, volume):
    """An OCI image volume: real files and links among them, no ..data."""
    (volume.root / "pkg").mkdir()
    (volume.root / "pkg" / "m.py").write_text("m = 1")
    (volume.root / "alias.py").symlink_to("pkg/m.py")
    (volume.root / "same").symlink_to("pkg")
    (volume.root / "dead").symlink_to("nowhere")
    (volume.root / "pkg").chmod(0o555)
    bundle.initialize()
    assert set(shown(bundle)) == {"pkg/m.py", "same/m.py", "alias.py"}
    assert (bundle.path / "pkg").stat().st_mode & 0o200  # or the next change could not delete it
    (volume.root / "pkg" / "m.py").write_text("m = 2222")
    bundle.refresh()
    assert shown(bundle)["alias.py"] == "m = 2222"


def test_it_has_no_versions(bundle):
    assert bundle.supports_versioning is False
    assert bundle.get_current_version() is None
    assert bundle.view_url_template() is None


def test_many_files_are_cheap_to_watch(bundle, volume):
    volume.write({f"d{number % 30}/f{number}.py": "x = 1" for number in range(1500)})
    bundle.initialize()
    begun = time.process_time()
    bundle.refresh()
    assert time.process_time() - begun < 1, sys.version

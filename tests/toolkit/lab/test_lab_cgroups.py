from __future__ import annotations

from pathlib import Path

import pytest

from airfleet.errors import AirfleetError
from airfleet.lab import cgroups
from airfleet.lab.cgroups import Hierarchies

HYBRID = """\
24 1 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw
31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
32 24 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 24 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset,clone_children
34 24 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd
35 24 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
"""
UNIFIED = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


def test_a_hybrid_machine_is_version_1() -> None:
    found = cgroups.parse_mountinfo(HYBRID)
    assert found.version == 1
    assert set(found.mounts) == {"cpu,cpuacct", "memory", "cpuset", "name=systemd"}
    assert found.of_controller("cpuacct") == Path("/sys/fs/cgroup/cpu,cpuacct")
    assert found.of_controller("pids") is None
    assert found.unified == Path("/sys/fs/cgroup/unified")
    assert found.unified in found.everywhere


def test_a_unified_machine_is_version_2() -> None:
    found = cgroups.parse_mountinfo(UNIFIED)
    assert found == Hierarchies(2, {"": Path("/sys/fs/cgroup")})
    assert found.of_controller("memory") == Path("/sys/fs/cgroup")


def test_a_systemd_hierarchy_beside_version_2_controls_nothing() -> None:
    text = HYBRID.splitlines(keepends=True)
    assert cgroups.parse_mountinfo(text[4] + UNIFIED).version == 2


@pytest.fixture
def version_2(tmp_path: Path) -> Hierarchies:
    """A directory that looks like a v2 hierarchy as far as this is about directories and files."""
    for directory in ("", "airfleet", "airfleet/one", "airfleet/one/one-1"):
        group = tmp_path / directory
        group.mkdir(exist_ok=True)
        (group / "cgroup.controllers").write_text("cpuset cpu io memory pids misc\n")
        (group / "cgroup.subtree_control").write_text("")
    return Hierarchies(2, {"": tmp_path})


def test_on_version_2_controllers_are_enabled_down_to_the_node(version_2: Hierarchies) -> None:
    joined = cgroups.create(version_2, "one", "one-1")
    root = version_2.mounts[""]
    assert joined == [root / "airfleet/one/one-1/system"]
    for directory in ("", "airfleet", "airfleet/one", "airfleet/one/one-1"):
        enabled = (root / directory / "cgroup.subtree_control").read_text()
        assert enabled == "+cpu +cpuset +io +memory +pids", directory
    assert not (joined[0] / "cgroup.subtree_control").exists(), "a group with processes must stay a leaf"


def test_version_2_figures(version_2: Hierarchies) -> None:
    group = version_2.mounts[""] / "airfleet/one"
    (group / "memory.stat").write_text("anon 1000\nfile 5000\nkernel 24\n")
    (group / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    assert cgroups.usage(version_2, "one") == cgroups.Usage(memory=1024, cpu_seconds=2.5)


def test_version_1_processors_are_inherited(tmp_path: Path) -> None:
    for directory in ("", "airfleet", "airfleet/one", "airfleet/one/one-1"):
        (tmp_path / directory).mkdir(exist_ok=True)
        for name, value in (("cpuset.cpus", "0-3"), ("cpuset.mems", "0")):
            (tmp_path / directory / name).write_text(value if directory == "" else "\n")
    assert cgroups.create(Hierarchies(1, {"cpuset": tmp_path}), "one", "one-1") == []
    assert (tmp_path / "airfleet/one/one-1/cpuset.cpus").read_text() == "0-3"
    assert (tmp_path / "airfleet/one/one-1/cpuset.mems").read_text() == "0"


def test_groups_are_removed_from_the_leaves_and_other_labs_stay(tmp_path: Path) -> None:
    (tmp_path / "airfleet/one/one-1/kubepods/burstable/pod").mkdir(parents=True)
    (tmp_path / "airfleet/two").mkdir()
    hierarchies = Hierarchies(1, {"memory": tmp_path})
    cgroups.remove(hierarchies, "one")
    assert [p.name for p in (tmp_path / "airfleet").iterdir()] == ["two"]
    cgroups.remove(hierarchies, "two")
    assert list(tmp_path.iterdir()) == []
    cgroups.remove(hierarchies, "two")


def test_a_group_that_stays_busy_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "airfleet/one").mkdir(parents=True)
    (tmp_path / "airfleet/one/held").write_text("")
    with pytest.raises(AirfleetError, match="still in use"):
        cgroups.remove(Hierarchies(1, {"memory": tmp_path}), "one", timeout=0.1)

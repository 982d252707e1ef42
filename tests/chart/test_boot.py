"""boot.source: image. What every release has to hold with it is in the rules; this is what only it can show."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chart_harness.objects import Rendered
from chart_harness.render import CHART, RefusedError, render
from chart_harness.scenarios import OWN_IMAGE, SCENARIOS

VALUES = SCENARIOS["boot files in the image"]
INSTALL = CHART.parent / "scripts" / "image" / "install-boot"


def digest(release: Rendered) -> str:
    (found,) = {c["command"][3] for p in release.pods for _, c in p.named() if c.get("command", [])[:2] == ["sh", "-c"]}
    return str(found)


@pytest.mark.parametrize("repository", ["apache/airflow", "docker.io/apache/airflow"])
def test_the_official_image_is_refused(repository: str) -> None:
    with pytest.raises(RefusedError, match=r"holds no boot files\. Fix: build an image that does"):
        render({"boot": {"source": "image"}, "image": {"repository": repository}})
    assert render({"boot": {"source": "image"}, "image": {"repository": f"mirror.example.com/{repository}"}}).objects


def test_an_image_has_the_digest_that_its_chart_looks_for(tmp_path: Path) -> None:
    subprocess.run(["sh", str(INSTALL), str(CHART / "files"), str(tmp_path / "boot")], check=True)
    assert (tmp_path / "boot/digest").read_text().strip() == digest(render(VALUES))


def test_another_boot_file_is_another_digest_and_another_version_is_not(tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    metadata = chart / "Chart.yaml"
    metadata.write_text(metadata.read_text().replace("version: 0.", "version: 9.", 1))
    assert digest(render(VALUES, chart=chart)) == digest(render(VALUES))
    changed = shutil.copytree(CHART, tmp_path / "changed")
    with (changed / "files/boot/airfleet_policy.py").open("a") as file:
        file.write("# changed\n")
    assert digest(render(VALUES, chart=changed)) != digest(render(VALUES))


def test_the_packed_chart_looks_for_the_digest_of_files_with_their_comments(tmp_path: Path) -> None:
    from airfleet.supply.compact import compact

    compact(CHART, tmp_path / "chart")
    assert digest(render(VALUES, chart=tmp_path / "chart")) == digest(render(VALUES))


@pytest.mark.parametrize("sh", ["dash", "bash", "busybox sh"])
@pytest.mark.parametrize("held", ["", "another", "same"])
def test_the_look_hands_over_or_says_what_is_wrong(sh: str, held: str, tmp_path: Path) -> None:
    """With every shell that an image's `sh` is likely to be."""
    shell = sh.split()
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} on this machine")
    (command,) = [c["command"] for p in render(VALUES).pods if p.component == "bootstrap" for c in p.containers]
    if held:
        (tmp_path / "digest").write_text((command[3] if held == "same" else held) + "\n")
    look = command[2].replace("/opt/airfleet/boot/digest", str(tmp_path / "digest"), 1)
    argv = [*shell, "-c", look, command[3], "printf", "%s|", "a b", "c"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if held == "same":
        assert (done.returncode, done.stdout) == (0, "a b|c|")
    else:
        assert done.returncode == 78, done.stderr
        assert f"the image has {held or 'none'}, the chart has {command[3]}" in done.stdout
        assert "fix:" in done.stdout


def test_tasks_in_another_namespace_need_no_copy_of_it() -> None:
    def boots(values: dict[str, Any]) -> list[str]:
        maps = render(values).of("ConfigMap")
        return [m["metadata"]["namespace"] for m in maps if m["metadata"]["name"] == "airflow-boot"]

    templates = {"podTemplates": {"gpu": {"namespace": "team-gpu"}}}
    assert sorted(boots({**OWN_IMAGE, **templates})) == ["data", "team-gpu"]
    assert boots({**OWN_IMAGE, **templates, "boot": {"source": "image"}}) == []

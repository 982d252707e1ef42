"""What the images are made of is pinned, names no registry, and gives the images their tags."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from airfleet.errors import UsageError
from airfleet.helm import template
from airfleet.image import recipe, reference
from airfleet.image.build import install_boot
from airfleet.image.recipe import KINDS, container_config, packages, versions
from airfleet.paths import project_root
from airfleet.supply.compact import boot_digest

INPUTS = project_root() / "scripts" / "image"
LOCKED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+) \\$", re.MULTILINE)


def locked(name: str) -> dict[str, str]:
    return {canonicalize_name(package): version for package, version in LOCKED.findall((INPUTS / name).read_text())}


@pytest.mark.parametrize("name", ["requirements", "requirements-test"])
def test_every_locked_package_has_hashes_and_the_lock_names_no_index(name: str) -> None:
    text = (INPUTS / f"{name}.lock").read_text()
    logical = text.replace("\\\n", " ").splitlines()
    assert len(logical) == len(locked(f"{name}.lock")) > 0
    assert all(" --hash=sha256:" in line for line in logical)
    assert "://" not in text
    assert not re.search(r"^\s*-(i|f|-index-url|-extra-index-url|-find-links)\b", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["requirements", "requirements-test"])
def test_the_lock_meets_its_requirements(name: str) -> None:
    versions_of = locked(f"{name}.lock")
    wanted = [Requirement(line) for line in (INPUTS / f"{name}.in").read_text().splitlines() if line]
    assert wanted
    for requirement in wanted:
        assert requirement.specifier.contains(versions_of[canonicalize_name(requirement.name)]), requirement


def test_what_tests_add_does_not_move_a_version_of_the_image() -> None:
    image, tests = locked("requirements.lock"), locked("requirements-test.lock")
    assert {name: tests[name] for name in tests.keys() & image.keys()} == {
        name: image[name] for name in tests.keys() & image.keys()
    }


def test_one_version_of_airflow_everywhere() -> None:
    assert locked("requirements.lock")["apache-airflow"] == versions().airflow
    assert f"ARG AIRFLOW_VERSION={versions().airflow}\n" in (INPUTS / "Dockerfile").read_text()
    assert f"AIRFLOW_VERSION={versions().airflow}" in container_config("airflow")["Env"]
    assert f"postgresql-{versions().postgres}" in packages("postgres")


def test_no_input_names_a_package_mirror() -> None:
    """Where packages come from is the machine's own business; no input holds any address at all."""
    for path in INPUTS.iterdir():
        assert not re.search(r"https?://|--(extra-)?index-url", path.read_text()), path


def test_tags_name_the_version_and_never_the_official_repository() -> None:
    assert re.fullmatch(rf"airfleet/airflow:{re.escape(versions().airflow)}-[0-9a-f]{{8}}", reference("airflow"))
    assert re.fullmatch(
        rf"airfleet/airflow:{re.escape(versions().airflow)}-stock-[0-9a-f]{{8}}", reference("airflow-stock")
    )
    assert re.fullmatch(rf"airfleet/postgres:{versions().postgres}-[0-9a-f]{{8}}", reference("postgres"))


def test_tags_stay_while_the_inputs_do_and_change_with_each_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {kind: reference(kind) for kind in KINDS}
    copy = tmp_path / "image"
    shutil.copytree(INPUTS, copy)
    monkeypatch.setattr(recipe, "inputs_dir", lambda: copy)
    assert {kind: reference(kind) for kind in KINDS} == before

    def changed_by(name: str) -> set[str]:
        original = (copy / name).read_text()
        (copy / name).write_text(original + "\n")
        changed = {kind for kind in KINDS if reference(kind) != before[kind]}
        (copy / name).write_text(original)
        return changed

    assert changed_by("base.packages") == set(KINDS) - {"pgbouncer"}
    assert changed_by("requirements.lock") == {"airflow", "airflow-stock"}
    assert changed_by("postgres-entrypoint") == {"postgres"}
    assert changed_by("prepare-pgbouncer") == {"pgbouncer"}
    assert changed_by("install-boot") == {"airflow"}
    assert changed_by("requirements-test.lock") == set()
    packages = recipe.packages_digest("airflow")
    boot = shutil.copytree(recipe.boot_files()[0].parent, tmp_path / "boot")
    (boot / "airfleet_launch.py").write_text("# another one\n")
    monkeypatch.setattr(recipe, "boot_files", lambda: sorted(boot.glob("airfleet_*")))
    assert {kind for kind in KINDS if reference(kind) != before[kind]} == {"airflow"}
    assert recipe.packages_digest("airflow") == packages, "a boot file must not cost a build of all of Airflow"


def test_every_file_that_goes_into_an_image_gives_it_another_tag() -> None:
    hashed = {*recipe._BASE_INPUTS, *recipe._AIRFLOW_INPUTS, *recipe._POSTGRES_INPUTS, *recipe._PGBOUNCER_INPUTS}
    hashed |= {*recipe._BOOT_INPUTS}
    not_in_an_image = {
        "Dockerfile",
        "Dockerfile.dockerignore",
        "requirements.in",
        "requirements-test.in",
        "requirements-test.lock",
    }
    assert {path.name for path in INPUTS.iterdir()} == hashed | not_in_an_image


def test_an_image_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(UsageError, match="'redis'") as caught:
        reference("redis")
    assert all(kind in caught.value.fix for kind in KINDS)


def test_the_dockerfile_gets_what_it_takes() -> None:
    """The build's context is the whole project without what is ignored, which is all but these."""
    ignored, *taken = (INPUTS / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored == "*"
    used = re.findall(r"--mount=type=bind,source=([^,]+),", (INPUTS / "Dockerfile").read_text())
    assert sorted(used) == sorted(line.removeprefix("!") for line in taken)
    assert all((project_root() / name).exists() for name in used)


def test_boot_files_lie_in_an_image_as_in_the_chart_s_volume(tmp_path: Path) -> None:
    install_boot(tmp_path / "boot")
    values = tmp_path / "values.yaml"  # with all that only some values need
    values.write_text(
        "{metrics: {enabled: true}, logs: {remote: {type: elasticsearch, elasticsearch: {url: 'http://es:9200'}}}}"
    )
    text = template(project_root() / "chart", release="airflow", namespace="airflow", values=[values])
    objects = [found for found in yaml.safe_load_all(text) if found]
    (config_map,) = [o for o in objects if (o["kind"], o["metadata"]["name"]) == ("ConfigMap", "airflow-boot")]
    scheduler = next(o for o in objects if (o["kind"], o["metadata"]["name"]) == ("Deployment", "airflow-scheduler"))
    volume = next(v for v in scheduler["spec"]["template"]["spec"]["volumes"] if v["name"] == "boot")
    mounted = {item["path"]: config_map["data"][item["key"]] for item in volume["configMap"]["items"]}
    installed = {p.relative_to(tmp_path / "boot").as_posix(): p for p in (tmp_path / "boot").rglob("*") if p.is_file()}
    digest = installed.pop("digest").read_text()
    assert {name: path.read_text().rstrip() for name, path in installed.items()} == {
        name: text.rstrip() for name, text in mounted.items()
    }
    assert {oct(path.stat().st_mode & 0o777) for path in installed.values()} == {"0o644"}
    assert digest == f"{boot_digest(project_root() / 'chart')}\n"


def test_a_folder_that_exists_is_not_written_into(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from airfleet.cli import main; main()", "image", "boot"]
    done = subprocess.run([*command, str(tmp_path / "boot")], capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / 'boot'}\n"
    assert subprocess.run([*command, str(tmp_path)], capture_output=True, check=False).returncode == 64

"""What the images are made of is pinned, names no registry, and gives the images their tags."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from airfleet.errors import UsageError
from airfleet.image import recipe, reference
from airfleet.image.recipe import KINDS, container_config, packages, versions
from airfleet.paths import project_root

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
    assert changed_by("requirements-test.lock") == set()


def test_every_file_that_goes_into_an_image_gives_it_another_tag() -> None:
    hashed = {*recipe._BASE_INPUTS, *recipe._AIRFLOW_INPUTS, *recipe._POSTGRES_INPUTS, *recipe._PGBOUNCER_INPUTS}
    not_in_an_image = {
        "Dockerfile",
        ".dockerignore",
        "requirements.in",
        "requirements-test.in",
        "requirements-test.lock",
    }
    assert {path.name for path in INPUTS.iterdir()} == hashed | not_in_an_image


def test_an_image_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(UsageError, match="'redis'") as caught:
        reference("redis")
    assert all(kind in caught.value.fix for kind in KINDS)

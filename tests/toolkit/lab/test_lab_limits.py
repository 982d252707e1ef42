from __future__ import annotations

from pathlib import Path

import pytest

from airfleet.lab import limits


@pytest.fixture
def inotify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's settings, as files: the real ones are in use by whoever else runs a lab here."""
    (tmp_path / "state").mkdir()
    (tmp_path / "max_user_instances").write_text("128\n")
    (tmp_path / "max_user_watches").write_text("1000000\n")
    monkeypatch.setenv("AIRFLEET_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(limits, "_INOTIFY", tmp_path)
    return tmp_path


def test_only_what_is_too_low_is_raised_and_put_back(inotify: Path) -> None:
    limits.raise_limits()
    limits.raise_limits()
    assert (inotify / "max_user_instances").read_text() == "4096"
    assert (inotify / "max_user_watches").read_text() == "1000000\n"
    limits.restore_limits()
    assert (inotify / "max_user_instances").read_text() == "128"
    assert list((inotify / "state").iterdir()) == []
    limits.restore_limits()


def test_what_somebody_else_has_set_since_stays(inotify: Path) -> None:
    limits.raise_limits()
    (inotify / "max_user_instances").write_text("8192")
    limits.restore_limits()
    assert (inotify / "max_user_instances").read_text() == "8192"

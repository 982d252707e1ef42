"""`airfleet audit`: what is read of pip-audit and apt, what is accepted, and what it exits with."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from airfleet.audit.accepted import Accepted, accepted_file, read_accepted
from airfleet.audit.debian import Newer, read
from airfleet.audit.model import Finding, Looked, Update
from airfleet.audit.python import audit_lock
from airfleet.audit.python import read as read_report
from airfleet.audit.report import as_text, judge, look
from airfleet.errors import AirfleetError, InvalidError, UsageError

TODAY = date(2026, 11, 26)
HASH = "--hash=sha256:" + "0" * 64
YAML = Finding("toolkit", "pyyaml", "6.0.3", "GHSA-8q59-q68h-6hv4", ("CVE-2020-14343",), ("6.1",), "bad input")


def entry(id_: str = YAML.id, until: date = TODAY, package: str = "pyyaml") -> Accepted:
    return Accepted(package, id_, "no input comes from outside", until)


def test_pip_audit_reports_what_the_database_says(osv: str, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"pyyaml==5.3 \\\n    {HASH}\nclick==8.1.7 \\\n    {HASH}\n")
    looked = audit_lock("toolkit", lock, osv)
    assert (looked.packages, looked.kind) == (2, "Python")
    (found,) = looked.findings
    assert (found.subject, found.package, found.version, found.fixed_in) == ("toolkit", "pyyaml", "5.3", ("5.4",))
    assert {found.id, *found.aliases} == {"GHSA-8q59-q68h-6hv4", "CVE-2020-14343", "PYSEC-2021-142"}
    assert found.summary == "Improper Input Validation in PyYAML"


def test_a_database_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"click==8.1.7 \\\n    {HASH}\n")
    with pytest.raises(AirfleetError, match=r"http://127\.0\.0\.1:9/ could not be asked"):
        audit_lock("toolkit", lock, "http://127.0.0.1:9/")


def test_a_package_that_nobody_looked_at_is_an_error() -> None:
    """pip-audit itself says `No known vulnerabilities found` then."""
    skipped = {"name": "x", "skip_reason": "Dependency not found on PyPI and could not be audited: x (1)"}
    with pytest.raises(AirfleetError) as caught:
        read_report("toolkit", {"dependencies": [skipped] * 5}, "pypi")
    assert caught.value.why.count("could not be audited") == 3
    assert caught.value.why.endswith("and 2 more")


POLICY = """libc6:
  Installed: 2.36-9+deb12u1
  Candidate: 2.36-9+deb12u13
  Version table:
     2.36-9+deb12u13 500
        500 http://archive/debian bookworm/main amd64 Packages
     2.36-9+deb12u7 500
        500 http://archive/debian-security bookworm-security/main amd64 Packages
 *** 2.36-9+deb12u1 100
        100 /tmp/status
tzdata:
  Installed: 2025a-0
  Candidate: 2025b-0
  Version table:
     2025b-0 500
        500 http://archive/debian bookworm-updates/main amd64 Packages
 *** 2025a-0 100
        100 /tmp/status
perl-base:
  Installed: 5.36.0-7
  Candidate: 5.36.0-7
  Version table:
 *** 5.36.0-7 500
        500 http://archive/debian-security bookworm-security/main amd64 Packages
        100 /tmp/status
     5.36.0-6 500
        500 http://archive/debian-security bookworm-security/main amd64 Packages
"""


def test_what_is_newer_in_the_security_suite_is_told_from_what_is_only_newer() -> None:
    assert list(read(POLICY)) == [
        Newer("libc6", "2.36-9+deb12u1", "2.36-9+deb12u13", "2.36-9+deb12u7"),
        Newer("tzdata", "2025a-0", "2025b-0", ""),
    ]


@pytest.mark.parametrize(("until", "is_open"), [(TODAY, False), (date(2026, 11, 25), True)])
def test_a_finding_is_accepted_until_its_last_day(until: date, is_open: bool) -> None:
    report = judge([Looked("toolkit", 2, "Python", (YAML,))], [entry(until=until)], TODAY)
    assert bool(report.open) == bool(report.expired) == is_open
    assert report.is_clean is not is_open
    assert [finding for finding, _ in report.accepted] == [YAML] * (not is_open)


def test_an_entry_counts_under_each_name_of_an_advisory_and_for_its_package_only() -> None:
    looked = [Looked("toolkit", 2, "Python", (YAML,))]
    assert judge(looked, [entry("CVE-2020-14343")], TODAY).is_clean
    other = judge(looked, [entry(package="yaml")], TODAY)
    assert other.open == (YAML,)
    assert other.unused == (entry(package="yaml"),)


def test_an_expired_entry_fails_even_if_nothing_needs_it() -> None:
    report = judge([], [entry(until=date(2020, 1, 1))], TODAY)
    assert not report.is_clean
    assert report.unused == ()


def test_the_report_says_all_of_it() -> None:
    newer = Update("image airflow", "tzdata", "1", "2")
    looked = [Looked("toolkit", 2, "Python", (YAML,)), Looked("image airflow", 9, "Debian", (), (newer,))]
    assert list(as_text(judge(looked, [entry(package="other")], TODAY))) == [
        "toolkit: 2 Python packages, 1 vulnerable",
        "image airflow: 9 Debian packages, 0 vulnerable, 1 newer versions",
        "open: toolkit: pyyaml 6.0.3: GHSA-8q59-q68h-6hv4, CVE-2020-14343, mended in 6.1: bad input",
        "newer: image airflow: tzdata 1 -> 2",
        "not needed any more: other GHSA-8q59-q68h-6hv4; delete the entry",
        "1 open, 0 accepted, 0 expired",
    ]


def test_a_list_of_accepted_findings_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "accepted.toml"
    file.write_text('[[accepted]]\npackage = "a"\nid = "b"\nreason = ""\nuntil = "soon"\nwhy = 1\n[more]\n')
    with pytest.raises(InvalidError) as caught:
        read_accepted(file)
    assert caught.value.why.splitlines() == [
        "there is nothing called more",
        "entry 1 has no reason",
        "entry 1 has an unknown key why",
        "entry 1: until is 'soon'",
    ]
    file.write_text("accepted = ")
    with pytest.raises(InvalidError, match="can't be read"):
        read_accepted(file)


def test_the_projects_own_list_can_be_read() -> None:
    read_accepted(accepted_file())


def test_what_can_not_be_looked_at_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path))
    with pytest.raises(AirfleetError, match=r"airfleet/pgbouncer:.* is not built here"):
        look(["toolkit", "pgbouncer"], "pypi")
    with pytest.raises(UsageError, match="nothing is called redis"):
        look(["redis"], "pypi")


def test_the_command_exits_with_2_while_something_is_open(osv: str, tmp_path: Path) -> None:
    """The toolkit's own lock, through pip-audit, to a database that knows something against PyYAML."""
    text = '[[accepted]]\npackage = "pyyaml"\nid = "CVE-2020-14343"\nreason = "no input"\nuntil = 2999-01-01\n'
    runs = []
    for name, content in (("none", ""), ("one", text)):
        (tmp_path / name).write_text(content)
        argv = ["audit", "toolkit", "--advisories", osv, "--accepted", str(tmp_path / name), "--json"]
        command = [sys.executable, "-c", "from airfleet.cli import main; main()", *argv]
        runs.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    none, one = (json.loads(run.communicate(timeout=300)[0]) for run in runs)
    assert [run.returncode for run in runs] == [2, 0]
    assert [finding["package"] for finding in none["open"]] == ["pyyaml"]
    assert none["looked"][0]["packages"] > 40
    assert (one["open"], one["accepted"][0]["until"]) == ([], "2999-01-01")

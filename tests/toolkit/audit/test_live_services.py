"""The real services know something against versions of years ago, whatever they learn tomorrow."""

from __future__ import annotations

from pathlib import Path

import pytest

from airfleet.audit.debian import audit_packages
from airfleet.audit.python import audit_lock
from airfleet.errors import AirfleetError
from airfleet.image.apt import debian_sources
from airfleet.image.contents import Contents, installed
from airfleet.image.recipe import versions

# Of the first days of Debian 12.
STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 2.36-9
"""


def test_an_old_package_is_found_in_the_advisories_of_the_index(tmp_path: Path) -> None:
    """With the index that the machine uses; what speaks OSV's API is in test_audit.py."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"jinja2==2.11.2 --hash=sha256:{'0' * 64}\n")
    try:
        looked = audit_lock("toolkit", lock, "pypi")
    except AirfleetError as e:
        pytest.skip(f"NOT PROVEN: the index's advisories do not answer here: {e.why.splitlines()[0]}")
    names = {name for finding in looked.findings for name in (finding.id, *finding.aliases)}
    assert "CVE-2020-28493" in names


@pytest.mark.skipif(not debian_sources(versions().debian), reason="this machine's apt has no sources of Debian")
def test_an_old_package_is_found_in_debians_security_suite() -> None:
    contents = Contents(tuple(installed(STATUS)), (), STATUS, "12")
    looked = audit_packages("image airflow", contents, versions().debian)
    (found,) = looked.findings
    assert (found.package, found.version) == ("libc6", "2.36-9")
    assert found.id.startswith("2.36-9+deb12u")

"""Newer versions of an image's Debian packages, asked of Debian's archive as this machine's apt reaches it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airfleet.audit.model import Finding, Looked, Update
from airfleet.errors import AirfleetError
from airfleet.image.apt import debian_sources
from airfleet.image.contents import Contents
from airfleet.machine import ensure_commands
from airfleet.process import run

_SECURITY = "-security/"
# apt with directories of its own: the machine's lists, pins and installed packages are none of its business.
_SETTINGS = """
Dir::State "{work}/state";
Dir::State::status "{work}/status";
Dir::Cache "{work}/cache";
Dir::Etc::SourceList "{work}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Default-Release "";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
"""


@dataclass(frozen=True)
class Newer:
    """A package with newer versions; security is the newest of those in the security suite, if any."""

    package: str
    installed: str
    candidate: str
    security: str


def audit_packages(subject: str, contents: Contents, release: str) -> Looked:
    """Compare the packages of an image with a Debian release. Raises AirfleetError if the archive can't be read."""
    names = [package.name for package in contents.debian]
    newer = list(read(_policy(contents.status, names, release)))
    findings = tuple(
        Finding(
            subject, n.package, n.installed, n.security, fixed_in=(n.candidate,), summary="a security update of Debian"
        )
        for n in newer
        if n.security
    )
    updates = tuple(Update(subject, n.package, n.installed, n.candidate) for n in newer if not n.security)
    return Looked(subject, len(names), "Debian", findings, updates)


def read(policy: str) -> Iterator[Newer]:
    """What `apt-cache policy` says of packages of which there is a newer version than the installed one."""
    for package, block in re.findall(r"^(\S+):\n((?:  .*\n?)+)", policy, re.MULTILINE):
        installed, candidate = (re.search(rf"  {word}: (.*)", block) for word in ("Installed", "Candidate"))
        # The newest version stands first, each with the sources that have it; the installed one is marked.
        above = block.partition("Version table:\n")[2].partition(" *** ")[0]
        versions = re.findall(r"^     (\S+) -?\d+\n((?:        .*\n)*)", above, re.MULTILINE)
        if installed and candidate and versions:
            secured = next((version for version, sources in versions if _SECURITY in sources), "")
            yield Newer(package.partition(":")[0], installed[1], candidate[1], secured)


def _policy(status: str, names: list[str], release: str) -> str:
    sources = debian_sources(release)
    if _SECURITY.rstrip("/") not in sources:
        raise AirfleetError(
            f"this machine's apt knows no security suite of Debian {release}",
            fix="add Debian's archive and its security suite to /etc/apt/sources.list.d, or run this on a Debian",
        )
    ensure_commands({"apt-get": "apt", "apt-cache": "apt"})
    with tempfile.TemporaryDirectory(prefix="airfleet-audit-") as scratch:
        work = Path(scratch)
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (work / folder).mkdir(parents=True)
        (work / "status").write_text(status)
        # Both may hold the credentials of a private mirror, and the folder is this user's alone.
        (work / "sources.list").write_text(sources)
        (work / "apt.conf").write_text(_SETTINGS.format(work=work))
        plain = {"APT_CONFIG": str(work / "apt.conf"), "LC_ALL": "C"}
        run(["apt-get", "update", "--quiet"], env=plain)
        return run(["apt-cache", "policy", *names], env=plain).stdout

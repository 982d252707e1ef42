"""Known vulnerabilities of locked Python packages, found by pip-audit in an environment of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airfleet.audit.model import Finding, Looked
from airfleet.errors import AirfleetError
from airfleet.image.venv import locked_venv
from airfleet.paths import cache_dir, project_root
from airfleet.process import run

DATABASES = ("pypi", "osv")  # or the URL of a server that speaks OSV's API


def lock_file() -> Path:
    """pip-audit itself, hash by hash."""
    return project_root() / "scripts" / "audit" / "pip-audit.lock"


def audit_lock(subject: str, lock: Path, database: str) -> Looked:
    """Ask a database about every package of a hash-locked list.

    Raises AirfleetError if the database does not answer, or does not know one of the packages: what nobody has looked
    at is not free of vulnerabilities.
    """
    service = [database] if database in DATABASES else ["osv", "--osv-url", database]
    options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    cache = ["--cache-dir", str(cache_dir() / "pip-audit")]
    program = locked_venv([lock_file()], "pip-audit, which asks for known vulnerabilities").parent / "pip-audit"
    argv = [str(program), *options, *cache, "--requirement", str(lock), "--vulnerability-service", *service]
    done = run(argv, check=False)
    if not done.stdout.lstrip().startswith("{"):
        raise _unanswered(database, done.stderr.strip().rpartition("\n")[2])  # what a traceback ends with
    return read(subject, json.loads(done.stdout), database)


def read(subject: str, report: dict[str, Any], database: str) -> Looked:
    """pip-audit's report. Raises AirfleetError for a package that was skipped."""
    if skipped := [entry["skip_reason"] for entry in report["dependencies"] if "skip_reason" in entry]:
        others = f"\nand {len(skipped) - 3} more" if len(skipped) > 3 else ""
        raise _unanswered(database, "\n".join(skipped[:3]) + others)
    findings = tuple(
        Finding(
            subject,
            entry["name"],
            entry["version"],
            vulnerability["id"],
            tuple(vulnerability.get("aliases", ())),
            tuple(vulnerability["fix_versions"]),
            vulnerability.get("description", "").strip().partition("\n")[0][:200],
        )
        for entry in report["dependencies"]
        for vulnerability in entry["vulns"]
    )
    return Looked(subject, len(report["dependencies"]), "Python", findings)


def _unanswered(database: str, why: str) -> AirfleetError:
    return AirfleetError(
        f"the advisory database {database} could not be asked",
        why=why,
        fix=f"name another one: --advisories {' or '.join(DATABASES)}, or the URL of a server with OSV's API; some "
        "mirrors of PyPI serve packages and no advisories",
    )

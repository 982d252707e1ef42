"""`airfleet audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def audit(
    subjects: Annotated[
        list[str] | None, typer.Argument(metavar="[toolkit|airflow|postgres|pgbouncer]...", show_default=False)
    ] = None,
    advisories: Annotated[
        str, typer.Option(help="Where to ask about Python packages: pypi, osv, or the URL of a server with OSV's API.")
    ] = "pypi",
    accepted: Annotated[
        Path | None, typer.Option(help="List of accepted findings.", show_default="scripts/audit/accepted.toml")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Report known vulnerabilities of what this project has pinned and built: everything, or what is named.

    pip-audit looks Python packages up in an advisory database. The Debian packages of images that are built on this
    machine are compared with Debian's security suite, as this machine's apt reaches it. Exits with 2 if a finding is
    open, or if what was accepted has expired.
    """
    import json
    from datetime import UTC, datetime

    from airfleet.audit.accepted import accepted_file, read_accepted
    from airfleet.audit.report import SUBJECTS, as_data, as_text, judge, look
    from airfleet.errors import ExitCode

    entries = read_accepted(accepted or accepted_file())
    report = judge(look(subjects or SUBJECTS, advisories), entries, datetime.now(UTC).date())
    if json_:
        print(json.dumps(as_data(report), indent=2))
    else:
        print("\n".join(as_text(report)))
    if not report.is_clean:
        raise typer.Exit(ExitCode.CHANGES)

"""Everything that was looked at, what of it is open, and what somebody has accepted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from airfleet.audit.accepted import Accepted
from airfleet.audit.debian import audit_packages
from airfleet.audit.model import Finding, Looked
from airfleet.audit.python import audit_lock
from airfleet.errors import AirfleetError, UsageError
from airfleet.image.build import find
from airfleet.image.contents import contents
from airfleet.image.recipe import PGBOUNCER_DEBIAN, kind_of, reference, versions
from airfleet.paths import project_root

SUBJECTS = ("toolkit", "airflow", "postgres", "pgbouncer")


@dataclass(frozen=True)
class Report:
    """What was looked at, and each finding once: open, or accepted with the entry that covers it. expired are entries
    whose day has passed, unused are those that cover nothing."""

    looked: tuple[Looked, ...]
    open: tuple[Finding, ...]
    accepted: tuple[tuple[Finding, Accepted], ...]
    expired: tuple[Accepted, ...]
    unused: tuple[Accepted, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nobody has to do anything."""
        return not (self.open or self.expired)


def look(subjects: Sequence[str], database: str) -> list[Looked]:
    """Look at these subjects (SUBJECTS), one after the other. Raises AirfleetError for one that can't be looked at."""
    if unknown := [name for name in subjects if name not in SUBJECTS]:
        raise UsageError(f"nothing is called {', '.join(unknown)}", fix=f"name some of {', '.join(SUBJECTS)}")
    unbuilt = [name for name in subjects if name != "toolkit" and find(kind_of(name)) is None]
    if unbuilt:
        raise AirfleetError(
            f"{', '.join(reference(name) for name in unbuilt)} {'is' if len(unbuilt) == 1 else 'are'} not built here",
            why="the packages of an image are read from its archive",
            fix=f"as root: airfleet image build {' '.join(unbuilt)}; or name what else to look at",
        )
    return [looked for name in subjects for looked in _look(name, database)]


def judge(looked: Sequence[Looked], entries: Sequence[Accepted], today: date) -> Report:
    """Which findings are open today. An expired entry covers nothing, and has to go or be renewed."""
    valid = [entry for entry in entries if not entry.expired(today)]
    findings = sorted({finding for one in looked for finding in one.findings})
    covered = {finding: next((e for e in valid if e.covers(finding)), None) for finding in findings}
    return Report(
        tuple(looked),
        tuple(finding for finding, entry in covered.items() if entry is None),
        tuple((finding, entry) for finding, entry in covered.items() if entry),
        tuple(entry for entry in entries if entry.expired(today)),
        tuple(entry for entry in valid if not any(map(entry.covers, findings))),
    )


def as_data(report: Report) -> dict[str, Any]:
    """The report as JSON has it."""
    return {
        "looked": [{"subject": x.subject, "kind": x.kind, "packages": x.packages} for x in report.looked],
        "open": [asdict(finding) for finding in report.open],
        "accepted": [asdict(f) | {"reason": e.reason, "until": e.until.isoformat()} for f, e in report.accepted],
        "updates": [asdict(update) for looked in report.looked for update in looked.updates],
        "expired": [asdict(entry) | {"until": entry.until.isoformat()} for entry in report.expired],
        "unused": [asdict(entry) | {"until": entry.until.isoformat()} for entry in report.unused],
    }


def as_text(report: Report) -> Iterator[str]:
    """The report line by line."""
    for looked in report.looked:
        newer = f", {len(looked.updates)} newer versions" * bool(looked.updates)
        yield f"{looked.subject}: {looked.packages} {looked.kind} packages, {len(looked.findings)} vulnerable{newer}"
    for finding in report.open:
        yield f"open: {_line(finding)}"
    for finding, entry in report.accepted:
        yield f"accepted until {entry.until}: {_line(finding)}: {entry.reason}"
    for looked in report.looked:
        for update in looked.updates:
            yield f"newer: {update.subject}: {update.package} {update.version} -> {update.candidate}"
    for entry in report.expired:
        yield f"expired on {entry.until}: {entry.package} {entry.id}: {entry.reason}; mend it, or renew the entry"
    for entry in report.unused:
        yield f"not needed any more: {entry.package} {entry.id}; delete the entry"
    yield f"{len(report.open)} open, {len(report.accepted)} accepted, {len(report.expired)} expired"


def _line(finding: Finding) -> str:
    names = ", ".join((finding.id, *finding.aliases))
    mended = f", mended in {', '.join(finding.fixed_in)}" * bool(finding.fixed_in)
    return f"{finding.subject}: {finding.package} {finding.version}: {names}{mended}: {finding.summary}"


def _look(subject: str, database: str) -> Iterator[Looked]:
    if subject == "toolkit":
        yield audit_lock(subject, project_root() / "requirements.lock", database)
        return
    kind = kind_of(subject)
    if kind == "airflow":
        yield audit_lock(f"image {kind}", project_root() / "scripts/image/requirements.lock", database)
    release = PGBOUNCER_DEBIAN if kind == "pgbouncer" else versions().debian
    if image := find(kind):
        yield audit_packages(f"image {kind}", contents(image.archive), release)

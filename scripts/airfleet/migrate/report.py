"""What became of every key, as text, Markdown and JSON."""

from __future__ import annotations

import json

from airfleet.migrate.convert import IS_DEFAULT
from airfleet.migrate.model import Conversion, Finding, Status

_ORDER = (Status.HUMAN, Status.TRANSLATED, Status.DROPPED)
_TITLES = {
    Status.HUMAN: "Needs a human",
    Status.TRANSLATED: "Translated",
    Status.DROPPED: "Dropped",
}


def summary(conversion: Conversion) -> str:
    """One line with the numbers."""
    counts = ", ".join(f"{len(conversion.of(status))} {status}" for status in (_ORDER[1], _ORDER[2], _ORDER[0]))
    return f"{len(conversion.findings)} keys: {counts}"


def as_text(conversion: Conversion) -> str:
    """The report for a terminal."""
    lines: list[str] = []
    for status in _ORDER:
        if found := conversion.of(status):
            told = [finding for finding in found if finding.why != IS_DEFAULT]
            lines += ["", f"{_TITLES[status]} ({len(found)})"]
            lines += [f"  {finding.origin}: {finding.key}{_what(finding)}" for finding in told]
            if repeated := len(found) - len(told):
                lines += [f"  {repeated} that repeat the official chart's defaults (--report and --json name them)"]
    if conversion.notes:
        lines += ["", "Different by default", *(f"  {note}" for note in conversion.notes)]
    for command in conversion.commands:
        lines += ["", f"Run once, while the old release is there, to {command.purpose}", command.command]
    return "\n".join([*lines[1:], "", summary(conversion)])


def as_markdown(conversion: Conversion) -> str:
    """The report to keep beside the values."""
    lines = ["# From the official chart's values", "", summary(conversion) + ".", ""]
    for status in _ORDER:
        if found := conversion.of(status):
            lines += [f"## {_TITLES[status]}", "", "| key | where | what |", "|---|---|---|"]
            lines += [f"| `{f.key}` | {f.origin} | {_cell(f)} |" for f in found]
            lines += [""]
    if conversion.notes:
        lines += ["## Different by default", "", *(f"- {note}" for note in conversion.notes), ""]
    for command in conversion.commands:
        lines += [f"## To {command.purpose}", "", "Run once, while the old release is there:", ""]
        lines += ["```bash", command.command, "```", ""]
    return "\n".join(lines)


def as_json(conversion: Conversion) -> str:
    """Everything, for programs."""
    document = {
        "values": conversion.values,
        "findings": [
            {
                "key": f.key,
                "file": f.origin.file,
                "line": f.origin.line,
                "status": str(f.status),
                "to": list(f.to),
                "why": f.why,
            }
            for f in conversion.findings
        ],
        "notes": conversion.notes,
        "commands": [{"purpose": c.purpose, "command": c.command} for c in conversion.commands],
    }
    return json.dumps(document, indent=2)


def _what(finding: Finding) -> str:
    to = f" -> {', '.join(finding.to)}" if finding.to else ""
    return to + (f" ({finding.why})" if to and finding.why else f": {finding.why}" if finding.why else "")


def _cell(finding: Finding) -> str:
    to = ", ".join(f"`{key}`" for key in finding.to)
    text = f"{to}: {finding.why}" if to and finding.why else to or finding.why
    return text.replace("|", "\\|")

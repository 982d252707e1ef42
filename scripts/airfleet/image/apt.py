"""Debian's package archive as this machine's apt is configured to reach it; the project names no mirror."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from airfleet.process import run

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_COMPONENT = "main"
# Which of apt's settings say how to reach an archive; mmdebstrap's apt does not read the machine's.
_REACH = re.compile(r"^Acquire::(https?::|Retries|Check-Valid-Until|Check-Date|Languages)")


@dataclass(frozen=True)
class Source:
    """One line of apt's sources: `deb [signed-by=KEYRING] URI SUITE COMPONENT...`."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""


def debian_sources(release: str, etc: Path = Path("/etc/apt")) -> str:
    """apt source lines for a Debian release, its updates and its security updates, from this machine's own sources.

    Sources of other products are left out. The text is empty if the machine has none of Debian's (it is an Ubuntu).
    """
    lines: dict[str, None] = {}
    for source in read_sources(etc):
        if (pocket := _debian_pocket(source)) is not None:
            keyring = source.signed_by or (str(_KEYRING) if _KEYRING.exists() else "")
            options = f"[signed-by={keyring}] " if keyring else ""
            lines[f"deb {options}{source.uri} {release}{pocket} {_COMPONENT}\n"] = None
    return "".join(lines)


def reach_settings() -> str:
    """The machine's apt settings for proxies, certificates and the like, as the text of an apt.conf."""
    dumped = run(["apt-config", "dump"]).stdout.splitlines()
    return "".join(f"{line}\n" for line in dumped if _REACH.match(line) and not line.endswith('"";'))


def read_sources(etc: Path) -> Iterator[Source]:
    """Every enabled binary source of sources.list and sources.list.d, in both of apt's formats."""
    one_line = [etc / "sources.list", *sorted(etc.glob("sources.list.d/*.list"))]
    for file in one_line:
        if file.is_file():
            yield from _one_line_sources(file.read_text())
    for file in sorted(etc.glob("sources.list.d/*.sources")):
        yield from _deb822_sources(file.read_text())


def _one_line_sources(text: str) -> Iterator[Source]:
    pattern = re.compile(
        r"^\s*deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<components>[^#]*)"
    )
    for line in text.splitlines():
        if match := pattern.match(line):
            signed_by = re.search(r"(?:^|\s)signed-by=(\S+)", match["options"] or "", re.IGNORECASE)
            yield Source(
                match["uri"], match["suite"], tuple(match["components"].split()), signed_by[1] if signed_by else ""
            )


def _deb822_sources(text: str) -> Iterator[Source]:
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza.splitlines())
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").strip() == "no":
            continue
        signed_by = fields.get("signed-by", "").strip()
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                # A key may stand in the stanza itself; only a path can be handed on.
                path = signed_by if signed_by.startswith("/") else ""
                yield Source(uri, suite, tuple(fields.get("components", "").split()), path)


def _fields(lines: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        if line.startswith("#"):
            continue
        if line[:1].isspace():
            found[name] = f"{found.get(name, '')} {line.strip()}"
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            found[name] = value.strip()
    return found


def _debian_pocket(source: Source) -> str | None:
    """What follows the release in the suite (`-updates`, `-security` or nothing) if this is Debian's own archive."""
    if _COMPONENT not in source.components:
        return None
    by_key = "debian-archive" in source.signed_by
    by_path = not source.signed_by and re.search(r"/debian(-security)?/?$", source.uri) is not None
    match = re.fullmatch(r"[a-z]+(-updates|-security)?/?", source.suite)
    return (match[1] or "") if match and (by_key or by_path) else None

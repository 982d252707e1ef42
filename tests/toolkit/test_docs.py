"""What the pages name exists: links and anchors, commands and their options, make targets, and keys of the values."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer

from airfleet.cli import app
from airfleet.paths import project_root
from airfleet.reference import leaves

ROOT = project_root()
PAGES = sorted(
    ROOT / line
    for line in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
)
SCHEMA = json.loads((ROOT / "chart/values.schema.json").read_text())
_FENCE = re.compile(r"^( *)(```+|~~~+)(.*?)^\1\2[ ]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^()\s>]+)>?(?: \"[^\"]*\")?\)")
# Keys of the official chart, which these pages name on purpose.
OTHERS_KEYS = {
    "docs/reference/compared-with-official.md": {
        *("workers.kubernetes", "dags.gitSync", "dags.persistence"),
        *("dagProcessor.dagBundleConfigList", "apiServer.apiServerConfig"),
    }
}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


COMMAND: Any = typer.main.get_command(app)
by_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@cache
def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text_of(page))


def links(page: Path) -> list[str]:
    """Where a page links to, its own anchors and other files; code is not read for links."""
    found = _LINK.findall(re.sub(r"`[^`\n]*`", "`code`", prose(page)))
    return [unquote(link) for link in found if not re.match(r"[a-z+]+:", link)]


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that a page has on GitHub: those of its headings, and those that it sets itself."""
    seen: dict[str, int] = {}
    found = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text_of(page)))
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        n = seen[anchor] = seen.get(anchor, -1) + 1
        found.add(f"{anchor}-{n}" if n else anchor)
    return found


@by_page
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_readme() -> None:
    """By links; a link to a folder leads to its README, and to nothing else."""
    reached: set[Path] = set()
    following = [ROOT / "README.md"]
    while following:
        page = following.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            target = target / "README.md" if target.is_dir() else target
            if target in PAGES:
                following.append(target)
    assert [name_of(page) for page in PAGES if page not in reached and page.name != "CHANGELOG.md"] == []


def commands_in(page: Path) -> Iterator[list[str]]:
    """The words of each command of ours that a page names, in a code span or on a line of a block."""
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]
    yield from calls_in([*lines_of_blocks(page), *spans])


def lines_of_blocks(page: Path) -> list[str]:
    fenced = [match[3].partition("\n") for match in _FENCE.finditer(text_of(page))]
    blocks = [body for info, _, body in fenced if info.strip() != "text"]  # which is what something prints
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def calls_in(lines: list[str]) -> Iterator[list[str]]:
    for line in lines:
        for call in re.findall(r"(?:^|[\s(;&|])((?:\.venv/bin/)?airfleet (?:[a-z-]|\$).*)", line):
            yield words(re.split(r"\)|[|;&>]|\s#", call)[0])


def words(call: str) -> list[str]:
    try:
        return shlex.split(call)
    except ValueError:  # a quotation that ends elsewhere
        return call.split()


def wrong_in(call: list[str], *, typed: bool = False) -> str:
    """What is wrong with a call of airfleet: a command or an option that there is not, or, if it is to be typed as it
    stands, an option that it lacks."""
    command = COMMAND
    rest = call[1:]
    while rest and hasattr(command, "get_command"):
        if rest[0].startswith("-"):
            break
        below = command.get_command(None, rest[0])
        if below is None:
            return f"no command {rest[0]} in `{' '.join(call)}`"
        command, rest = below, rest[1:]
    known = {name for p in command.params for name in [*p.opts, *p.secondary_opts]} | {"--help", "-h"}
    for word in rest:
        if word == "--":
            break
        if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known:
            return f"no option {word} in `{' '.join(call)}`"
    needed = [p for p in command.params if p.required and p.param_type_name == "option" and not p.envvar]
    lacking = [p.opts[0] for p in needed if not {*p.opts} & {word.partition("=")[0] for word in rest}]
    return f"{lacking[0]} is missing in `{' '.join(call)}`" if typed and lacking else ""


@by_page
def test_commands_exist(page: Path) -> None:
    assert [wrong for call in commands_in(page) if (wrong := wrong_in(call))] == []
    if page.name != "cli.md":  # whose blocks are usages
        typed = calls_in(lines_of_blocks(page))
        assert [wrong for call in typed if (wrong := wrong_in(call, typed=True))] == []


def test_a_wrong_command_is_noticed() -> None:
    assert wrong_in(["airfleet", "images"]) == "no command images in `airfleet images`"
    assert wrong_in(["airfleet", "chart", "bom"]) == "no command bom in `airfleet chart bom`"
    assert wrong_in(["airfleet", "chart", "sbom", "--out"]) == "no option --out in `airfleet chart sbom --out`"
    assert wrong_in(["airfleet", "lab", "kubectl", "--", "get", "--all"]) == ""
    assert wrong_in(["airfleet", "chart"]) == wrong_in(["airfleet", "chart", "package"]) == ""
    assert wrong_in(["airfleet", "chart", "package"], typed=True) == "--output is missing in `airfleet chart package`"


def test_the_pages_name_most_commands() -> None:
    """Else the test above looks at nothing; the generated page does not count."""
    named = {tuple(call[1:3]) for page in PAGES if page.name != "cli.md" for call in commands_in(page)}
    every = {tuple(path[1:3]) for path, _ in leaves(COMMAND, ("airfleet",))}
    assert len({path for path in every if path in named or path[:1] in {n[:1] for n in named}}) > 15


@by_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    spans = re.findall(r"`((?:[A-Z_]+=\S+ )*make [a-z-]+[^`]*)`", prose(page))
    calls = re.findall(
        r"^\s*(?:[A-Z_]+=\S+ )*make ((?:[A-Z_]+=\S+ )*[a-z-]+)",
        "\n".join([*lines_of_blocks(page), *spans]),
        re.MULTILINE,
    )
    assert [call for call in calls if call.split()[-1] not in targets] == []


def is_key(dotted: str) -> bool:
    """Whether values may have this key; a name in <> is any entry of a map."""
    node: Any = SCHEMA
    for part in re.findall(r"<[^>]*>|[^.]+", dotted):
        while "$ref" in node:
            node = resolved(node["$ref"])
        if part in node.get("properties", {}):
            node = node["properties"][part]
        elif isinstance(node.get("additionalProperties"), dict):
            node = node["additionalProperties"]
        else:
            # An object of Kubernetes' own is open: what is in it is not ours.
            return node.get("additionalProperties", True) is True and node.get("type") != "object"
    return True


def resolved(reference: str) -> Any:
    node: Any = SCHEMA
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def keys_in(page: Path) -> list[str]:
    """What looks like a key of the values: a code span of names with dots, the first of which is one of the chart."""
    spans = re.findall(r"`([A-Za-z][\w-]*(?:\.(?:<[a-z ]+>|[\w-]+))+)(?:: [^`]*)?`", prose(page))
    return [span for span in spans if span.partition(".")[0] in SCHEMA["properties"]]


@by_page
def test_keys_of_the_values_exist(page: Path) -> None:
    unknown = {key for key in keys_in(page) if not is_key(key)}
    assert unknown == OTHERS_KEYS.get(name_of(page), set())


def test_a_wrong_key_is_noticed() -> None:
    assert all(map(is_key, ("logs.remote.type", "podTemplates.<name>.queues", "config.core.auth_manager", "image.tag")))
    assert not any(map(is_key, ("logs.remote.kind", "podTemplates.<name>.queue", "image.tags", "scheduler.replica")))
    assert sum(len(keys_in(page)) for page in PAGES) > 100

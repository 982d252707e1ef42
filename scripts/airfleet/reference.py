"""docs/reference/cli.md: every command with its arguments and options, from the code that runs them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_args

PAGE = "docs/reference/cli.md"
_HEAD = """# Commands

What the help of each command says, on one page; `airfleet docs` makes it from the code. Exit codes are those of
[exit-codes.md](exit-codes.md). Every command has `--help`.
"""


def reference_text(root: Any) -> str:
    """The page for a command of click's, such as typer.main.get_command() gives."""
    commands = [(path, command) for path, command in leaves(root, ("airfleet",)) if not command.hidden]
    listed = "".join(f"| [{_code(' '.join(p))}](#{'-'.join(p)}) | {_first(c.help)} |\n" for p, c in commands)
    table = f"\n| command | |\n|---|---|\n{listed}"
    return _HEAD + table + "".join(_section(path, command) for path, command in commands)


def leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below a group that does something, with the words that call it."""
    if not hasattr(command, "list_commands"):
        yield path, command
        return
    for name in command.list_commands(None):
        yield from leaves(command.get_command(None, name), (*path, name))


def _section(path: tuple[str, ...], command: Any) -> str:
    shown = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
    arguments = "".join(f" {_argument(p)}" for p in shown if p.param_type_name == "argument")
    options = " [OPTIONS]" * any(p.param_type_name == "option" for p in shown)
    usage = f"```\n{' '.join(path)}{options}{arguments}\n```\n"
    rows = "".join(_row(p) for p in shown if p.param_type_name == "option" or p.help)
    table = f"\n| | | default |\n|---|---|---|\n{rows}" if rows else ""
    return f"\n## {' '.join(path)}\n\n{_help(command.help)}\n\n{usage}{table}"


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    name = name if name.startswith("[") or argument.required else f"[{name}]"
    return f"{name}..." if argument.nargs != 1 and not name.endswith("...") else str(name)


def _row(option: Any) -> str:
    is_argument = option.param_type_name == "argument"
    names = ", ".join(_code(name) for name in [*option.opts, *option.secondary_opts])
    names = _code(_argument(option)) if is_argument else names
    default = option.show_default if isinstance(option.show_default, str) else option.default
    if option.envvar:
        default = f"`${option.envvar}`"
    elif option.required:
        default = "" if is_argument else "required"
    elif isinstance(default, bool) or default in (None, "", ()) or callable(default):
        default = ""
    else:
        default = _code(str(default))
    choices = [str(choice) for choice in get_args(option.type_descriptor.annotation) if isinstance(choice, str)]
    text = f"{option.help or ''} One of {', '.join(choices)}." if choices else option.help or ""
    return f"| {names} | {_cell(text)} | {default} |\n"


def _help(text: str | None) -> str:
    """A docstring as Markdown: what stands after \\b is shown as it is."""
    parts = re.split(r"\x08\n", inspect.cleandoc(text or ""))
    plain, shown = parts[0].rstrip(), parts[1:]
    return plain + "".join(f"\n\n```\n{inspect.cleandoc(block).rstrip()}\n```" for block in shown)


def _first(text: str | None) -> str:
    return _cell(inspect.cleandoc(text or "").partition("\n\n")[0])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`"

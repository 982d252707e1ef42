"""A command line whose parts are imported when they are called: `airfleet --help` imports none of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


@dataclass(frozen=True)
class Command:
    """Where a command is, as `module:name` of a function or a typer.Typer; and the first line of its help."""

    target: str
    help: str

    def load(self, name: str) -> Any:
        """Import it."""
        module, _, attribute = self.target.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if isinstance(found, typer.Typer):
            group = get_group(found)
            group.name = name
            return group
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name)(found)
        return get_command(alone)


class LazyGroup(TyperGroup):
    """A group that knows of its commands by name and help alone. `sections` are set by a subclass."""

    sections: ClassVar[Mapping[str, Mapping[str, Command]]]
    _only_listed = False

    @property
    def known(self) -> dict[str, Command]:
        """Every command."""
        return {name: command for section in self.sections.values() for name, command in section.items()}

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the sections."""
        return [*self.known, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command."""
        command = self.known.get(cmd_name)
        if command and self._only_listed:
            return TyperCommand(cmd_name, short_help=command.help)
        return command.load(cmd_name) if command else super().get_command(ctx, cmd_name)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """What a shell is offered at a TAB: names and help, with none of them imported."""
        self._only_listed = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._only_listed = False

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List all of them, importing none."""
        for title, section in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, command.help) for name, command in section.items()])

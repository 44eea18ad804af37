"""A group whose commands are listed in a table and imported when they are asked for.

A row of the table is a name, a module and a line of help. The module holds `app`, a `typer.Typer`: one that has a name
is a group and becomes the command; one without a name holds the command. Help that lists the commands, `--version` and
a name that is not in the table import none of the modules. What a command does is no concern of this file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_group

Command = Any  # click's, which typer brings along: under which name depends on its version


class Listed(NamedTuple):
    """Where a command is, and its line in the help: the first sentence of the command's own help."""

    module: str
    help: str


class LazyGroup(TyperGroup):
    """A group that has the commands of `table`, in its order, and no other."""

    table: ClassVar[Mapping[str, Listed]]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": Imported(self.table)})

    def get_command(self, ctx: Any, cmd_name: str) -> Command | None:
        """The command, imported; None where the table has no such name."""
        return self.commands[cmd_name] if cmd_name in self.table else None

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, without an import."""
        return list(self.table)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write names and lines of help, without an import."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed.help) for name, listed in self.table.items()])


class Imported(Mapping[str, Command]):
    """Commands by name. Taking one out imports its module; counting and naming them does not."""

    def __init__(self, table: Mapping[str, Listed]) -> None:
        self._table = table
        self._commands: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        if name not in self._commands:
            self._commands[name] = command(name, self._table[name].module)
        return self._commands[name]

    def __contains__(self, name: object) -> bool:
        return name in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


def command(name: str, module: str) -> Command:
    """The command `name` of a module. Raises KeyError where its `app` has none of that name."""
    around = typer.Typer(rich_markup_mode=None)
    around.add_typer(import_module(module).app)
    return get_group(around).commands[name]

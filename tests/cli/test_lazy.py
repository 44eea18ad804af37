"""The table of commands agrees with their modules, and a command's module is imported when it is asked for."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import ClassVar

import pytest
import typer
from typer.testing import CliRunner

import rightsized.cli
from rightsized.cli import COMMANDS, app, lazy
from rightsized.cli.lazy import LazyGroup, Listed

RUN = """
import contextlib, json, sys
from rightsized.cli import main
with contextlib.suppress(SystemExit):
    main({arguments})
print(json.dumps([name for name in sys.modules if name.startswith("rightsized.cli.")]))
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_row_says_what_the_command_says(name: str) -> None:
    listed = COMMANDS[name]
    command = lazy.command(name, listed.module)
    assert command.name == name
    assert listed.help == command.get_short_help_str(limit=1_000)


def test_every_command_that_a_module_makes_can_be_reached() -> None:
    names = [f"rightsized.cli.{module.name}" for module in pkgutil.iter_modules(rightsized.cli.__path__)]
    modules = [import_module(name) for name in names if name != "rightsized.cli.__main__"]
    made = {module.__name__: module.app for module in modules if isinstance(getattr(module, "app", None), typer.Typer)}
    reached = [one for listed in COMMANDS.values() for one in _below(import_module(listed.module).app)]
    assert [name for name, one in made.items() if one not in reached] == []
    assert not app.registered_commands and not app.registered_groups  # a lazy group has those of its table alone


def _below(given: typer.Typer) -> Iterator[typer.Typer]:
    yield given
    for inner in given.registered_groups:
        if inner.typer_instance is not None:
            yield from _below(inner.typer_instance)


@pytest.mark.parametrize(
    ("arguments", "modules"),
    [
        ("--help", set()),
        ("--version", set()),
        ("no-such-command", set()),
        ("tasks --help", {"commands", "tables", "tasks"}),
    ],
)
def test_a_module_is_imported_when_its_command_is_asked_for(arguments: str, modules: set[str]) -> None:
    code = RUN.format(arguments=arguments.split())
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("rightsized.cli.") for name in json.loads(done.stdout.splitlines()[-1])}
    listed = {entry.module.removeprefix("rightsized.cli.") for entry in COMMANDS.values()}
    assert loaded & (listed | {"commands", "tables"}) == modules


def test_an_unknown_command_is_refused_with_the_nearest_name() -> None:
    found = CliRunner().invoke(app, ["certificat", "show"])
    assert found.exit_code == 2
    assert "No such command 'certificat'. Did you mean 'certificate'?" in found.output


def test_a_row_without_its_command_is_no_unknown_command() -> None:
    """A mistake in the table is a defect of ours: it must not pass for one in what was typed."""

    class Mistaken(LazyGroup):
        table: ClassVar = {"tusks": Listed("rightsized.cli.tasks", "")}

    broken = typer.Typer(cls=Mistaken, add_completion=False)
    broken.callback()(lambda: None)
    found = CliRunner().invoke(broken, ["tusks"])
    assert isinstance(found.exception, KeyError)

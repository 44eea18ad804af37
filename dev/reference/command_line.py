"""Every command with its arguments and options, from the real command line."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from reference.markdown import cell, code, table

OPENING = """# Command line

`rightsized COMMAND --help` shows the same. With `--json` a command prints everything it found as one JSON document on
standard output; errors then are JSON too. Progress goes to standard error. Exit status: 0 done, 1 a check failed or
something went wrong, 2 wrong input or settings, 3 not found, 4 busy, 130 stopped by Ctrl-C; [errors](errors.md) lists
which error has which.

"""


def page() -> str:
    """The page."""
    return OPENING + "\n".join(_section(path, command) for path, command in commands())


def commands() -> list[tuple[str, Any]]:
    """Every command that does something, by its full name."""
    from rightsized.cli import app

    return list(_walk("rightsized", typer.main.get_command(app)))


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name in children:
        yield from _walk(f"{path} {name}", children[name])


def _section(path: str, command: Any) -> str:
    parameters = [p for p in command.params if p.name not in ("help", "install_completion", "show_completion")]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option"]
    usage = " ".join([path, *((argument.name or "").upper() for argument in arguments)])
    parts = [f"## `{path}`\n\n{inspect.cleandoc(command.help or '')}\n\n```text\n{usage} [OPTIONS]\n```\n"]
    if arguments:
        rows = [(code((a.name or "").upper()), cell(getattr(a, "help", "") or "")) for a in arguments]
        parts.append(table(("argument", "meaning"), rows))
    described = [(code(", ".join(o.opts)), _default(o), cell(o.help or "")) for o in options]
    parts.append(table(("option", "default", "meaning"), described))
    return "\n".join(parts)


def _default(option: Any) -> str:
    if option.required:
        return "must be given"
    if option.default in (None, "", False) or callable(option.default):
        return ""
    return code(option.default)

"""How a command is made: its options are one frozen dataclass, its result is data plus a way to show it.

    @dataclass(frozen=True, kw_only=True)
    class Options(Common):
        task: Annotated[str, typer.Argument(help="Task to ask.")]

    def run(options: Options) -> Result: ...

    add(app, "ask", Options, run)

`add` turns the dataclass into the command's parameters, prints the result as text or JSON, and turns every error
raised on purpose into a sentence, its fix and an exit status.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from rightsized.core.config import Config, load, unknown_variables
from rightsized.core.egress import Egress
from rightsized.core.errors import RightsizedError

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, kw_only=True)
class Common:
    """Options that every command takes."""

    home: Annotated[
        Path | None, typer.Option(help="Folder for models, tasks and decisions. Default: ~/.rightsized.")
    ] = None
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: rightsized.toml here.")] = None
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False

    def settings(self, **flags: Any) -> Config:
        """Settings from file, environment and these options. Raises ConfigError."""
        return load(self.config, flags={"home": str(self.home) if self.home else None, **flags})


@dataclass(frozen=True)
class Result:
    """What a command found: `data` for --json, `text` for people; `status` is the exit status."""

    data: Any
    text: RenderableType = ""
    status: int = 0


OptionsT = TypeVar("OptionsT", bound=Common)


def add(
    app: typer.Typer,
    name: str,
    options: type[OptionsT],
    run: Callable[[OptionsT], Result | None],
    *,
    own_net: bool = False,
) -> None:
    """Register `run` as the command `name`; its help is the docstring of `run`.

    Args:
        own_net: the command puts up the net of core/egress by itself, since it serves or fetches.
    """
    hints = get_type_hints(options, include_extras=True)
    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(options)
    ]

    def command(**given: Any) -> None:
        _note_mistyped_variables()
        _guarded(run, options(**given), own_net=own_net)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by typer
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = run.__doc__
    brief = (run.__doc__ or "").strip().partition("\n")[0]
    app.command(name, short_help=brief)(command)


def _note_mistyped_variables() -> None:
    """A mistyped variable would be passed over without a word. Standard error: output may be JSON."""
    for name, meant in unknown_variables().items():
        if meant:
            sys.stderr.write(f"note: {name} is no setting and was ignored; did you mean {meant}?\n")


@functools.lru_cache(maxsize=8)
def _net(allowed: tuple[str, ...]) -> Egress:
    """The net beneath this process, once: a hook cannot be taken away again."""
    return Egress(frozenset(allowed)).watch()


def _guarded(run: Callable[[OptionsT], Result | None], options: OptionsT, *, own_net: bool) -> None:
    try:
        if not own_net:
            _net(options.settings().egress.allow)
        result = run(options)
        if result is not None:
            show(result, options.json)
    except RightsizedError as error:
        fail(error, options.json)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)  # noqa: T201 - the command line speaks here
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader went away, as with `| head`
        sys.stderr.close()
        raise typer.Exit(0) from None
    except typer.Abort:  # a question was answered with no, or there is nobody to answer it
        print("Nothing was done.", file=sys.stderr)  # noqa: T201 - the command line speaks here
        raise typer.Exit(1) from None
    except typer.Exit:
        raise
    except Exception as error:  # noqa: BLE001 - the process boundary: a defect of ours, told in a sentence
        fail(_unexpected(error), options.json)
    else:
        if result is not None and result.status:
            raise typer.Exit(result.status)


def _unexpected(error: Exception) -> RightsizedError:
    """A defect of ours as an error: what it was, and where its traceback was put."""
    with tempfile.NamedTemporaryFile("w", prefix="rightsized-", suffix=".log", encoding="utf-8", delete=False) as log:
        traceback.print_exception(error, file=log)
    return RightsizedError(
        f"This should not have happened: {type(error).__name__}: {error}.",
        fix=f"The details are in {log.name}; please report them.",
    )


def show(result: Result, as_json: bool) -> None:
    """Print a result."""
    if as_json:
        import msgspec

        document = msgspec.json.format(msgspec.json.encode(result.data), indent=2)
        sys.stdout.write(document.decode() + "\n")
        return
    from rich.console import Console

    from rightsized.cli.tables import printable

    text = printable(result.text) if isinstance(result.text, str) else result.text
    Console(highlight=False).print(text, soft_wrap=True, markup=False)


def fail(error: RightsizedError, as_json: bool) -> None:
    """Print an error as a sentence and its fix, and leave with its exit status."""
    if as_json:
        import msgspec

        body = {"error": {"code": error.code, "message": error.message, "fix": error.fix, "retryable": error.retryable}}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(body), indent=2).decode() + "\n")
    else:
        from rich.console import Console

        console = Console(stderr=True, highlight=False)
        console.print("[bold]error:[/bold] ", end="")
        soft = not console.is_terminal  # a log is searched by line
        console.print(error.message, markup=False, soft_wrap=soft)
        if error.fix:
            console.print(error.fix, markup=False, soft_wrap=soft)
    raise typer.Exit(error.exit_code)

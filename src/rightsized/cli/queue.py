"""`rightsized queue`: messages that wait for a person."""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.tables import aligned

if TYPE_CHECKING:
    from rightsized.tasks.remote import RunningServer
    from rightsized.tasks.service import LocalService

T = TypeVar("T")
app = typer.Typer(name="queue", help="Messages that wait for a person: list, label, undo.", no_args_is_help=True)


@dataclass(frozen=True, kw_only=True)
class ListOptions(Common):
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 20


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Common):
    decision: Annotated[str, typer.Argument(help="Decision id.")]
    label: Annotated[str, typer.Argument(help="The right label; out_of_scope where none fits.")]
    reviewer: Annotated[str | None, typer.Option(help="Who says so. Default: the user's name.")] = None


@dataclass(frozen=True, kw_only=True)
class UndoOptions(Common):
    decision: Annotated[str, typer.Argument(help="Decision id.")]
    reviewer: Annotated[str | None, typer.Option(help="Who says so. Default: the user's name.")] = None


def list_waiting(options: ListOptions) -> Result:
    """List what waits, oldest first. Audit items show no suggestion: the reviewer must not be led."""
    server = _server(options)
    if server is not None:
        items = server.queue(options.task, options.limit)
    else:
        items = _with_service(options, lambda service: _soon(service.queue(options.task, options.limit)))
    rows = [
        [item.decision, item.task, item.kind, item.suggestion.label if item.suggestion else "", item.text[:60]]
        for item in items
    ]
    empty = "Nothing waits for a person."
    return Result(items, aligned(["decision", "task", "kind", "suggestion", "text"], rows) if rows else empty)


def label(options: LabelOptions) -> Result:
    """Say what the right label of a waiting message is. Such labels train; only audit labels watch the promise."""
    reviewer = options.reviewer or getpass.getuser()
    server = _server(options)
    if server is not None:
        review = server.label(options.decision, options.label, reviewer)
    else:
        review = _with_service(options, lambda service: service.label(options.decision, options.label, reviewer))
    return Result(review, f"{review.decision}: {review.label} (by {review.reviewer}).")


def undo(options: UndoOptions) -> Result:
    """Take the last label of a message back; it waits again."""
    reviewer = options.reviewer or getpass.getuser()
    server = _server(options)
    if server is not None:
        server.unlabel(options.decision)
    else:
        _with_service(options, lambda service: service.unlabel(options.decision, reviewer))
    return Result({"decision": options.decision, "waits": True}, f"{options.decision} waits again.")


def _server(options: Common) -> RunningServer | None:
    from rightsized.store.home import Home
    from rightsized.tasks.remote import find_server

    return find_server(Home(options.settings().home))


def _with_service(options: Common, work: Callable[[LocalService], Awaitable[T]]) -> T:
    import asyncio

    from rightsized.tasks.service import open_service

    async def inside() -> T:
        async with open_service(options.settings(), purpose="queue", record=True) as service:
            return await work(service)

    return asyncio.run(inside())


async def _soon(value: T) -> T:
    return value


add(app, "list", ListOptions, list_waiting)
add(app, "label", LabelOptions, label)
add(app, "undo", UndoOptions, undo)

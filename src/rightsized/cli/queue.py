"""`rightsized queue`: messages that wait for a person."""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.tables import aligned

if TYPE_CHECKING:
    from rightsized.tasks.records import QueueItem
    from rightsized.tasks.remote import RunningServer
    from rightsized.tasks.service import LocalService

T = TypeVar("T")
SHOWN_CHARS = 60  # of a text, in the list
app = typer.Typer(
    name="queue", help="Messages that wait for a person: list, label, undo, export.", no_args_is_help=True
)


@dataclass(frozen=True, kw_only=True)
class ListOptions(Common):
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 20


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Common):
    decision: Annotated[str, typer.Argument(help="Decision id.")]
    label: Annotated[
        str, typer.Argument(help="The right label; out_of_scope where none fits. Of written text: right or wrong.")
    ]
    reviewer: Annotated[str | None, typer.Option(help="Who says so. Default: the user's name.")] = None


@dataclass(frozen=True, kw_only=True)
class UndoOptions(Common):
    decision: Annotated[str, typer.Argument(help="Decision id.")]
    reviewer: Annotated[str | None, typer.Option(help="Who says so. Default: the user's name.")] = None


@dataclass(frozen=True, kw_only=True)
class ExportOptions(Common):
    task: Annotated[str, typer.Argument(help="Name of the task, or of the gateway's cascade.")]
    out: Annotated[
        Path, typer.Argument(help="File to write, .csv or .jsonl (.jsonl of a cascade); one that is there is replaced.")
    ]
    text: Annotated[str, typer.Option(help="Name of the column with the text.")] = "text"
    label: Annotated[str, typer.Option(help="Name of the column with the label.")] = "label"


def list_waiting(options: ListOptions) -> Result:
    """List what waits, oldest first. Audit items show no suggestion: the reviewer must not be led.

    Of written text the answer stands below its prompt: is it right or wrong? Without an answer given, it is a draft.
    """
    server = _server(options)
    if server is not None:
        items = server.queue(options.task, options.limit)
    else:
        items = _with_service(options, lambda service: _soon(service.queue(options.task, options.limit)))
    rows = [row for item in items for row in _rows(item)]
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


def export(options: ExportOptions) -> Result:
    """Write the labels given in the queue and by correction as rows to train on; fit never calibrates on them.

    One row a decision: text, label, where the label comes from, the decision's id and its conversation. Labels of
    audited messages are left out. Works beside a running server. Of the gateway's cascade, such as chat, the rows are
    those that `calibrate chat --data` reads.
    """
    if _of_cascade(options):
        return _export_chat(options)
    from rightsized.ledger.reader import LedgerReader
    from rightsized.store.home import Home
    from rightsized.tasks.exported import SOURCE_OF, check_destination, write_training_rows
    from rightsized.tasks.queue import ReviewQueue
    from rightsized.tasks.versions import TaskStore

    check_destination(options.out)
    home = Home(options.settings().home)
    TaskStore(home).current(options.task)  # says which tasks there are, should this be none
    with LedgerReader(home.decisions) as reader:
        queue = ReviewQueue(reader)
        rows, lost = queue.training_rows(options.task), queue.without_text(options.task)
    write_training_rows(options.out, rows, text=options.text, label=options.label)
    counts = {source: sum(SOURCE_OF[row.kind] == source for row in rows) for source in SOURCE_OF.values()}
    data = {"task": options.task, "file": str(options.out), "rows": len(rows), **counts, "texts_deleted": lost}
    return Result(data, _exported(data))


def _rows(item: QueueItem) -> list[list[str]]:
    """An item's lines: its own, and what was written below it."""
    suggestion = item.suggestion.label if item.suggestion else ""
    lines = [[item.decision, item.task, item.kind, suggestion, _short(item.text)]]
    written = item.written
    if written is not None and not written.wrote:
        lines.append(["", "", "no draft", "", ""])
    elif written is not None:
        said = "(deleted)" if written.answer is None else written.answer
        lines.append(["", "", "answer" if written.given else "draft", "", _short(said)])
    return lines


def _short(text: str) -> str:
    return " ".join(text.split())[:SHOWN_CHARS]


def _of_cascade(options: ExportOptions) -> bool:
    """Whether the gateway's decisions are meant: no task has the name, and it is the gateway's."""
    from rightsized.store.home import Home
    from rightsized.tasks.chat_checks import is_cascade
    from rightsized.tasks.versions import TaskStore

    config = options.settings()
    home = Home(config.home)
    ours = options.task == config.gateway.cascade and bool(config.tiers) and options.task not in TaskStore(home).names()
    return ours or is_cascade(home, options.task)


def _export_chat(options: ExportOptions) -> Result:
    from rightsized.ledger.reader import LedgerReader
    from rightsized.store.home import Home
    from rightsized.tasks.chat_rows import chat_rows, check_chat_destination, write_chat_rows
    from rightsized.tasks.dataset import SOURCE_COLUMN, TRAIN_ONLY_SOURCES
    from rightsized.tasks.queue import ReviewQueue

    check_chat_destination(options.out)
    with LedgerReader(Home(options.settings().home).decisions) as reader:
        rows, lost = chat_rows(ReviewQueue(reader), options.task)
    write_chat_rows(options.out, rows)
    counts = {source: sum(row[SOURCE_COLUMN] == source for row in rows) for source in TRAIN_ONLY_SOURCES}
    data = {"task": options.task, "file": str(options.out), "rows": len(rows), **counts, "texts_deleted": lost}
    return Result(data, _exported(data))


def _exported(data: dict[str, Any]) -> str:
    written = f"{data['file']}: {data['rows']} rows to train on, {data['queue']} from the queue and "
    written += f"{data['correction']} corrections."
    if data["texts_deleted"]:
        written += f"\n{data['texts_deleted']} more labels were left out: their texts have been deleted."
    return written


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
add(app, "export", ExportOptions, export)

"""`rightsized triage run`: messages of an inbox labelled, summarised and routed, one JSON line each with --json."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightsized.cli.commands import Common
from rightsized.cli.tables import printable
from rightsized.cli.triage_opened import InboxOption, handling, known_inboxes

if TYPE_CHECKING:
    from rightsized.apps.triage.records import Handled, Labelled
    from rightsized.apps.triage.settings import InboxSettings


@dataclass(frozen=True, kw_only=True)
class RunOptions(Common):
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="maildir:PATH, mbox:PATH, eml:FOLDER, csv:FILE, imaps://USER@HOST/FOLDER, ...; may be given several "
            "times. Default: the sources of the inbox."
        ),
    ] = None
    inbox: InboxOption = "inbox"
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only look: source, inbox and queues stay as they are, and nothing is done."),
    ] = False
    wait: Annotated[bool, typer.Option("--wait", help="Go on as new messages come, until stopped.")] = False
    limit: Annotated[int, typer.Option(help="At most so many messages of each source; 0: all.", min=0)] = 0


def run(options: RunOptions) -> None:
    """Read the messages of an inbox: label, extract, summarise and route each, and put it on record.

    What is certain is routed; the rest waits for a person: rightsized triage queue. Nothing is done outside unless the
    inbox has actions switched on. A message is handled once, however often this runs.

    With --dry-run messages are only looked at. What was said of each is on record, marked as a dry run, and counts for
    nothing: it is in no queue, is not audited, and nothing is learnt from it. The messages are handled for real later.
    """
    told = asyncio.run(_run(options))
    if not options.json:
        _summed(told, options)


async def _run(options: RunOptions) -> dict[str, int]:
    from rightsized.apps.triage.inboxes import FOLDER, source_of
    from rightsized.apps.triage.running import run as run_source
    from rightsized.apps.triage.settings import check_name, load
    from rightsized.apps.triage.store import MessageStore
    from rightsized.core.egress import Egress
    from rightsized.store.home import Home
    from rightsized.tasks.remote import find_server

    config = options.settings()
    folder = Home(config.home).path / FOLDER / check_name(options.inbox)
    settings = load(folder)
    addresses = _addresses(options, settings)
    egress = Egress.at(config.home, config.egress.allow)
    told = {"messages": 0, "routed": 0, "waiting": 0, "failed": 0}
    stop = asyncio.Event()
    _on_signals(stop)
    tell = partial(_tell, as_json=options.json, told=told)
    async with contextlib.AsyncExitStack() as stack:
        alone = find_server(Home(config.home)) is None
        stack.enter_context(_as_it_was(folder, options.dry_run and alone))
        outcome = await stack.enter_async_context(
            handling(config, options.inbox, new=True, dry_run=options.dry_run, told=tell)
        )
        with contextlib.closing(MessageStore(folder)) as store:
            for address, given in addresses:
                source = await asyncio.to_thread(
                    source_of, store, settings, address, given, egress, dry_run=options.dry_run
                )
                try:
                    going = run_source(source, outcome, dry_run=options.dry_run, wait=options.wait, limit=options.limit)
                    async for one in _until(going, stop):
                        tell(one)
                finally:
                    await source.close()
    return told


@contextlib.contextmanager
def _as_it_was(folder: Path, dry_run: bool) -> Iterator[None]:
    """A dry run leaves no inbox where there was none. Never beside a server, which has the inbox open by then."""
    was_there = folder.exists()
    try:
        yield
    finally:
        if dry_run and not was_there:
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # other inboxes are in it
                folder.parent.rmdir()


def _addresses(options: RunOptions, settings: InboxSettings) -> list[tuple[str, dict[str, object]]]:
    from rightsized.core.errors import InputError

    known = {one.address: one.options for one in settings.read_here}
    if options.source:
        return [(address, known.get(address, {})) for address in options.source]
    if not known:
        raise InputError(f"The inbox {options.inbox!r} has no source.", fix=_how_to(options))
    return list(known.items())


def _how_to(options: RunOptions) -> str:
    """What to do where an inbox has no source: which inboxes there are, how to look, how to keep a source."""
    home = Path(options.settings().home).expanduser()
    named = "" if options.inbox == "inbox" else f" --inbox {options.inbox}"
    others = [name for name in known_inboxes(home) if name != options.inbox]
    there = f"Inboxes in {home}: {', '.join(others)}. " if others else ""
    return (
        f"{there}Look at messages of a source: rightsized triage run{named} --source maildir:PATH --dry-run. "
        f"Keep it: rightsized triage connect maildir:PATH{named}"
    )


def _tell(one: Handled, as_json: bool, told: dict[str, int]) -> None:
    told["messages"] += 1
    told["failed" if one.error else "routed" if one.route.automatic else "waiting"] += 1
    if as_json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(one).decode() + "\n")
    else:
        sys.stdout.write(printable(line(one)) + "\n")
    sys.stdout.flush()


def line(one: Handled) -> str:
    """One message on one line, for people."""
    labels = ", ".join(f"{role} {_said(label)}" for role, label in one.labels.items())
    where = f"-> {one.route.queue}" if one.route.automatic else f"waits in {one.route.queue}"
    what = one.error or labels or one.automatic or "no task"
    return f"{one.priority.level:<6} {where:<24} {' '.join(one.subject.split())[:50]:<50}  {what}"


def _said(label: Labelled) -> str:
    """Its labels; where the task abstained, what the next tier said, or its best guess with a question mark."""
    guess = label.suggested[0].label if label.suggested else ""
    by = f" (by {label.next_tier.name}, uncertified)" if label.next_tier is not None and label.labels else ""
    return f"{' + '.join(label.labels)}{by}" if label.labels else f"{guess}?"


def _summed(told: dict[str, int], options: RunOptions) -> None:
    kept = "Nothing was taken in: --dry-run." if options.dry_run else f"See: rightsized triage queue -i {options.inbox}"
    sys.stdout.write(
        f"{told['messages']:,} messages: {told['routed']:,} routed, {told['waiting']:,} wait for a person, "
        f"{told['failed']:,} could not be read. {kept}\n"
    )


async def _until(handled: AsyncIterator[Handled], stop: asyncio.Event) -> AsyncIterator[Handled]:
    """The messages until somebody asks to stop; the one at work is finished first."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        while True:
            following = asyncio.ensure_future(anext(handled, None))
            await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                return
            one = following.result()
            if one is None:
                return
            yield one
    finally:
        stopped.cancel()


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

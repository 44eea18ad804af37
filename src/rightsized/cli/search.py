"""`rightsized search`: documents taken in, kept up to date, and searched, on this machine alone."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.progress import progress_bars
from rightsized.cli.search_adapt import AdaptCommandOptions, adapt
from rightsized.cli.search_answer import AnswerOptions, answer
from rightsized.cli.search_calibrate import CalibrateOptions, calibrate
from rightsized.cli.search_eval import EvalOptions, TuneOptions, evaluate, tune
from rightsized.cli.search_long import ClausesOptions, ContextOptions, SummaryOptions, clauses, context, summary
from rightsized.cli.search_opened import opened
from rightsized.cli.search_promises import promises
from rightsized.cli.search_query import QueryOptions, query
from rightsized.cli.search_related import SimilarOptions, SuggestOptions, similar, suggest
from rightsized.cli.search_set import app as sets
from rightsized.cli.search_upkeep import NameOptions, RemoveOptions, check, compact, remove, status
from rightsized.cli.search_watch import WatchOptions, watch
from rightsized.cli.tables import aligned

if TYPE_CHECKING:
    from rightsized.apps.search.collections import Standing
    from rightsized.apps.search.sync.steps import SyncReport

app = typer.Typer(name="search", help="Search documents: take in, keep up to date, query.", no_args_is_help=True)
Collection = Annotated[str, typer.Argument(help="Name of the collection.")]
_DEAD_SHOWN = 20  # documents that could not be read, listed for people; --json gives all


@dataclass(frozen=True, kw_only=True)
class AddOptions(Common):
    source: Annotated[
        list[str], typer.Argument(help="Folders, or addresses such as maildir:/var/mail/anna or s3://bucket/prefix.")
    ]
    collection: Annotated[str, typer.Option("--collection", "-c", help="Collection to take them into.")] = "documents"
    retry: Annotated[bool, typer.Option("--retry", help="Try again what could not be read before.")] = False


@dataclass(frozen=True, kw_only=True)
class SyncOptions(Common):
    collection: Collection
    retry: Annotated[bool, typer.Option("--retry", help="Try again what could not be read before.")] = False
    force: Annotated[
        bool, typer.Option("--force", help="Believe a source that lists nothing where it had documents.")
    ] = False


def add_sources(options: AddOptions) -> Result:
    """Take the documents of folders, mailboxes or buckets into a collection.

    Run again, it reads what has changed and nothing else. Stopped at any moment, it goes on where it was.
    """
    return _take_in(options, options.collection, options.source, options.retry)


def sync(options: SyncOptions) -> Result:
    """Bring a collection up to date with all its sources."""
    config = options.settings()
    with opened(config) as collections:
        sources = collections.addresses(options.collection)
    return _take_in(options, options.collection, sources, options.retry, options.force)


def list_collections(options: Common) -> Result:
    """List the collections of this home."""
    with opened(options.settings()) as collections:
        found = collections.standings()
    rows = [[one.name, f"{one.documents:,}", f"{one.passages:,}", f"{len(one.dead):,}", _synced(one)] for one in found]
    text = aligned(["collection", "documents", "passages", "not read", "last whole sync"], rows)
    text = "\n".join([text, *(f"{one.name} cannot be opened: {one.problem}" for one in found if one.problem)])
    return Result(
        msgspec.to_builtins(found), text if rows else "No collection yet. Make one: rightsized search add PATH"
    )


def show(options: NameOptions) -> Result:
    """Show a collection: its sources, and which documents could not be read and why."""
    with opened(options.settings()) as collections:
        one = collections.standing(options.collection)
    lines = [f"{one.documents:,} documents, {one.passages:,} passages."]
    lines += [aligned(["source", "last whole sync"], [[name, _when(at)] for name, at in one.sources.items()])]
    if one.dead:
        rows = [[letter.key, letter.reason, letter.detail] for letter in one.dead[:_DEAD_SHOWN]]
        lines += ["", f"{len(one.dead):,} could not be read:", aligned(["document", "reason", "what was wrong"], rows)]
        if len(one.dead) > _DEAD_SHOWN:
            lines.append(f"... and {len(one.dead) - _DEAD_SHOWN:,} more; --json gives all.")
        lines.append(f"Try them again: rightsized search sync {one.name} --retry")
    return Result(msgspec.to_builtins(one), "\n".join(lines))


def _take_in(options: Common, name: str, sources: list[str], retry: bool, emptied: bool = False) -> Result:
    from rightsized.core.egress import Egress

    config = options.settings()
    egress = Egress.at(config.home, config.egress.allow)
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        with opened(config) as collections, progress_bars(options.json) as progress:
            reports = collections.take_in(
                name, sources, egress, retry=retry, emptied=emptied, progress=progress, cancelled=stop.is_set
            )
            standing = collections.standing(name)
    finally:
        signal.signal(signal.SIGTERM, before)
    data = {"collection": name, "reports": msgspec.to_builtins(reports), "standing": msgspec.to_builtins(standing)}
    return Result(data, _told(reports, standing))


def _told(reports: list[SyncReport], standing: Standing) -> str:
    heads = ["source", "added", "changed", "moved", "deleted", "unchanged", "not read", "passages/s"]
    rows = [
        [
            one.source,
            *(f"{n:,}" for n in (one.added, one.changed, one.moved, one.deleted, one.unchanged, one.failed)),
            f"{one.encoded / one.seconds:.0f}" if one.encoded and one.seconds else "–",
        ]
        for one in reports
    ]
    lines = [
        aligned(heads, rows),
        f"{standing.name}: {standing.documents:,} documents, {standing.passages:,} passages.",
    ]
    if standing.dead:
        lines.append(f"{len(standing.dead):,} could not be read: rightsized search show {standing.name}")
    lines += [problem for one in reports for problem in one.problems]
    if any(one.cancelled for one in reports):
        lines.append(f"Stopped before the end. Go on: rightsized search sync {standing.name}")
    return "\n".join(lines)


def _synced(standing: Standing) -> str:
    return _when(min(standing.sources.values(), default=0.0))


def _when(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC") if moment else "never"


add(app, "add", AddOptions, add_sources)
add(app, "sync", SyncOptions, sync)
add(app, "watch", WatchOptions, watch)
add(app, "query", QueryOptions, query)
add(app, "suggest", SuggestOptions, suggest)
add(app, "similar", SimilarOptions, similar)
add(app, "eval", EvalOptions, evaluate)
add(app, "tune", TuneOptions, tune)
add(app, "adapt", AdaptCommandOptions, adapt)
add(app, "answer", AnswerOptions, answer)
add(app, "calibrate", CalibrateOptions, calibrate)
add(app, "promises", Common, promises)
add(app, "clauses", ClausesOptions, clauses)
add(app, "summary", SummaryOptions, summary)
add(app, "context", ContextOptions, context)
add(app, "list", Common, list_collections)
add(app, "show", NameOptions, show)
add(app, "status", NameOptions, status)
add(app, "check", NameOptions, check)
add(app, "compact", NameOptions, compact)
add(app, "remove", RemoveOptions, remove)
app.add_typer(sets)

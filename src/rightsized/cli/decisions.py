"""`rightsized decisions`: what was asked, who saw it, and what it cost, read from the log of this home.

The log is opened read-only, so this works beside a running server and without one. Texts are shown by `show` only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.tables import aligned
from rightsized.core.errors import InputError, NotFoundError
from rightsized.core.frozen import Frozen
from rightsized.tasks.seen_by import seen_by

if TYPE_CHECKING:
    from rightsized.core.types import Decision
    from rightsized.ledger.reader import LedgerReader

app = typer.Typer(
    name="decisions", help="What was asked, who saw it, what it cost: list, show, sum.", no_args_is_help=True
)
Status = StrEnum("Status", ["answered", "abstained", "failed", "open"])
PAGE = 1000  # decisions read at a time
DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Wanted(Common):
    days: Annotated[float, typer.Option(help="Only of the last so many days; 0 is all.")] = 0.0
    task: Annotated[str | None, typer.Option(help="Only this task or cascade.")] = None
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.")] = None
    key: Annotated[str | None, typer.Option(help="Only requests with the key of this id.")] = None
    seen_by: Annotated[str | None, typer.Option(help="Only what this tier or rung was asked.")] = None
    data_class: Annotated[str | None, typer.Option(help="Only requests that held this class of data.")] = None
    status: Annotated[Status | None, typer.Option(help="Only with this outcome; open has no end yet.")] = None


@dataclass(frozen=True, kw_only=True)
class ListOptions(Wanted):
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 20


@dataclass(frozen=True, kw_only=True)
class ShowOptions(Common):
    id: Annotated[str, typer.Argument(help="Decision id, as a reply's header or `decisions list` shows it.")]


class Total(Frozen, frozen=True):
    """Requests of one tenant, key and class of data that the same tiers saw. Cost in US dollars."""

    tenant: str
    key: str
    data_class: str
    seen_by: tuple[str, ...]
    requests: int = 0
    answered: int = 0
    to_person: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0


def list_decisions(options: ListOptions) -> Result:
    """List decisions, newest first: for whom, under which class of data, who saw the text, and what came of it."""
    with _reader(options) as reader:
        found = list(islice(_matching(reader, options), options.limit))
    heads = ["decision", "started (UTC)", "task", "tenant", "class", "seen by", "outcome", "US dollars", "ms"]
    text = aligned(heads, [_row(one) for one in found]) if found else "No such decision."
    return Result(found, text)


def show(options: ShowOptions) -> Result:
    """Show all that is on record of one decision, its text included where it is still kept."""
    import msgspec

    with _reader(options) as reader:
        found, text = reader.get(options.id), reader.text(options.id)
    if found is None:
        raise NotFoundError(f"There is no decision {options.id!r} in this home.", fix="See: rightsized decisions list")
    record = {"decision": found, "text": text}
    return Result(record, msgspec.json.format(msgspec.json.encode(record), indent=2).decode())


def sum_up(options: Wanted) -> Result:
    """Count requests, tokens and dollars by tenant, key, class of data and the tiers that saw the text.

    Of a dry run only tokens and dollars count.
    """
    totals: dict[tuple[str, str, str, tuple[str, ...]], Total] = {}
    with _reader(options) as reader:
        for one in _matching(reader, options):
            about = (one.tenant, one.key, one.data_class or "", seen_by(one))
            totals[about] = _added(totals.get(about, Total(*about)), one)
    found = sorted(totals.values(), key=lambda total: (total.tenant, total.key, total.data_class, total.seen_by))
    heads = [
        "tenant",
        "key",
        "class",
        "seen by",
        "requests",
        "answered",
        "to a person",
        "failed",
        "tokens",
        "US dollars",
    ]
    rows = [
        [
            total.tenant or "-",
            total.key or "-",
            total.data_class or "-",
            ", ".join(total.seen_by),
            *(f"{n:,}" for n in (total.requests, total.answered, total.to_person, total.failed)),
            f"{total.prompt_tokens + total.completion_tokens:,}",
            f"{total.cost:,.6f}",
        ]
        for total in found
    ]
    return Result(found, aligned(heads, rows) if rows else "No such decision.")


def _row(one: Decision) -> list[str]:
    reply = one.reply
    return [
        one.id,
        datetime.fromtimestamp(one.started, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        one.task,
        one.tenant or "-",
        one.data_class or "-",
        ", ".join(seen_by(one)),
        _outcome(one),
        f"{_cost(one):.6f}" if one.tried is not None else "-",
        f"{reply.latency_ms if reply else _took(one):,.0f}" if one.tried is not None else "-",
    ]


def _outcome(one: Decision) -> str:
    came: str = one.phase
    if one.reply is not None and one.reply.status == "abstained":
        came = "to a person"
    elif one.reply is not None:
        came = f"{one.reply.rung}, {'certified' if one.reply.certified else 'uncertified'}"
    return f"{came} (dry run)" if one.dry_run else came


def _added(total: Total, one: Decision) -> Total:
    import msgspec

    reply = one.reply
    usage = [a.completion.usage for a in one.tried or () if a.completion] + [a.sampled for a in one.tried or ()]
    counts = not one.dry_run
    return msgspec.structs.replace(
        total,
        requests=total.requests + counts,
        answered=total.answered + (counts and reply is not None and reply.status == "answered"),
        to_person=total.to_person + (counts and reply is not None and reply.status == "abstained"),
        failed=total.failed + (counts and one.phase == "failed"),
        prompt_tokens=total.prompt_tokens + sum(each.prompt_tokens for each in usage),
        completion_tokens=total.completion_tokens + sum(each.completion_tokens for each in usage),
        cost=total.cost + _cost(one),
    )


def _cost(one: Decision) -> float:
    """US dollars; of a failure, what the attempts before it cost."""
    return one.reply.cost if one.reply else sum(attempt.cost for attempt in one.tried or ())


def _took(one: Decision) -> float:
    """Milliseconds that the attempts of a failed request took."""
    return sum(attempt.latency_ms for attempt in one.tried or ())


def _matching(reader: LedgerReader, options: Wanted) -> Iterator[Decision]:
    """Decisions as wanted, newest first, a page at a time."""
    from rightsized.ledger.reader import Search

    since = time.time() - options.days * DAY if options.days else None
    status = cast("Literal['answered', 'abstained', 'failed', 'open'] | None", options.status and options.status.value)
    search = Search(task=options.task, since=since, status=status)
    before: str | None = None
    while page := reader.search(search, limit=PAGE, before=before):
        yield from (one for one in page if _is_wanted(one, options))
        before = page[-1].id


def _is_wanted(one: Decision, options: Wanted) -> bool:
    return (
        options.tenant in (None, one.tenant)
        and options.key in (None, one.key)
        and options.data_class in (None, one.data_class)
        and (options.seen_by is None or options.seen_by in seen_by(one))
    )


def _reader(options: Common) -> LedgerReader:
    from rightsized.ledger.reader import LedgerReader
    from rightsized.store.home import Home

    if isinstance(options, Wanted) and options.days < 0:
        raise InputError(f"--days {options.days:g} must not be below 0.")
    return LedgerReader(Home(options.settings().home).decisions)


add(app, "list", ListOptions, list_decisions)
add(app, "show", ShowOptions, show)
add(app, "sum", Wanted, sum_up)

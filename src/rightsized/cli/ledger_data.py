"""`rightsized ledger` search, export, retention, erase: what is in the log, and what is taken out of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, cast

import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.progress import progress_bars
from rightsized.cli.tables import aligned
from rightsized.core.errors import HomeLockedError, NotFoundError
from rightsized.tasks.moments import moment

if TYPE_CHECKING:
    from rightsized.core.types import Decision
    from rightsized.ledger.erasure import ErasureNote
    from rightsized.store.home import Home

DAY_S = 86_400.0
PATIENCE_S = 15.0  # how long `erase` waits for a running server to log what was done
Status = StrEnum("Status", ["answered", "abstained", "failed", "open"])
Rows = StrEnum("Rows", ["entries", "decisions"])


@dataclass(frozen=True, kw_only=True)
class SearchOptions(Common):
    task: Annotated[str | None, typer.Option(help="Only this task or cascade.")] = None
    since: Annotated[str | None, typer.Option(help="From this time on, such as 2026-11-01 or 2026-11-01T08:30.")] = None
    until: Annotated[str | None, typer.Option(help="Up to before this time. Times are UTC.")] = None
    status: Annotated[Status | None, typer.Option(help="Only with this outcome; open has no end yet.")] = None
    tier: Annotated[int | None, typer.Option(help="Answered by this tier.")] = None
    rung: Annotated[str | None, typer.Option(help="Tried by this rung or tier, by name.")] = None
    model: Annotated[str | None, typer.Option(help="Tried by the model with this digest.")] = None
    label: Annotated[str | None, typer.Option(help="Answered with this label.")] = None
    certificate: Annotated[str | None, typer.Option(help="Answered under the certificate of this id.")] = None
    rule: Annotated[str | None, typer.Option(help="A rule of the policy with this id said something.")] = None
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.")] = None
    key: Annotated[str | None, typer.Option(help="Only requests with the key of this id.")] = None
    subject: Annotated[str | None, typer.Option(help="About this person.")] = None
    conversation: Annotated[str | None, typer.Option(help="Only this conversation.")] = None
    audited: Annotated[bool, typer.Option("--audited", help="Only what the audit coin chose.")] = False
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 20


@dataclass(frozen=True, kw_only=True)
class ExportOptions(Common):
    out: Annotated[Path, typer.Argument(help="File to write, .jsonl or .parquet; one that is there is replaced.")]
    rows: Annotated[Rows, typer.Option(help="entries: as they were hashed. decisions: one row a decision.")] = (
        Rows.entries
    )
    after: Annotated[int, typer.Option(help="Only what was written after the entry of this number.", min=0)] = 0


@dataclass(frozen=True, kw_only=True)
class RetentionOptions(Common):
    apply: Annotated[bool, typer.Option("--apply", help="Delete now what is due; else it is only counted.")] = False


@dataclass(frozen=True, kw_only=True)
class EraseOptions(Common):
    subject: Annotated[str, typer.Argument(help="Whom the requests named, or the tenant.")]
    tenant: Annotated[bool, typer.Option("--tenant", help="The name is that of a tenant.")] = False
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. There is no way back.")] = False


def search(options: SearchOptions) -> Result:
    """Find decisions, newest first. Works beside a running server."""
    from rightsized.ledger.find import Wanted, find
    from rightsized.ledger.reader import LedgerReader

    status = options.status.value if options.status else None
    wanted = Wanted(
        task=options.task,
        since=moment(options.since, "--since"),
        until=moment(options.until, "--until"),
        status=cast("Literal['answered', 'abstained', 'failed', 'open'] | None", status),
        audit=True if options.audited else None,
        **{
            name: getattr(options, name)
            for name in (
                "tier",
                "rung",
                "model",
                "label",
                "certificate",
                "rule",
                "tenant",
                "key",
                "subject",
                "conversation",
            )
        },
    )
    with LedgerReader(_home(options).decisions) as reader:
        found = list(islice(find(reader, wanted), options.limit))
    heads = ["decision", "started (UTC)", "task", "outcome", "label", "rung", "certificate"]
    return Result(found, aligned(heads, [_row(one) for one in found]) if found else "No such decision.")


def export(options: ExportOptions) -> Result:
    """Write the log to a file, a page at a time: entries as they were hashed, or decisions as a table."""
    from rightsized.ledger.export import export as write
    from rightsized.ledger.reader import LedgerReader

    with LedgerReader(_home(options).decisions) as reader, progress_bars(options.json) as progress:
        written = write(reader, options.out, rows=options.rows.value, after=options.after, progress=progress)
    data = {"file": str(options.out), "rows": written, "kind": options.rows.value}
    return Result(data, f"{written:,} {options.rows.value} written to {options.out}.")


def retention(options: RetentionOptions) -> Result:
    """Show how long texts are kept and how many are due; --apply deletes those. A server does so every hour.

    Beside a running server --apply asks that server, whose settings then count.
    """
    from rightsized.ledger.reader import LedgerReader

    settings, home = options.settings().record, _home(options)
    limit = time.time() - settings.text_days * DAY_S
    with LedgerReader(home.decisions) as reader:
        kept, due, oldest = reader.query("SELECT count(*), total(created < ?), min(created) FROM texts", (limit,))[0]
    deleted = _purged(home, limit, time.time() - settings.labelled_text_days * DAY_S) if options.apply else 0
    data: dict[str, Any] = {
        "text_days": settings.text_days,
        "labelled_text_days": settings.labelled_text_days,
        "texts": kept,
        "older_than_text_days": int(due),
        "oldest": oldest,
        "deleted": deleted,
    }
    lines = [
        f"Texts are kept for {settings.text_days:g} days, those with labels that may train for "
        f"{settings.labelled_text_days:g}; records and digests for good.",
        f"{kept:,} texts are kept, {int(due):,} of them are older than {settings.text_days:g} days.",
    ]
    if options.apply:
        lines.append(f"{deleted:,} were deleted.")
    return Result(data, "\n".join(lines))


def erase(options: EraseOptions) -> Result:
    """Erase a person (or a tenant): destroy the key that their texts are sealed under. There is no way back.

    Records stay in the log, so that proofs hold; nobody can read what was sealed, nor guess it from a digest. Works
    beside a running server.
    """
    from rightsized.ledger.subjects import PERSON, TENANT

    home = _home(options)
    if not options.yes and not typer.confirm(f"Erase {options.subject!r} for good?"):
        raise typer.Exit(1)
    erased = destroy_key(home, (TENANT if options.tenant else PERSON) + options.subject)
    if erased is None:
        kind = "tenant" if options.tenant else "subject"
        raise NotFoundError(
            f"Nothing is sealed under a key of the {kind} {options.subject!r}.",
            fix="Names must be as the requests gave them. A tenant has a key where record.subject is tenant.",
        )
    noted = erased.noted
    data = {"subject": options.subject, "reference": erased.reference, "logged": noted is not None, "event": noted}
    return Result(data, erased.told)


class Destroyed(NamedTuple):
    """A key that was destroyed, and what the log says of it; None where it does not yet."""

    name: str
    reference: str
    noted: ErasureNote | None

    @property
    def told(self) -> str:
        """The same in words."""
        told = f"The key of {self.name!r} was destroyed (reference {self.reference})."
        if self.noted is None:
            return told + " The server that holds this home has not said so in the log yet; it will."
        gone = self.noted
        return told + f" {gone.decisions:,} decisions can be read no more, {gone.texts:,} texts were deleted."


def destroy_key(home: Home, name: str) -> Destroyed | None:
    """Destroy the key of `person:NAME` or `tenant:NAME`; None where it has none."""
    from rightsized.ledger.subjects import SubjectKeys

    keys = SubjectKeys(home.secrets)
    try:
        reference = keys.erase(name, at=time.time())
        if reference is None:
            return None
        return Destroyed(name.partition(":")[2], reference, _logged(home, reference, keys))
    finally:
        keys.close()


def _logged(home: Home, reference: str, keys: Any) -> ErasureNote | None:
    """Say it in the log, or wait until the server that holds the home has."""
    import asyncio

    import msgspec

    from rightsized.ledger.erasure import ErasureNote, erasures
    from rightsized.ledger.log import SqliteLedger
    from rightsized.ledger.reader import LedgerReader
    from rightsized.store.home import WriterLock
    from rightsized.store.secrets import SecretFolder

    try:
        with WriterLock(home, "ledger"), SqliteLedger(home.decisions, secrets=SecretFolder(home.secrets)) as ledger:
            asyncio.run(ledger.log_erasures())
    except HomeLockedError:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and any(one.reference == reference for one in keys.unlogged()):
            time.sleep(0.2)
    with LedgerReader(home.decisions) as reader:
        notes = (msgspec.json.decode(event.detail, type=ErasureNote) for event in erasures(reader.query))
        return next((note for note in notes if note.subject == reference), None)


def _purged(home: Home, limit: float, labelled: float) -> int:
    import asyncio

    from rightsized.ledger.log import SqliteLedger
    from rightsized.store.home import WriterLock
    from rightsized.store.secrets import SecretFolder
    from rightsized.tasks.remote import find_server

    server = find_server(home)
    if server is not None:
        return server.purge().deleted
    with WriterLock(home, "ledger"), SqliteLedger(home.decisions, secrets=SecretFolder(home.secrets)) as ledger:
        return asyncio.run(ledger.purge_texts(limit, labelled))


def _home(options: Common) -> Home:
    from rightsized.store.home import Home

    return Home(options.settings().home)


def _row(one: Decision) -> list[str]:
    reply = one.reply
    return [
        one.id,
        datetime.fromtimestamp(one.started, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        one.task,
        one.phase if reply is None else reply.status,
        (reply.label if reply else None) or "-",
        reply.rung if reply else "-",
        (reply.certificate if reply else "")[:15] or "-",
    ]


COMMANDS: tuple[tuple[str, Any, Any], ...] = (
    ("search", SearchOptions, search),
    ("export", ExportOptions, export),
    ("retention", RetentionOptions, retention),
    ("erase", EraseOptions, erase),
)

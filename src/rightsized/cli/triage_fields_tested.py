"""`rightsized triage fields sample|certify|show`: what is promised of each field, and how it is shown."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.progress import progress_bars
from rightsized.cli.tables import aligned
from rightsized.cli.triage_opened import InboxOption, known_inboxes

if TYPE_CHECKING:
    from rightsized.apps.triage.fields.certifying import FieldResult
    from rightsized.apps.triage.fields.settings import FieldSettings

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class SampleOptions(Common):
    file: Annotated[Path, typer.Argument(help="Where the sample is written, to be filled in.")]
    inbox: InboxOption = "inbox"
    count: Annotated[int, typer.Option(help="How many messages to draw.", min=50)] = 300
    since: Annotated[str, typer.Option(help="Draw among messages received from this day on, 2026-11-01.")] = ""


@dataclass(frozen=True, kw_only=True)
class CertifyOptions(Common):
    file: Annotated[Path, typer.Argument(help="The sample, filled in by people.")]
    inbox: InboxOption = "inbox"
    field: Annotated[list[str] | None, typer.Option(help="Only this field; may be given again. Default: all.")] = None
    max_error: Annotated[float, typer.Option(help="Most messages with a wrong value, of those with one.")] = 0.05
    confidence: Annotated[float, typer.Option(help="How sure the test must be of each field.")] = 0.95


@dataclass(frozen=True, kw_only=True)
class ShowOptions(Common):
    inbox: InboxOption = "inbox"


def sample(options: SampleOptions) -> Result:
    """Draw messages at random for people to say what their fields are; nothing that we found is shown to them.

    Drawn is among what people wrote to the inbox and whose text is still kept. Fill in "fields" of each line (a field
    that is not named has no value in it) and set "read" to true; then: rightsized triage fields certify FILE.
    """
    import time

    from rightsized.apps.triage.composing import is_ours
    from rightsized.apps.triage.fields.population import received
    from rightsized.apps.triage.fields.sample import Drawn, draw, write
    from rightsized.apps.triage.settings import load
    from rightsized.apps.triage.store import MessageStore
    from rightsized.core.errors import DataError
    from rightsized.store.home import Home
    from rightsized.tasks.coins import COIN_SECRET

    home, folder = Home(options.settings().home), _folder(options, options.inbox)
    settings = load(folder)
    until = time.time()
    since = max(_day(options.since), until - settings.read.history_days * DAY_SECONDS)
    with contextlib.closing(MessageStore(folder)) as store:
        mails = [
            one for one in received(store, since, until) if not one.automatic and not is_ours(settings, one.sender)
        ]
    if len(mails) < options.count:
        raise DataError(
            f"{len(mails):,} messages are kept that people wrote since then; {options.count:,} cannot be drawn.",
            fix="Ask for fewer with --count, or wait for more.",
        )
    secret = home.secret(COIN_SECRET)
    drawn = Drawn(options.inbox, options.count, len(mails), since, until)
    write(options.file, secret, drawn, draw(secret, mails, options.count))
    data = {"inbox": options.inbox, "file": str(options.file), "messages": options.count, "among": len(mails)}
    said = f'{options.count:,} of {len(mails):,} messages are in {options.file}. Fill in "fields", set "read" to true.'
    return Result(data, f"{said}\nThen: rightsized triage fields certify {options.file}")


def certify(options: CertifyOptions) -> Result:
    """Test what is found in a sample against what people say, field by field, and keep a certificate of each.

    Another test on the same labels is another attempt and needs more evidence; fresh labels begin anew.
    """
    from rightsized.apps.triage.fields import Extractor
    from rightsized.apps.triage.fields.certifying import certify as tested
    from rightsized.apps.triage.fields.certifying import compare
    from rightsized.apps.triage.fields.model import open_model
    from rightsized.apps.triage.fields.sample import read
    from rightsized.core.errors import DataError, NotFoundError
    from rightsized.core.types import Targets
    from rightsized.store.home import Home
    from rightsized.tasks.coins import COIN_SECRET

    if not options.file.is_file():
        raise NotFoundError(f"There is no file {options.file}.", fix="Make it: rightsized triage fields sample FILE")
    home, folder = Home(options.settings().home), _folder(options, options.inbox)
    drawn, rows = read(options.file, home.secret(COIN_SECRET))
    if drawn.inbox != options.inbox:
        raise DataError(f"The sample is of the inbox {drawn.inbox!r}.", fix=f"Say so: --inbox {drawn.inbox}")
    settings = _settings(folder)
    compared = compare(drawn, rows, Extractor(settings, open_model(folder)))
    targets = Targets(options.max_error, options.confidence)
    with progress_bars(options.json) as progress:
        results = tested(folder, settings, compared, targets, names=options.field or (), progress=progress)
    return Result({"inbox": options.inbox, "unread": compared.unread, "fields": results}, _told(results))


def show(options: ShowOptions) -> Result:
    """What is promised of each field that was tested, and whether it is in force."""
    from functools import partial

    from rightsized.apps.triage.fields.population import taken_since
    from rightsized.apps.triage.fields.promises import Promises
    from rightsized.apps.triage.store import MessageStore

    folder = _folder(options, options.inbox)
    with contextlib.closing(MessageStore(folder)) as store:
        promises = Promises(folder, _settings(folder), partial(taken_since, store))
        known = {name: (promises.of(name), one) for name, one in sorted(promises.certificates.items())}
    rows = [
        {"name": name, "state": promise.state, "why": promise.why, "certificate": certificate}
        for name, (promise, certificate) in known.items()
    ]
    said = [
        f"{name}: {promise.state}{f' ({promise.why})' if promise.why else ''}\n  {certificate.sentence}"
        for name, (promise, certificate) in known.items()
    ]
    none = "No field was tested: nothing is promised of any. Draw a sample: rightsized triage fields sample FILE"
    return Result({"inbox": options.inbox, "fields": rows}, "\n".join(said) or none)


def _told(results: list[FieldResult]) -> str:
    header = ("field", "state", "found in", "all right", "is in", "all found")
    rows = [
        (
            *(one.name, one.certificate.state, str(one.right.n), f"{one.right.value:.2f}" if one.right.n else "-"),
            *(str(one.complete.n), f"{one.complete.value:.2f}" if one.complete.n else "-"),
        )
        for one in results
    ]
    return "\n".join([aligned(header, rows), *(one.certificate.sentence for one in results)])


def _folder(options: Common, inbox: str) -> Path:
    """The folder of an inbox that is there. Raises NotFoundError, InputError."""
    from rightsized.apps.triage.inboxes import FOLDER, no_inbox
    from rightsized.apps.triage.settings import check_name
    from rightsized.apps.triage.store.database import FILE
    from rightsized.store.home import Home

    folder = Home(options.settings().home).path / FOLDER / check_name(inbox)
    if not (folder / FILE).is_file():
        raise no_inbox(inbox, known_inboxes(folder.parent.parent))
    return folder


def _settings(folder: Path) -> FieldSettings:
    from rightsized.apps.triage.fields.settings import read_settings
    from rightsized.apps.triage.settings import load

    return read_settings(load(folder).fields)


def _day(text: str) -> float:
    """The beginning of a day, UTC; 0 where none is named. Raises InputError."""
    from datetime import UTC, datetime

    from rightsized.core.errors import InputError

    if not text:
        return 0.0
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise InputError(f"--since {text!r} is no day.", fix="Write 2026-11-01.") from None

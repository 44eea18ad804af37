"""`rightsized search set` next, review, status, sample, certify: what to read, and when to stop."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from rightsized.cli.commands import Result
from rightsized.cli.progress import progress_bars
from rightsized.cli.search_set_opened import SetOptions, features, reviewed
from rightsized.cli.tables import aligned
from rightsized.core.errors import DataError

if TYPE_CHECKING:
    from rightsized.apps.search.discovery.review import Review
    from rightsized.apps.search.discovery.stopping.standing import Standing

_EXCERPT = 300  # characters of a document shown in a batch


@dataclass(frozen=True, kw_only=True)
class NextOptions(SetOptions):
    n: Annotated[int, typer.Option("--n", "-n", help="Documents, those included that you still have.", min=1)] = 20
    hours: Annotated[float, typer.Option(help="How long they are yours alone.", min=0.01)] = 8.0


@dataclass(frozen=True, kw_only=True)
class ReviewOptions(SetOptions):
    data: Annotated[
        Path, typer.Option(help='JSON lines such as {"document": "a.eml", "tags": ["responsive"], "note": ""}.')
    ]


@dataclass(frozen=True, kw_only=True)
class SampleOptions(SetOptions):
    recall: Annotated[float, typer.Option(help="The recall that is to be certified.")] = 0.8
    confidence: Annotated[float, typer.Option(help="How sure the certificate is to be.")] = 0.95
    size: Annotated[int, typer.Option(help="Documents to draw; 0: as many as usually do.", min=0)] = 0


def next_documents(options: NextOptions) -> Result:
    """Give you documents to read: the likeliest, and some at random; nobody else is given them meanwhile."""
    from rightsized.apps.search.discovery.coding.choosing import next_batch
    from rightsized.apps.search.discovery.desk import example

    with reviewed(options) as (collections, review), progress_bars(options.json) as progress:
        collection = collections.open(options.collection)
        with features(collection, review) as cache:
            seconds, wanted = options.hours * 3600, example(collection, review)
            found = next_batch(review, cache, options.n, example=wanted, seconds=seconds, progress=progress)
        review.note("text", found, "batch")
        rows = [_shown(review, document) for document in found]
    told = [f"{one['key']}  {one['id']}\n{one['excerpt']}\n" for one in rows]
    return Result(rows, "\n".join(told) if told else "Nothing is left to read, or others have it.")


def review_file(options: ReviewOptions) -> Result:
    """Tag documents from a file, all of them or none."""
    from rightsized.apps.search.discovery.review import Wanted

    try:
        lines = [line for line in options.data.read_bytes().splitlines() if line.strip()]
        wanted = [msgspec.json.decode(line, type=Wanted) for line in lines]
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(
            f"{options.data} cannot be read: {error}.", fix='Lines: {"document": .., "tags": [..]}'
        ) from None
    with reviewed(options) as (_, review):
        changed = review.tag_all(wanted)
    return Result(
        {"documents": len(wanted), "changed": changed}, f"{len(wanted):,} documents, {changed:,} tags changed."
    )


def status(options: SetOptions) -> Result:
    """Show how far a review is, what its samples show, and whether its certificate still holds."""
    from rightsized.apps.search.discovery.stopping.standing import standing

    with reviewed(options) as (_, review):
        found = standing(review, time.time())
    return Result(msgspec.to_builtins(found), "\n".join(_told(found)))


def sample(options: SampleOptions) -> Result:
    """Draw a random sample of what nobody has read, to tell what was missed; `next` then gives it out."""
    from rightsized.apps.search.discovery.stopping.bounds import planned, spent
    from rightsized.apps.search.discovery.stopping.samples import Samples, check

    delta = round(1 - options.confidence, 9)
    check(options.recall, delta)
    with reviewed(options) as (_, review):
        samples, decided = Samples(review), review.decided()
        attempt = 1 + max((one.attempt for one in samples.all()), default=0)
        pile = len(review.documents) - len(decided)
        plan = planned(sum(decided.values()), pile, options.recall, spent(delta, attempt))
        drawn = samples.draw(options.size or plan.size or pile, target=options.recall, delta=delta)
    data = {name: getattr(drawn, name) for name in ("number", "attempt", "target", "delta", "drawn")}
    told = (
        f"Sample {drawn.number}: {len(drawn.drawn):,} of {pile:,} documents that nobody has read. "
        f"Read them: rightsized search set next {options.collection} {options.name}"
    )
    return Result({**data, "pile": pile, "plan": plan._asdict()}, told)


def certify(options: SetOptions) -> Result:
    """Certify the recall that the last sample shows, or say what is lacking."""
    from rightsized import __version__
    from rightsized.apps.search.discovery.stopping.certifying import certify as make
    from rightsized.store.home import Home
    from rightsized.tasks.identity import SIGNING_SECRET

    with reviewed(options) as (_, review):
        secret = Home(options.settings().home).secret(SIGNING_SECRET)
        found = make(review, options.collection, secret, __version__)
    return Result(msgspec.to_builtins(found), found.sentence)


def _shown(review: Review, document: str) -> dict[str, Any]:
    one, text = review.documents[document], " ".join(review.view.text(document).split())
    return {"id": one.id, "key": one.key, "title": one.title, "date": one.date, "excerpt": text[:_EXCERPT]}


def _told(found: Standing) -> list[str]:
    lines = [
        f"{found.documents:,} documents that you may see: {found.reviewed:,} read, {found.responsive:,} responsive, "
        f"{found.privileged:,} privileged, {found.lent:,} out for reading.",
        f"Of the last {found.likely:,} that were thought likely, {found.likely_responsive:,} were responsive.",
    ]
    if found.samples:
        heads = ["sample", "attempt", "drawn", "open", "responsive", "recall", "at least", "at most"]
        rows = [
            [str(one.number), str(one.attempt), f"{one.drawn:,}", f"{one.unlabelled:,}", f"{one.responsive:,}",
             f"{one.recall.value:.1%}", f"{one.recall.low:.1%}", f"{one.recall.high:.1%}"]
            for one in found.samples
        ]  # fmt: skip
        lines += [aligned(heads, rows)]
    elif found.plan.size:
        lines.append(f"A sample of {found.plan.size:,} would usually do for a recall of 80% if 90% have been found.")
    if found.certificate:
        lines.append(f"It no longer holds: {found.stale}." if found.stale else "It holds.")
        lines.insert(-1, found.certificate.sentence)
    return lines

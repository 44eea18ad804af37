"""From a question to its answer: a search, the sentences of the best passages, the best of them, or none.

Everything is read through the asker's view. Without a certificate an answer is `uncertified`, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from rightsized.apps.search.answer.choosing import DEFAULT, Chosen, Weights, choose
from rightsized.apps.search.answer.evidence import PASSAGES, Evidence, gathered
from rightsized.apps.search.answer.records import Answer, Cited, Promised, Said
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query import syntax
from rightsized.apps.search.query.filtering import NAMED
from rightsized.apps.search.query.highlighting import mark
from rightsized.apps.search.query.results import Ranking, Results, Settings
from rightsized.apps.search.query.search import FUSED, search
from rightsized.apps.search.types import Filters, Hit
from rightsized.core.protocols import Encoder
from rightsized.parsers.types import Line

LEAST = 0.2  # probability below which nothing is answered
EVERYTHING = Filters()
PLAIN = Settings()
NO_CERTIFICATE = "No promise is made about answers of this collection: it has no certificate."
ANOTHER_PATH = "No promise is made about this answer: the search was not carried out as it was when it was tested."


class Bar(NamedTuple):
    """`weights` order sentences and tell the probability of being right; below `least` nothing is answered.

    `state` and `promise` say what stands behind answers above it, `certificate` is the id of what promises it.
    """

    weights: Weights = DEFAULT
    least: float = LEAST
    state: Promised = "uncertified"
    promise: str = NO_CERTIFICATE
    certificate: str = ""


EVIDENCE = Bar()


class Inquiry(NamedTuple):
    """How a question is asked: as `search`, with the `bar` that answers are measured by."""

    encoder: Encoder | None
    filters: Filters = EVERYTHING
    limit: int = 10
    settings: Settings = PLAIN
    ranking: Ranking = FUSED
    bar: Bar = EVIDENCE


class Reading(NamedTuple):
    """What an answer is made from: the results as they are shown, all passages that were read, and their sentences."""

    found: Results
    passages: tuple[Hit, ...]
    evidence: Evidence
    chosen: Chosen | None


async def answer(
    view: View,
    question: str,
    *,
    encoder: Encoder | None,
    filters: Filters = EVERYTHING,
    limit: int = 10,
    settings: Settings = PLAIN,
    ranking: Ranking = FUSED,
    bar: Bar = EVIDENCE,
) -> Answer:
    """The sentences of one passage that answer a question best, or none where the evidence is weak.

    Args:
        view: the asker's.
        encoder: the collection's; without one only words are compared.
        limit: hits of the search that comes with the answer; at least PASSAGES are searched for.
        bar: what the evidence is measured with, and how much of it is needed.
    Raises:
        InputError, BusyError: as `search`.
    """
    read = await reading(view, question, Inquiry(encoder, filters, limit, settings, ranking, bar))
    return await asyncio.to_thread(extract, view, read, bar)


async def reading(view: View, question: str, how: Inquiry, deep: int = PASSAGES) -> Reading:
    """Search, and describe the sentences of the first passages. `deep`: passages wanted, whatever is shown of them."""
    found = await search(
        view,
        question,
        encoder=how.encoder,
        filters=how.filters,
        limit=max(how.limit, deep),
        settings=how.settings,
        ranking=how.ranking,
    )
    fits = how.encoder is not None and how.encoder.digest == view.encoder
    words = asked_words(question, found, how.settings)
    evidence = await gathered(words, found.hits, how.encoder if fits else None)
    return Reading(
        replace(found, hits=found.hits[: how.limit]), found.hits, evidence, choose(evidence, how.bar.weights)
    )


def asked_words(question: str, found: Results, settings: Settings) -> str:
    """The question without syntax, and without names that became a scope: sentences that answer seldom repeat them."""
    question = syntax.parse(question, NAMED).words if settings.syntax else question
    for name in found.scope.names:
        question = question.replace(name, " ")
    return " ".join(question.split())


def extract(view: View, read: Reading, bar: Bar) -> Answer:
    """The best sentences of what was read, or none where they are too weak."""
    found, _, evidence, chosen = read
    bar = as_tested(bar, found)
    if chosen is None:
        return Answer("abstained", "extract", (), 0.0, found, state=bar.state, promise=bar.promise)
    told = Answer(
        "abstained", "extract", (), chosen.probability, found, state=bar.state, promise=bar.promise,
        signals=chosen.signals,
    )  # fmt: skip
    if chosen.probability < bar.least:
        return told
    hit = evidence.hits[evidence.sentences[chosen.best].hit]
    lines = view.lines(hit.found.document.id) if hit.found.document.pages else ()
    cited = [_cited(evidence, chosen, at, lines) for at in chosen.places]
    said = tuple(Said(one.text, (one,)) for one in cited)
    return replace(told, status="answered", sentences=said, best=chosen.places.index(chosen.best))


def as_tested(bar: Bar, found: Results) -> Bar:
    """The bar, without its promise where the search was not carried out as asked: that is another path."""
    if bar.state == "certified" and found.notes:
        return bar._replace(state="uncertified", promise=ANOTHER_PATH)
    return bar


def _cited(evidence: Evidence, chosen: Chosen, at: int, lines: Sequence[Line]) -> Cited:
    one = evidence.sentences[at]
    found = evidence.hits[one.hit].found
    return Cited(one.text, found, mark(one.start, one.end, lines), float(chosen.scores[at]))

"""What the pages say of text that was written, worked out from the records: sentences and rows. No HTML, no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

from rightsized.core.types import ANSWER, Attempt, Decision, Reply
from rightsized.server.console.views import WHAT_FOR, LabelChoice
from rightsized.tasks.gateway_protocol import GatewayStatus, TierStatus
from rightsized.tasks.gateway_status import prices
from rightsized.tasks.pages.figures import percent
from rightsized.tasks.records import Place, QueueItem, Review, Written
from rightsized.tasks.written import RIGHT, WRONG, last_written

KINDS = {2: "small", 1: "large"}
VERDICT_KEYS = ((RIGHT, "1"), (WRONG, "2"))
USER = "user"
LEAST_SHOWN = 0.0005  # a share below it rounds to 0.0%


class StepView(NamedTuple):
    """What one tier did for a request; `draft` is what it wrote, None where that was nothing or is shown above."""

    name: str
    outcome: str
    score: float | None
    threshold: float | None
    latency_ms: float | None
    cost: float
    answered: bool
    draft: str | None


def question(written: Written) -> str:
    """What a reviewer is asked."""
    if written.given:
        return "Is this answer right?"
    return "Is this draft right?" if written.wrote else "No tier wrote anything. Take it off the queue?"


def verdicts(written: Written) -> list[LabelChoice]:
    """The labels a written answer can get, with their keys. Without a draft none can be right."""
    known = VERDICT_KEYS if written.wrote else VERDICT_KEYS[1:]
    shown = {RIGHT: "Right", WRONG: "Wrong" if written.wrote else "No right draft"}
    return [LabelChoice(label, shown[label], key, False) for label, key in known]


def address(place: Place) -> str:
    """Where a document opens at a place that an answer rests on."""
    query = urlencode({"start": place.start, "end": place.end})
    return f"/search/{quote(place.collection, safe='')}/{quote(place.document, safe='')}?{query}#here"


def where(place: Place) -> str:
    """A place in words."""
    parts = [place.title, f"page {place.page}" if place.page else "", place.headings[-1] if place.headings else ""]
    return " · ".join(part for part in parts if part)


def headline(reply: Reply) -> str:
    """The outcome in a sentence without its end."""
    if reply.completion is None:
        return "No tier was sure enough: a person decides"
    if not checked(reply):
        return f"Answered by {reply.rung}, without a check of the answer"
    return f"Answered by {reply.rung}, {percent(reply.confidence)} sure to be right"


def checked(reply: Reply) -> bool:
    """Whether the answer given passed a check, so that its confidence means something."""
    last = reply.attempts[-1] if reply.attempts else None
    return reply.completion is not None and last is not None and last.threshold is not None


def decision_lead(decision: Decision) -> str:
    """What became of a request for text, in a sentence."""
    if decision.phase == "interrupted":
        return "The server stopped before this request was answered."
    if decision.phase == "failed":
        return f"This request failed: {decision.error or 'no reason was recorded'}"
    if decision.operation == ANSWER and decision.reply is not None and decision.reply.completion is None:
        return "Nothing in the documents that the asker may see answered this well enough."
    return f"{headline(decision.reply)}." if decision.reply is not None else "This request is being answered."


def given(review: Review) -> str:
    """A verdict in force, who gave it, and what it is used for."""
    by = f" by {review.reviewer}" if review.reviewer else ""
    return f"Called {review.label}{by}. {WHAT_FOR[review.kind]}"


def steps(attempts: Sequence[Attempt], written: Written | None) -> list[StepView]:
    """Each tier in the order in which it was thought of."""
    drafts, shown = iter(written.drafts if written else ()), last_written(attempts)
    rows = []
    for attempt in attempts:
        draft = next(drafts, None) if attempt.completion is not None else None
        if attempt is shown:
            draft = None
        seen = attempt.threshold is not None
        rows.append(
            StepView(
                attempt.rung,
                _outcome(attempt) + _tested(attempt) + _hidden(attempt),
                attempt.score if seen else None,
                attempt.threshold,
                attempt.latency_ms if attempt.completion is not None or attempt.latency_ms else None,
                attempt.cost,
                attempt.accepted,
                draft.text if draft is not None else None,
            )
        )
    return rows


def _outcome(attempt: Attempt) -> str:
    if attempt.accepted:
        return f"answered: {attempt.reason}" if attempt.reason else "answered"
    if attempt.completion is not None and attempt.reason.startswith("not sure enough"):
        return "its draft was passed on: not sure enough"
    return attempt.reason or "not asked"


def _tested(attempt: Attempt) -> str:
    """What the request's tests came to, where it had any and that is not said already."""
    found = attempt.completion.tested if attempt.completion is not None else None
    if found is None or attempt.reason.startswith("its tests"):
        return ""
    return f"; its tests: {found.outcome}" + (f" ({found.reason})" if found.reason else "")


def _hidden(attempt: Attempt) -> str:
    """What was sent as placeholders, by type and number; empty where nothing was."""
    replaced = attempt.completion.replaced if attempt.completion is not None else {}
    if not replaced:
        return ""
    return "; sent as placeholders: " + ", ".join(
        f"{count} {kind.replace('_', ' ')}" for kind, count in replaced.items()
    )


def models_lead(status: GatewayStatus | None) -> str:
    """The page's first line."""
    if status is None or not status.tiers:
        return "No model that writes is configured here yet."
    count = len(status.tiers)
    tiers = "1 tier writes" if count == 1 else f"{count} tiers write"
    return f"{tiers} here, and {_promised(status)}."


def _promised(status: GatewayStatus) -> str:
    if status.state == "certified" and status.certificate is not None:
        return f"what “auto” accepts is certified: at most {100 * status.certificate.epsilon:g}% wrong"
    if status.state == "estimated":
        return "what “auto” accepts is checked, but not certified"
    if status.state == "suspended":
        return "the promise on “auto” is suspended"
    return "nothing is promised of “auto”"


def meanwhile(status: GatewayStatus) -> str:
    """Who answers `auto` while no cascade does; empty where one does."""
    if status.state in ("certified", "estimated"):
        return ""
    named = status.uncertified_tier
    who = f"the tier {named}" if named else "the last tier that may take the request"
    return f"Meanwhile “auto” is answered by {who}, uncertified."


def readiness(tier: TierStatus) -> tuple[str, str]:
    """A word for how a tier is, and the class of its mark."""
    if tier.ready is None:
        return "not running here", "none"
    return ("ready", "certified") if tier.ready else ("not ready", "suspended")


def place(tier: TierStatus) -> str:
    """Where prompts go."""
    if tier.on_premises is None:
        return "not known: the tier cannot be opened"
    if tier.on_premises:
        return "stay on this machine"
    where = f"leave this machine for {tier.url or 'another one'}"
    return f"{where}, region {tier.region}" if tier.region else where


def kind(tier: TierStatus) -> str:
    """Which model, and what runs it."""
    what = f"a {KINDS[tier.tier]} model, by {tier.engine}"
    return f"{tier.model}, {what}" if tier.model else what


def may_be_sent(tier: TierStatus) -> str:
    """Data classes in words."""
    return ", ".join(tier.data_classes) or "nothing: name classes with data_classes"


def price(tier: TierStatus) -> str:
    """Prices in words."""
    said = prices(tier)
    return said if said in ("free", "not set") else f"{said} US dollars a million tokens"


def preview(item: QueueItem) -> str:
    """A line for a list: of a conversation what the user said last."""
    turns = item.written.turns if item.written else ()
    return next((turn.text for turn in reversed(turns) if turn.role == USER), item.text)


def at_least(threshold: float | None) -> str:
    """A threshold, with as many digits as it needs not to read as nothing."""
    if threshold is None:
        return "never"
    return percent(threshold, 1) if threshold >= LEAST_SHOWN or threshold <= 0 else f"{100 * threshold:.1g}%"


def money(cost: float) -> str:
    """US dollars, to the millionth where it is small."""
    return "nothing" if cost <= 0 else f"{cost:.6f} US dollars" if cost < 0.01 else f"{cost:.2f} US dollars"

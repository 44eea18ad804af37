"""What the pages show, worked out from the records: sentences, rows and marked words. No HTML and no HTTP here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rightsized.core.types import Attempt, Certificate, Contribution, Decision, Explanation, Reply, State
from rightsized.tasks.dataset import OUT_OF_SCOPE, SEPARATOR
from rightsized.tasks.pages.figures import percent
from rightsized.tasks.records import JobStatus, QueueItem, Review, TaskStatus
from rightsized.tasks.report.words import RUNGS

MARK_FROM = 0.12  # words that moved the score less than this part of the strongest are left unmarked
FULL_MARK = 0.5  # log-odds; where no word moved the score so far, none gets the strongest mark
STEPS = 3  # shades of a mark
STRONGEST = 8  # words listed with their figures
KEYS = 9  # labels that get a key of their own: 1 to 9; 0 is for none of them
NONE_FITS = "none of these"
ORDER: tuple[State, ...] = ("certified", "estimated", "none", "suspended")
STATE_WORDS: dict[State, str] = {
    "certified": "certified",
    "estimated": "estimated, not certified",
    "none": "no promise",
    "suspended": "suspended",
}
WHY_WAITING = {
    "abstained": "No rung could answer it.",
    "audit": "A random check. It comes without a suggestion, so that the promise is judged fairly.",
    "feedback": "Somebody says that the answer was wrong.",
}


WHAT_FOR = {
    "abstained": "The next version learns from it.",
    "audit": "It watches the promise and never trains.",
    "feedback": "The next version learns from it; the promise is never judged by corrections.",
}


class Piece(NamedTuple):
    """A stretch of the text; `mark` is empty, or `for1`..`for3` or `against1`..`against3`."""

    text: str
    mark: str
    value: float


class WordRow(NamedTuple):
    """One of the strongest words; `width` is its bar's length in [0, 100]."""

    text: str
    value: float
    width: float


class RungView(NamedTuple):
    """What one rung said, or why it was not asked."""

    name: str
    said: str
    score: float | None
    threshold: float | None
    outcome: str
    latency_ms: float | None
    answered: bool


class LabelChoice(NamedTuple):
    """A label a reviewer can choose, what it is called on the page, and the key that chooses it."""

    label: str
    shown: str
    key: str
    suggested: bool


def summary(tasks: Sequence[TaskStatus]) -> str:
    """One line for all tasks: `3 tasks are served here: 1 certified, 1 estimated, 1 suspended.`"""
    if not tasks:
        return "No task is served here yet."
    counts = [(sum(status.state == state for status in tasks), state) for state in ORDER]
    states = ", ".join(f"{n} {'without a promise' if state == 'none' else state}" for n, state in counts if n)
    return f"{plural(len(tasks), 'task is', 'tasks are')} served here: {states}."


def by_state(tasks: Sequence[TaskStatus]) -> list[TaskStatus]:
    """Tasks with the best promise first, then by name."""
    return sorted(tasks, key=lambda status: (ORDER.index(status.state), status.task.name))


def plural(n: int, one: str, many: str) -> str:
    """`1 message waits`, `5 messages wait`."""
    return f"{n:,} {one if n == 1 else many}"


def sure(confidence: float) -> str:
    """A confidence in percent; never a round 100: no model is certain."""
    return "over 99%" if confidence > 0.99 else f"{100 * confidence:.0f}%"


def headline(reply: Reply) -> str:
    """The outcome in a sentence."""
    if reply.output is not None:
        labels = ", ".join(reply.output.labels) or "none of the labels"
        return f"{labels}, {percent(reply.confidence)} sure"
    return (
        "Nothing is answered here now: a person decides"
        if stopped(reply)
        else "Not sure enough to answer: a person decides"
    )


def stopped(reply: Reply) -> bool:
    """Whether no rung was allowed to answer, however sure: there is no promise, or it is suspended."""
    return bool(reply.attempts) and all(attempt.threshold is None for attempt in reply.attempts)


def best_guess(reply: Reply) -> str:
    """Where nothing was answered: what came closest, and what it lacked."""
    if reply.output is not None or not reply.attempts or reply.suggestion is None:
        return ""
    tried = next(attempt for attempt in reversed(reply.attempts) if attempt.prediction)
    label = reply.suggestion.label
    if tried.threshold is None:
        return f"Its best guess was {label} ({percent(tried.score)}), and it may not answer."
    return (
        f"Its best guess was {label} ({percent(tried.score)}); to answer it must be {percent(tried.threshold, 1)} sure."
    )


def rung_name(name: str) -> str:
    """A rung in words: `n-gram model`."""
    return RUNGS.get(name, name).partition(":")[0]


def rungs(reply: Reply, certificate: Certificate | None) -> list[RungView]:
    """Each rung in order: what it said, or why it was not asked; a person stands last."""
    attempts = {attempt.rung: attempt for attempt in reply.attempts}
    known = certificate.rungs if certificate else ()
    names = list(dict.fromkeys([*attempts, *(rung for rung in known if rung != "person")]))
    limits = dict(zip(known, certificate.thresholds if certificate else (), strict=False))
    rows = []
    for name in names:
        tried = attempts.get(name)
        if tried is None:
            rows.append(
                RungView(rung_name(name), "", None, limits.get(name), "not asked: answered before", None, False)
            )
            continue
        said = ", ".join(tried.prediction.labels) if tried.prediction else ""
        rows.append(
            RungView(
                rung_name(name), said, tried.score, tried.threshold, _outcome(tried), tried.latency_ms, tried.accepted
            )
        )
    last = "not asked: answered before" if reply.output else "decides: the message waits in the queue"
    return [*rows, RungView("a person", "", None, None, last, None, False)]


def _outcome(attempt: Attempt) -> str:
    if attempt.accepted:
        return "answered"
    if attempt.threshold is not None and attempt.score < attempt.threshold:
        return "passed on: not sure enough"
    return f"passed on: {attempt.reason or 'not sure enough'}"


def marked(text: str, contributions: Sequence[Contribution]) -> list[Piece]:
    """The text in pieces, each word marked by how far it moved the score."""
    strongest = max(FULL_MARK, max((abs(c.value) for c in contributions), default=0.0))
    pieces, at = [], 0
    for part in sorted(contributions, key=lambda c: c.start):
        if part.start < at or part.end > len(text):
            continue  # overlapping or foreign offsets: show the text plainly rather than wrongly
        if part.start > at:
            pieces.append(Piece(text[at : part.start], "", 0.0))
        pieces.append(Piece(text[part.start : part.end], _mark(part.value, strongest), part.value))
        at = part.end
    return [*pieces, Piece(text[at:], "", 0.0)] if at < len(text) else pieces


def _mark(value: float, strongest: float) -> str:
    if abs(value) < MARK_FROM * strongest:
        return ""
    step = min(STEPS, 1 + int(STEPS * abs(value) / strongest))
    return f"{'for' if value > 0 else 'against'}{step}"


def strongest_words(explanation: Explanation) -> list[WordRow]:
    """The words that moved the score most, strongest first."""
    ranked = sorted(explanation.contributions, key=lambda c: -abs(c.value))[:STRONGEST]
    top = abs(ranked[0].value) if ranked else 0.0
    return [WordRow(c.text, c.value, 100 * abs(c.value) / top) for c in ranked if top > 0]


def choices(status: TaskStatus, item: QueueItem | None) -> tuple[list[LabelChoice], list[str]]:
    """Labels with a key each, and the labels to be typed. Up to nine keep their order, so that hands can learn it.

    The last choice is that no label fits.
    """
    labels = status.task.labels
    suggestion = item.suggestion if item and item.kind != "audit" else None
    guesses = (suggestion.labels or (suggestion.label,)) if suggestion else ()
    if len(labels) <= KEYS:
        shown = list(labels)
    else:
        shown = [score.label for score in suggestion.scores[:KEYS] if score.label in labels] if suggestion else []
    keyed = [LabelChoice(label, label, str(place), label in guesses) for place, label in enumerate(shown, 1)]
    return [*keyed, LabelChoice(OUT_OF_SCOPE, NONE_FITS, "0", False)], [] if len(labels) <= KEYS else sorted(labels)


def label_words(label: str) -> str:
    """A label as people gave it, in words: `price, speed`, or `none of these`."""
    return ", ".join(NONE_FITS if part == OUT_OF_SCOPE else part for part in label.split(SEPARATOR))


def given(review: Review) -> str:
    """A label in force, who gave it, and what it is used for."""
    verb = "Corrected to" if review.kind == "feedback" else "Labelled"
    by = f" by {review.reviewer}" if review.reviewer else ""
    return f"{verb} “{label_words(review.label)}”{by}. {WHAT_FOR[review.kind]}"


def promise(certificate: Certificate) -> str:
    """What is promised, in words."""
    share = percent(certificate.epsilon, 1)
    if certificate.promise == "selective_error":
        return f"at most {share} of the messages answered here are wrong"
    return f"at most {share} of all messages are answered here and wrong"


def promised(status: TaskStatus) -> str:
    """What the reader may rely on now: the certificate's sentence, or that it no longer holds, and why."""
    if not status.note:
        return status.certificate.sentence
    said, why = status.certificate.sentence, status.note.rstrip(".")
    return f"Nothing is promised now: {why}. Before that the certificate said: “{said}”"


def decision_lead(decision: Decision) -> str:
    """What became of a request, in a sentence."""
    if decision.phase == "interrupted":
        return "The server stopped before this request was answered."
    if decision.phase == "failed":
        return f"This request failed: {decision.error or 'no reason was recorded'}"
    if decision.reply is None:
        return "This request is being answered."
    if decision.reply.output is None:
        return f"{headline(decision.reply)}."
    return f"{headline(decision.reply)}: answered by the {rung_name(decision.reply.rung)}."


def jobs_lead(jobs: Sequence[JobStatus]) -> str:
    """How many jobs run, in a sentence."""
    running = sum(job.state in ("running", "waiting") for job in jobs)
    if not jobs:
        return "Nothing has run yet."
    return f"{plural(running, 'job runs', 'jobs run')} now." if running else "No job runs now."

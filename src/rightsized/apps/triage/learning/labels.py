"""Labels that people gave, sorted by what they may be used for: to learn from, to compare with, to test.

What the queue and corrections bring was picked by the model or a user. A quarter of it, by a hash of its conversation,
is kept back to compare a candidate with the running model and never trains one here; the rest trains. None of it
calibrates. What the audit coin picked calibrates and nothing else: no candidate learns from it or from its
conversation, and no comparison looks at it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from rightsized.cascade.attempts import decisions_tested
from rightsized.core.errors import InputError
from rightsized.explain.neighbours import open_examples
from rightsized.ledger.reader import LedgerReader
from rightsized.tasks.dataset import OUT_OF_SCOPE, SEPARATOR
from rightsized.tasks.queue import AuditOutcome, ReviewQueue, TrainingRow

HELD_SHARE = 0.25  # of corrections, kept back to compare with
Labels = tuple[str, ...]


class Learnt(msgspec.Struct, frozen=True):
    """Rows to train a candidate on. `corrections` of them are corrections that the version does not know yet; `held`
    were kept back.

    `replaced` examples had another label than a correction of the same text, and that took their place. `learned` as in
    `Candidate`, of all corrections on record.
    """

    texts: list[str]
    labels: list[Labels]
    corrections: int
    held: list[TrainingRow]
    replaced: int
    learned: tuple[tuple[str, str], ...]


class Fresh(msgspec.Struct, frozen=True):
    """Audits that no test has used yet, in the order of their requests, with their texts.

    `probability` is the coin's for all of them; audits thrown with another are `passed`. Of `lost` ones the text is
    gone, `used` ones have tested before.
    """

    outcomes: list[AuditOutcome]
    texts: list[str]
    probability: float
    passed: int
    used: int
    lost: int


def split_label(label: str, several: bool) -> Labels:
    """A stored label as the labels it stands for; none where it says that no label fits."""
    parts = [part.strip() for part in label.split(SEPARATOR)] if several else [label]
    return tuple(dict.fromkeys(part for part in parts if part and part != OUT_OF_SCOPE))


def text_digest(text: str) -> str:
    """sha256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_held(row: TrainingRow) -> bool:
    """Whether a correction is kept back: decided by its conversation, for good, before any model sees it."""
    name = row.conversation or row.decision
    draw = int.from_bytes(hashlib.sha256(f"held back\0{name}".encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return draw < HELD_SHARE * 2**64


def learn_from(queue: ReviewQueue, folder: Path, task: str, several: bool) -> Learnt:
    """The examples of a version and the corrections since, as rows to train on.

    Raises NotFoundError, IntegrityError: the version has no examples, or they were altered.
    """
    rows = [row for row in queue.training_rows(task) if row.conversation not in _audited(queue, task)]
    held = [row for row in rows if is_held(row)]
    taught = {row.text: row for row in rows if not is_held(row)}
    kept_back = {row.text for row in held}
    examples = open_examples(folder)
    texts, labels, replaced = [], list[Labels](), 0
    for text, label in zip(examples.texts, examples.labels, strict=True):
        if text in kept_back:
            continue
        own = split_label(label, several)
        if text in taught and set(split_label(taught[text].label, several)) != set(own):
            replaced += 1
            continue
        texts.append(text)
        labels.append(own)
    known = set(texts)
    taught = {text: row for text, row in taught.items() if text not in kept_back}
    new = [row for row in taught.values() if row.text not in known]
    return Learnt(
        texts + [row.text for row in new],
        labels + [split_label(row.label, several) for row in new],
        len(new),
        held,
        replaced,
        tuple((row.conversation, text_digest(row.text)) for row in taught.values()),
    )


def _audited(queue: ReviewQueue, task: str) -> set[str]:
    """Conversations of which the coin chose a message."""
    return {outcome.conversation for outcome in queue.audit_outcomes(task) if outcome.conversation}


def fresh_audits(queue: ReviewQueue, reader: LedgerReader, home: Path, task: str, *, after: float = 0.0) -> Fresh:
    """Audits that may test: thrown with the coin as it is now, their text still there, in no test so far.

    An audit is known again by its request, whatever label it has by now. By its text it must not be: traffic repeats
    texts, and a test that leaves out those seen before is about other messages.

    Args:
        after: only requests that came later (seconds since the epoch).
    """
    outcomes = queue.audit_outcomes(task)
    if not outcomes:
        return Fresh([], [], 0.0, 0, 0, 0)
    probability = outcomes[-1].probability
    changed = [i for i, outcome in enumerate(outcomes) if outcome.probability != probability]
    since = outcomes[changed[-1] + 1 :] if changed else outcomes
    tested = decisions_tested(home, task)
    kept: list[AuditOutcome] = []
    texts: list[str] = []
    used = lost = 0
    for outcome in since:
        text = reader.text(outcome.decision)
        if outcome.decision in tested:
            used += 1
        elif outcome.started <= after:
            continue
        elif text is None:
            lost += 1
        else:
            kept.append(outcome)
            texts.append(text)
    return Fresh(kept, texts, probability, len(outcomes) - len(since), used, lost)


def first_labelled(fresh: Fresh, count: int) -> Sequence[int]:
    """Positions of the first `count` fresh audits, every one of which has a label.

    A number fixed beforehand and no gap: leaving out those without a label would let whoever labels choose the test.

    Raises InputError: there are too few, or some of them wait for a person.
    """
    if len(fresh.outcomes) < count:
        raise InputError(
            f"{count} fresh audits are to test this candidate; there are {len(fresh.outcomes)}.",
            fix="Wait for more traffic, or raise audit.rate. A smaller number is declared with the next candidate, "
            "before its audits come in: rightsized triage learn refit --labels.",
        )
    waiting = [outcome.decision for outcome in fresh.outcomes[:count] if outcome.label is None]
    if waiting:
        raise InputError(
            f"{len(waiting)} of the first {count} fresh audits have no label yet, such as {waiting[0]}.",
            fix=f"Label them: rightsized queue list, rightsized queue label ID LABEL ({OUT_OF_SCOPE} where none fits).",
        )
    return range(count)

"""An extract: the subject, what is complained of or asked for, the facts that it rests on, and what is to be done.

Word for word: what is shown is the text between the places given, so no number or name can change. Which sentences
matter, which complain and on which somebody has to act, a small model says (`engines/sentence_kinds`); of a thread with
very many, the ones that stand for the rest are found first (LexRank and MMR).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rightsized.apps.triage.records import Address, Mail, Sentence, SentenceKind, Summary
from rightsized.apps.triage.summary.centrality import central
from rightsized.apps.triage.summary.sentences import Said, said
from rightsized.engines.sentence_kinds import Bars, Placed, Scores, SentenceModel

MOST = 3  # sentences besides the subject
MOST_ACTIONS = 3
LONG = 60  # sentences of a thread from which on they are first reduced to so many
MESSAGES = 20  # of a thread, the latest
IsOurs = Callable[[Address], bool]


def extract(mail: Mail, earlier: Sequence[Mail], model: SentenceModel, is_ours: IsOurs, action: float = 0.0) -> Summary:
    """The summary of a message with its thread.

    Args:
        earlier: the messages of its thread before it, oldest first.
        is_ours: whether an address is of our own side: its promises are ours, its requests are the customer's to meet.
        action: probability from which on a sentence is said to need action; 0 takes the model's own bar.
    """
    thread = [*(one for one in earlier if not one.automatic), mail][-MESSAGES:]
    sentences = _reduced([said(one) for one in thread])
    conversation = [_placed(one, at, len(thread), is_ours) for at, some in enumerate(sentences) for one in some]
    flat = [one for some in sentences for one in some]
    read = list(zip(flat, model.read(conversation), strict=True))
    scores, bars = [one for _, one in read], model.bars
    return Summary(
        "extract",
        (*_subject(mail), *(_sentence(*read[at], bars) for at in key_places(scores, bars))),
        tuple(_sentence(*read[at], bars) for at in action_places(scores, action or bars.action)),
        note=f"Of a thread of {len(thread)} messages." if len(thread) > 1 else "",
    )


def key_places(scores: Sequence[Scores], bars: Bars) -> list[int]:
    """The sentences that a summary holds, in their order: two, and a third where it is likely to matter.

    A greeting or thanks stands for nothing: it is left out where there is anything else.
    """
    ranked = sorted(range(len(scores)), key=lambda at: (-scores[at].key, at))[:MOST]
    kept = [at for at in ranked if scores[at].key >= bars.key or not _courtesy(scores[at], bars)] or ranked[:1]
    return sorted(at for place, at in enumerate(kept) if place < MOST - 1 or scores[at].key >= bars.key)


def _courtesy(one: Scores, bars: Bars) -> bool:
    return one.other > max(one.request, one.commitment, one.fact) and one.complaint < bars.complaint


def action_places(scores: Sequence[Scores], bar: float) -> list[int]:
    """The sentences on which somebody still has to act, in their order."""
    acting = sorted((at for at in range(len(scores)) if scores[at].action >= bar), key=lambda at: -scores[at].action)
    return sorted(acting[:MOST_ACTIONS])


def _reduced(sentences: list[list[Said]]) -> list[list[Said]]:
    """The sentences of each message; of very many, those of the last message and the most central of the others."""
    before = [one for some in sentences[:-1] for one in some]
    room = LONG - len(sentences[-1])
    if len(before) <= max(room, MOST):
        return [*sentences[:-1], sentences[-1][:LONG]]
    kept = {id(before[at]) for at in central([one.line for one in before], max(room, MOST))}
    return [*([one for one in some if id(one) in kept] for some in sentences[:-1]), sentences[-1][:LONG]]


def _placed(one: Said, message: int, messages: int, is_ours: IsOurs) -> Placed:
    return Placed(one.line, one.at, one.total, message, messages, is_ours(one.mail.sender), one.mail.subject)


def _subject(mail: Mail) -> tuple[Sentence, ...]:
    if not mail.subject:
        return ()
    return (Sentence("subject", mail.subject, 0, len(mail.subject), "subject", mail.key),)


def _sentence(one: Said, scores: Scores, bars: Bars) -> Sentence:
    """A sentence of its likeliest kind; what says what is wrong is a complaint. Courtesies count as facts where they
    are shown at all."""
    kinds: tuple[SentenceKind, ...] = ("request", "commitment", "fact")
    kind = max(kinds, key=lambda name: float(getattr(scores, name)))
    if kind == "fact" and scores.complaint >= bars.complaint:
        kind = "complaint"
    return Sentence(kind, one.text, one.start, one.end, "body", one.mail.key, round(scores.key, 4))

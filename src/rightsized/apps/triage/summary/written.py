"""A summary that a model writes, each sentence checked: what the messages do not bear out is not shown.

Numbers, names, conditions and negations must stand as they do in the messages (`tasks/faithful`). Where a sentence
fails, it is dropped; where none is left, the extract stands and says why.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from rightsized.apps.triage.fitting import write_fitting
from rightsized.apps.triage.records import Mail, Sentence, Summary
from rightsized.core.errors import RightsizedError
from rightsized.tasks.faithful.claims import claims
from rightsized.tasks.faithful.support import Source, common_words, judged
from rightsized.tasks.writing import Excerpt, Prompt, TextWriter

TOKENS = 200
SECONDS = 30.0
MOST_REASONS, MOST_REASON = 3, 80  # of a refused summary that are told, and characters of each
LATEST = 8  # messages of a thread that are given to the model
INSTRUCTIONS = (
    "You summarise mail for the colleague who has to answer it. Use nothing but the passages. Write at most 3 short "
    "sentences: what is complained of or asked, the facts that matter, what has to be done. Keep numbers, names, dates "
    "and negations exactly as they stand. End every sentence with the number of its passage in square brackets, "
    "such as [1]."
)


async def write_summary(mail: Mail, earlier: Sequence[Mail], extract: Summary, writer: TextWriter) -> Summary:
    """The summary as it is written and borne out; else the extract, with a note why."""
    messages = [one for one in (*earlier[-(LATEST - 1) :], mail) if one.text]
    excerpts = tuple(Excerpt(one.text, f"from {one.sender.address}") for one in messages)
    try:
        given = await write_fitting(writer, Prompt(INSTRUCTIONS, "Summarise this.", excerpts, TOKENS, SECONDS))
    except RightsizedError as error:
        return replace(extract, decision=error.decision, note=f"No summary was written: {error.own_words}")
    text = given.text
    if not text.tier:
        return replace(extract, decision=text.decision, note=f"No summary was written: {text.reason}")
    sources = [Source(one.text, one.sender.name) for one in messages]
    common = common_words(*(one.text for one in messages))
    found, dropped = list[Sentence](), list[str]()
    for claim in claims(text.text):
        places = [number - 1 for number in claim.cited if 0 < number <= len(sources)] or list(range(len(sources)))
        verdicts = [(place, judged(claim.text, sources[place], common)) for place in places]
        borne = next(((place, verdict.support) for place, verdict in verdicts if verdict.support is not None), None)
        if borne is None:
            dropped.append(verdicts[0][1].why if verdicts else "it cites nothing")
        else:
            found.append(_sentence(claim.text, messages[borne[0]], borne[1].start, borne[1].end))
    if not found:
        return replace(extract, decision=text.decision, note=_refused(text.tier, dropped))
    notes = [f"{len(dropped)} sentences that are not borne out were left out."] if dropped else []
    note = " ".join([*notes, *([f"{text.tier} {given.note}."] if given.note else [])])
    shown = " ".join(one.text for one in found)
    return Summary("abstract", tuple(found), extract.action, shown, text.decision, note)


def _refused(tier: str, why: Sequence[str]) -> str:
    """Why nothing that was written is shown: the first reasons, cut short, since they quote what was made up."""
    some = [one if len(one) <= MOST_REASON else f"{one[:MOST_REASON]}..." for one in dict.fromkeys(why)][:MOST_REASONS]
    return f"What {tier} wrote is not borne out: {'; '.join(some) or 'it says nothing'}"


def _sentence(text: str, mail: Mail, start: int, end: int) -> Sentence:
    """A written sentence with the place that bears it out: in the subject, or in the body of the message."""
    head = f"{mail.subject}\n\n" if mail.subject else ""
    if end <= len(mail.subject):
        return Sentence("fact", text, start, end, "subject", mail.key)
    return Sentence("fact", text, *_in_body(mail, start - len(head), end - len(head)), "body", mail.key)


def _in_body(mail: Mail, start: int, end: int) -> tuple[int, int]:
    """From places in `Mail.written` to places in its body."""
    at, first, last = 0, -1, 0
    for one in mail.fresh:
        stretch = mail.body[one.start : one.end]
        words = stretch.strip()
        if not words and one.end <= one.start:
            continue
        lead = one.start + len(stretch) - len(stretch.lstrip())
        if first < 0 and start < at + len(words):
            first = lead + max(0, start - at)
        if at < end:
            last = lead + min(len(words), end - at)
        at += len(words) + 2
    return max(first, 0), max(last, first, 0)

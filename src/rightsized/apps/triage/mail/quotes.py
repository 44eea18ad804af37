"""Which lines of a message are an earlier one's: marked with `>`, in a block quote, or behind what mail programs put
before the message that is answered or forwarded. English, German, French, Spanish, Italian, Dutch and Portuguese forms.

Behind an introduction whose quote is not marked, all that follows is quoted: an answer between such lines cannot be
told apart. What is forwarded without a word of the forwarder's own was sent to be read, so it counts as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rightsized.apps.triage.mail.lines import Lines
from rightsized.apps.triage.mail.signatures import mark_signatures

_LONGEST = 400  # characters of an introduction, over its lines
_OPENS = re.compile(
    r"(?:On|At|Am|Den|Le|El|Il|Op|Em|No dia|W dniu|Dnia|Vào|Pe|V|Dne|På)\s+\S|\S+@\S+|<|\d{4}-\d\d-\d\d|"
    r"\d{1,2}[./]\d{1,2}[./]\d{2,4}",
    re.IGNORECASE,
)
_WROTE = re.compile(
    r"(?:wrote|writes|schrieb(?:en)?|a (?:é|e\u0301|e)crit|escribi(?:ó|o)|ha scritto|schreef|escreveu|skrev|"
    r"napisał(?:\(a\)|a)?|pisze)(?:\s[^:]{0,160})?\s?:$",
    re.IGNORECASE,
)
_DATED = re.compile(r"\d|@")
_ORIGINAL = re.compile(
    r"[-_*=\s]{0,20}(?:Original (?:Message|Appointment)|Urspr(?:ü|u)ngliche (?:Nachricht|E-Mail)|"
    r"Message d['’]origine|Message original|Mensaje original|Mensagem original|Messaggio originale|"
    r"Oorspronkelijk bericht)[-_*=\s]{0,20}:?",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"[-_*=\s]{0,20}(?:Forwarded (?:message|by .{0,80})|Begin forwarded message|Weitergeleitete Nachricht|"
    r"Anfang der weitergeleiteten (?:Nachricht|E-Mail)|Message (?:transf(?:é|e)r(?:é|e)|réexpédié)|"
    r"D(?:é|e)but du message (?:transf(?:é|e)r(?:é|e)|réexpédié)|Mensaje reenviado|Inicio del mensaje reenviado|"
    r"Messaggio inoltrato|Inizio messaggio inoltrato|Doorgestuurd bericht|Mensagem (?:encaminhada|reenviada))"
    r"[-_*=\s]{0,20}:?",
    re.IGNORECASE,
)
_ABOVE = re.compile(
    r"[-#=\s]{0,20}(?:please )?(?:type|write|enter)? ?(?:your )?(?:reply|reply ABOVE|respond) above this line"
    r"|[-#=\s]{0,20}(?:bitte )?(?:antworten sie )?oberhalb dieser (?:linie|zeile)",
    re.IGNORECASE,
)
_RULE = re.compile(r"\s*[-_*=]{5,}\s*")
_FIELDS = {
    "from": "From|Von|De|Da|Van|Od|Från|Fra",
    "sent": "Sent|Date|Gesendet|Datum|Envoy(?:é|e)|Date d['’]envoi|Enviado(?: el)?|Fecha|Inviato|Data|Verzonden",
    "to": "To|An|(?:À|A)|Para|Aan|Till|Do",
    "cc": "Cc|Bcc|Kopie|Copie (?:à|a)|CC",
    "subject": "Subject|Betreff|Objet|Asunto|Oggetto|Onderwerp|Assunto|Temat|(?:Ä|A)mne",
    "reply": "Reply-To|Antwort an|R(?:é|e)pondre (?:à|a)|Importance|Priority|Attachments|Anlagen|Pi(?:è|e)ces jointes",
}
_FIELD = re.compile(
    r"[*\s>]{0,4}(?:" + "|".join(f"(?P<{kind}>{names})" for kind, names in _FIELDS.items()) + r")[*\s\u00a0]{0,3}:",
    re.IGNORECASE,
)
_MOST_FIELDS = 14  # lines of a block of fields
_NOTHING_OWN = re.compile(
    r"(?:fyi|fya|f\.y\.i\.?|see below|please see below|as below|below|z\.? ?k\.?|zur (?:info|kenntnis)|siehe unten|"
    r"s\.u\.|pour (?:info|information)|voir ci-dessous|para (?:su|tu|vuestra) (?:informaci(?:ó|o)n)|ver abajo|"
    r"ter info|per conoscenza)?[\s.!,:;-]{0,5}",
    re.IGNORECASE,
)
_FORWARDING = re.compile(r"\s*(?:fwd?|wg|tr|rv|i|doorst|enc)\s?:", re.IGNORECASE)


class _Break(NamedTuple):
    """Where an earlier message begins: lines [first, content) introduce it."""

    first: int
    content: int
    forwarded: bool


def forwards(subject: str) -> bool:
    """Whether a subject says that the message is a forwarded one (`Fwd:`, `WG:`, `TR:`)."""
    return _FORWARDING.match(subject) is not None


def mark_quotes(lines: Lines, subject: str, blocks: Iterable[tuple[int, int]], names: Sequence[str] = ()) -> None:
    """Mark the quoted lines, and the signatures of what remains.

    Args:
        lines: of the body; all fresh so far.
        subject: says of some mail programs' messages that they are forwarded.
        blocks: (start, end) of block quotes in the body, where it was HTML.
        names: what the sender calls himself; a last line that says only that is a signature.
    """
    for number, text in enumerate(lines.texts):
        if text.lstrip().startswith(">"):
            lines.mark(number, number + 1, "quoted")
    for start, end in blocks:
        touched = lines.within(start, end)
        lines.mark(touched.start, touched.stop, "quoted")
    at, own = 0, False
    while (found := _next_break(lines, at)) is not None:
        lines.mark(found.first, found.content, "quoted")
        forwarded = not own and (found.forwarded or forwards(subject))
        mark_signatures(lines, names, at, found.first, may_be_all=forwarded)
        own = own or _has_own(lines, at, found.first)
        if forwarded and not own:
            _restore(lines, found.content)
            at, own = found.content, True  # what was forwarded stands; what it quotes itself does not
            continue
        lines.mark(found.content, len(lines), "quoted")
        return
    mark_signatures(lines, names, at, len(lines))


def _has_own(lines: Lines, first: int, end: int) -> bool:
    """Whether the sender wrote something in lines [first, end) but a formula such as FYI."""
    own = [lines.texts[n] for n in range(first, end) if lines.kinds[n] == "fresh" and not lines.blank(n)]
    return not (len(own) <= 2 and _NOTHING_OWN.fullmatch(" ".join(own).strip()[:80]))


def _restore(lines: Lines, content: int) -> None:
    """Lines of a forwarded message that its mail program marked as one quote count as written again."""
    number = lines.next_text(content)
    if number < len(lines) and lines.kinds[number] == "quoted" and not lines.texts[number].lstrip().startswith(">>"):
        for one in range(content, len(lines)):
            if not lines.texts[one].lstrip().startswith((">>", "> >")):
                lines.mark(one, one + 1, "fresh")


def _next_break(lines: Lines, at: int) -> _Break | None:
    """Where all that follows is an earlier message's, from here on. Introductions of marked quotes are marked too."""
    number = at
    while number < len(lines):
        text = lines.texts[number]
        if not text.strip() or lines.kinds[number] == "quoted":
            number += 1
            continue
        if _ABOVE.match(text):
            return _Break(number, number + 1, False)
        if (found := _marked_break(lines, number)) is not None:
            return found
        end = _introduction(lines, number)
        if end:
            following = lines.next_text(end)
            if following >= len(lines) or lines.kinds[following] == "quoted":
                lines.mark(number, following, "quoted")
                number = following
                continue
            if _DATED.search(" ".join(lines.texts[number:end])):
                return _Break(number, end, False)
        number += 1
    return None


def _marked_break(lines: Lines, number: int) -> _Break | None:
    """A line that says that a message follows, or the block of its fields; a rule above belongs to it."""
    text = lines.texts[number].strip()
    forwarded = len(text) < 160 and _FORWARDED.fullmatch(text) is not None
    if forwarded or (len(text) < 100 and _ORIGINAL.fullmatch(text)):
        following = lines.next_text(number + 1)
        return _Break(number, _fields(lines, following) or number + 1, forwarded)
    begin = lines.next_text(number + 1) if _RULE.fullmatch(text) else number
    end = _fields(lines, begin)
    return _Break(number, end, False) if end else None


def _fields(lines: Lines, number: int) -> int:
    """The line behind a block of fields From, Sent, To, Subject that begins here; 0 where none does."""
    seen: set[str] = set()
    last, skipped, end = 0, 0, min(len(lines), number + _MOST_FIELDS)
    for one in range(number, end):
        found = _FIELD.match(lines.texts[one][:60])
        if found is not None and found.lastgroup is not None:
            if not seen and found.lastgroup != "from":
                return 0
            seen.add(found.lastgroup)
            last, skipped = one + 1, 0
            continue
        skipped += 1
        if not seen or skipped > 2 or ("subject" in seen and skipped > 0):
            break
    enough = {"from", "subject"} <= seen and len(seen) >= 3
    return last if enough else 0


def _introduction(lines: Lines, number: int) -> int:
    """The line behind "On ... wrote:", which may run over three lines; 0 where none begins here."""
    text = lines.texts[number].strip()
    if len(text) > _LONGEST or not (_OPENS.match(text) or _WROTE.search(text[-200:])):
        return 0
    for end in range(number + 1, min(number + 4, len(lines) + 1)):
        joined = " ".join(one.strip() for one in lines.texts[number:end])
        if len(joined) > _LONGEST:
            return 0
        if joined.endswith(":") and _WROTE.search(joined[-200:]):
            return end
    return 0

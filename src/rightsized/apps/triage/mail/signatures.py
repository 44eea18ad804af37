"""Which lines at the end of what was written are a signature: behind `-- `, a closing with a name, contact data, a
phone's own line, a legal notice. Rules, in one pass from the end; a postscript or a question is never taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rightsized.apps.triage.mail.lines import Lines

MOST_LINES = 60  # of a signature behind `-- `
MOST_CLOSING = 14  # lines that may follow a closing, without a legal notice
LONGEST_LINE = 90  # characters of a line of contact data
_SEPARATOR = re.compile(r"\s?-- ?\s*|_{2,5}\s*|—\s*")
_DEVICE = re.compile(
    r"(?:Sent (?:from|via|with|using) (?:my |the )?\S.{0,60}|Get Outlook for \S+.{0,30}|"
    r"Von meinem .{1,40} gesendet|Gesendet (?:von|mit|über|aus) .{1,60}|Diese Nachricht wurde von meinem .{1,60}|"
    r"Envoy(?:é|e) (?:de|depuis) (?:mon|ma) .{1,40}|Envoy(?:é|e) (?:à partir|avec) .{1,40}|T(?:é|e)l(?:é|"
    r"e)charger Outlook .{1,40}|"
    r"Enviado desde (?:mi )?.{1,40}|Inviato da .{1,40}|Verstuurd vanaf .{1,40}|Enviado do meu .{1,40}|"
    r"Outlook f(?:ü|u)r (?:iOS|Android).{0,30}|Obtener Outlook .{1,40}|Yahoo Mail .{0,40}on (?:Android|iPhone))\.?",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:(?:many |with )?(?:thanks|thank you|thx|cheers|ta)(?: (?:so much|a lot|a (?:million|bunch)|"
    r"loads|again|and (?:kind |best )?regards|"
    r"in advance|very much|for your (?:help|time)))?|(?:with )?(?:(?:kind|best|warm|warmest|kindest|many)(?:est)? )?"
    r"(?:regards|wishes)|regards|best|all the best|take care|br|kr|sincerely(?: yours)?|yours(?: (?:sincerely|"
    r"faithfully|truly))|"
    r"yours(?: in \w{1,20})?|respectfully|love|cordially|"
    r"mit (?:freundliche[nm]|besten|herzlichen|lieben) gr(?:ü|ue|u)(?:ß|ss)(?:en)?|(?:viele|beste|liebe|herzliche|"
    r"freundliche|schöne) "
    r"gr(?:ü|ue|u)(?:ß|ss)e|gr(?:ü|ue)(?:ß|ss)e|gru(?:ß|ss)|(?:schönen|guten) (?:tag|abend)(?: noch)?|mfg|lg|vg|"
    r"(?:vielen |"
    r"herzlichen )?dank(?: im voraus)?|danke|hochachtungsvoll|"
    r"bonne (?:journée|soirée|semaine|fin de journée)|bon week-?end|cordialement|bien (?:cordialement|à vous|"
    r"a vous)|cdlt|(?:meilleures |sincères )?salutations|"
    r"merci(?: (?:d'avance|beaucoup|mille fois|bien))?|"
    r"(?:gracias y )?(?:un |cordiales )?(?:cordial )?saludos?(?: cordiales)?|atentamente|"
    r"(?:muchas )?gracias(?: de antemano)?|"
    r"cordiali saluti|distinti saluti|saluti|grazie(?: mille)?|"
    r"met vriendelijke groet(?:en)?|(?:vriendelijke )?groet(?:en|jes)?|mvg|bedankt|"
    r"(?:med )?venn?lig hilsen|mvh|med vänlig(?:a)? hälsning(?:ar)?|hilsen|pozdrawiam|"
    r"(?:atenciosamente|obrigad[oa]|cumprimentos))[\s,.!;:-]{0,6}(?:\W{0,4})",
    re.IGNORECASE,
)
_LEGAL = re.compile(
    r"(?:this|the (?:information|content\w*)(?: contained)? (?:in|of) this|diese|ce|cet|este|questa|dit|esta)\b.{0,30}"
    r"(?:e-?mail|message|nachricht|communication|courriel|mensaje|correo|messaggio|bericht|mensagem|transmission)"
    r".{0,200}(?:confidential|privileged|intended (?:only|solely|recipient)|vertraulich|confidentiel|confidencial|"
    r"riservat|vertrouwelijk|virus)|"
    r"(?:confidentiality|legal|privacy) (?:notice|note|disclaimer)|disclaimer\b|haftungsausschluss|"
    r"avis de confidentialit|"
    r"aviso (?:legal|de confidencialidad)|please consider the environment|bitte denken sie an die umwelt|"
    r"pensez à l['’]environnement|registered (?:in england|office)|sitz der gesellschaft|"
    r"if you (?:are not|have received) (?:the intended|this (?:e-?mail|message))|"
    r"wenn sie nicht der (?:richtige|beabsichtigte)",
    re.IGNORECASE | re.DOTALL,
)
_POSTSCRIPT = re.compile(r"\s*(?:p\.? ?s\.?|pps|nb|n\.b\.|edit|update)\b[\s:.-]", re.IGNORECASE)
_CONTACT = re.compile(
    r"\S@\S+\.\S|https?://|www\.\S|(?:tel|phone|fon|fax|mob(?:ile|il)?|handy|t[ée]l|cell|direct|office|"
    r"telefon)\b\.?[\s:(+]*\d|"
    r"\+\d[\d ()/.-]{6,}|\b(?:ltd|gmbh|inc|llc|s\.a\.|sarl|b\.v\.|plc|kg|ag)\b\.?(?:\s|$)|\b(?:street|straße|strasse|"
    r"str\.|road|avenue|rue|calle|suite|floor)\b",
    re.IGNORECASE,
)
_FROM = re.compile(r"\s?\b(?:aus|von|from|depuis|desde)\s[^.?!]{2,30}$", re.IGNORECASE)  # "Greetings from the coast"
_NAMED = re.compile(r"(?:[^\W\d_a-z][\w.'’-]{0,20})(?:,? [^\W\d_a-z][\w.'’-]{0,20}){0,4}")  # words with capitals


def mark_signatures(lines: Lines, names: Sequence[str], first: int, end: int, *, may_be_all: bool = False) -> None:
    """Mark the signature at the end of the fresh lines in [first, end).

    What is left is not nothing on account of a closing alone, unless it `may_be_all`: "Thanks, Jo" is a message.
    """
    runs = [(a, b) for a, b in lines.runs("fresh") if a < end and b > first]
    if not runs:
        return
    start, stop = max(runs[-1][0], first), min(runs[-1][1], end)
    begins = _begin(lines, names, start, stop)
    if begins >= stop:
        return
    more = any(not lines.blank(n) for a, b in runs for n in range(max(a, first), min(b, end)) if n < begins)
    if (
        more
        or may_be_all
        or _SEPARATOR.fullmatch(lines.texts[begins])
        or _DEVICE.fullmatch(lines.texts[begins].strip())
    ):
        lines.mark(begins, stop, "signature")


def _begin(lines: Lines, names: Sequence[str], first: int, end: int) -> int:
    """The first line of the signature of lines [first, end); `end` where there is none."""
    begins = _separator(lines, first, end)
    begins = _legal(lines, first, begins)
    begins = _device(lines, first, begins)
    found = _closing(lines, names, first, begins)
    if found < begins:
        return found
    return _contacts(lines, names, first, begins)


def _separator(lines: Lines, first: int, end: int) -> int:
    """The first `-- ` that is not followed by too much."""
    for number in range(max(first, end - MOST_LINES), end):
        text = lines.texts[number]
        if text in ("-- ", "--") or (len(text) < 10 and _SEPARATOR.fullmatch(text) and end - number <= MOST_CLOSING):
            return number
    return end


def _legal(lines: Lines, first: int, end: int) -> int:
    """The first paragraph of legal notices that reach to the end."""
    begins, number = end, end
    while number > first:
        stop = number
        while stop > first and lines.blank(stop - 1):
            stop -= 1
        start = stop
        while start > first and not lines.blank(start - 1):
            start -= 1
        if start == stop:
            break
        paragraph = " ".join(lines.texts[start:stop])[:3000]
        if _LEGAL.search(paragraph[:600]):
            begins = number = start
            continue
        if begins == end and len(paragraph) > 300 and stop < end:
            break
        if begins < end or end - start > 40:
            break
        number = start
    return begins


def _device(lines: Lines, first: int, end: int) -> int:
    """A line of the phone's own among the last five that are not blank."""
    left, number = 5, end
    while number > first and left:
        number -= 1
        if lines.blank(number):
            continue
        left -= 1
        text = lines.texts[number].strip()
        if len(text) < 120 and _DEVICE.fullmatch(text):
            return number
    return end


def _closing(lines: Lines, names: Sequence[str], first: int, end: int) -> int:
    """The last closing with nothing behind it but a name and contact data."""
    filled, known = 0, _words(names)
    for number in range(end - 1, first - 1, -1):
        text = lines.texts[number].strip()
        if not text:
            continue
        if len(text) < 60 and _closes(text, known):
            return number
        if not _may_sign(text) or filled >= MOST_CLOSING:
            return end
        filled += 1
    return end


def _closes(text: str, known: frozenset[str]) -> bool:
    """Whether a line is a closing, in one language or two, with the sender's name behind it or not."""
    for part in text.split(" / "):
        found = _CLOSING.match(part.strip())
        rest = _FROM.sub("", part.strip()[found.end() :]).strip(" ,.!-").casefold() if found else part
        if found is None or (rest and rest not in known):
            return False
    return True


def _may_sign(text: str) -> bool:
    """Whether a line may stand in a signature: short, no question, no postscript, no sentence."""
    if len(text) > LONGEST_LINE or _POSTSCRIPT.match(text) or text.endswith(("?", "? ", "...", ":")):
        return False
    if _CONTACT.search(text) or "|" in text:
        return True
    return not (len(text.split()) > 7 or (text.endswith((".", "!")) and len(text.split()) > 3))


def _contacts(lines: Lines, names: Sequence[str], first: int, end: int) -> int:
    """A last paragraph of names and contact data, or the sender's name alone; never all that was written."""
    stop = end
    while stop > first and lines.blank(stop - 1):
        stop -= 1
    start = stop
    while start > first and not lines.blank(start - 1):
        start -= 1
    if start > first and _signs(lines, start, stop, names):
        return start
    last = lines.texts[stop - 1].strip(" ,.!-\t").casefold() if stop - 1 > first else ""
    return stop - 1 if last and last in _words(names) else end


def _signs(lines: Lines, start: int, stop: int, names: Sequence[str]) -> bool:
    """Whether a paragraph is nothing but a name, a firm and contact data, behind a sentence that has ended."""
    texts = [one.strip() for one in lines.texts[start:stop]]
    if not texts or len(texts) > MOST_CLOSING or not all(map(_may_sign, texts)):
        return False
    contact = sum(bool(_CONTACT.search(one)) for one in texts)
    if contact >= 2:
        return True
    before = start - 1
    while before >= 0 and lines.blank(before):
        before -= 1
    ended = before >= 0 and lines.texts[before].rstrip().endswith((".", "!", "?", ")", '"', "”", "…", "😊", "🙂"))
    if not ended or len(texts) > 4:
        return False
    first_words = re.split(r"[,(]", texts[0])[0].strip().casefold()
    named = _NAMED.fullmatch(texts[0]) is not None or first_words in _words(names)
    return named or (contact > 0 and len(texts) > 1)


def _words(names: Sequence[str]) -> frozenset[str]:
    return frozenset(word.casefold() for name in names for word in (name, *name.split()) if len(word) > 1)

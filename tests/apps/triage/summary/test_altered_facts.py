"""Numbers and names of a written sentence: altered, no sentence of the sample mailbox passes as borne out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rightsized import data
from rightsized.apps.triage.mail import MailOptions, read_mail
from rightsized.parsers.sentences import sentences
from rightsized.tasks.faithful import facts
from rightsized.tasks.faithful.support import Source, common_words, judged

STRANGER = "Zorblaxo"
_WORD = re.compile(r"[^\W_](?:[^\W_]|[.,:&@/_'’-](?=[^\W_]))*")


def true_sentences() -> Iterator[tuple[str, Source, frozenset[str]]]:
    """Sentences as they stand in a message, with the message."""
    for path in sorted((data.folder("mailbox") / "messages").rglob("*.eml")):
        mail = read_mail(path.read_bytes(), MailOptions(), received=0.0)
        if mail.language != "en":
            continue
        for start, end in sentences(mail.written):
            said = mail.written[start:end]
            if judged(said, Source(mail.text), common_words(mail.text)).support is not None:
                yield said, Source(mail.text), common_words(mail.text)


def altered(said: str) -> Iterator[str]:
    """The sentence with one number or one name changed, each in turn."""
    names = set(facts.names(said))
    for match in _WORD.finditer(said):
        word = match[0]
        digits = re.search(r"\d", word)
        if digits:
            at = match.start() + digits.start()
            changed = str((int(digits[0]) + 4) % 9 + 1)
            yield said[:at] + changed + said[at + 1 :]
        elif facts.names(f"x {word}") and facts.names(f"x {word}")[0] in names:
            yield said[: match.start()] + STRANGER + said[match.end() :]


def test_no_altered_number_or_name_is_borne_out() -> None:
    tried, passed = 0, list[tuple[str, str]]()
    for said, source, common in true_sentences():
        for changed in altered(said):
            if changed == said:
                continue
            tried += 1
            if judged(changed, source, common).support is not None:
                passed.append((said, changed))
    assert tried > 600
    assert not passed

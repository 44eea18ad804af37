"""Extracts of every message of the sample mailbox, in its thread: each sentence is the text at its place."""

from __future__ import annotations

from collections import defaultdict

from rightsized import data
from rightsized.apps.triage.mail import MailOptions, read_mail
from rightsized.apps.triage.records import Address, Mail, Sentence
from rightsized.apps.triage.summary.extract import extract
from rightsized.engines.sentence_kinds import SentenceModel
from tests.data.mailbox_files import ROOT, labels

OPTIONS = MailOptions(language=False)


def is_ours(address: Address) -> bool:
    return address.address.endswith("@fernhill.example.com")


def stands(sentence: Sentence, mail: Mail) -> bool:
    """Whether it is what its place holds, written for this message: no quote, no signature."""
    if sentence.place == "subject":
        return mail.subject[sentence.start : sentence.end] == sentence.text
    inside = any(one.start <= sentence.start < sentence.end <= one.end for one in mail.fresh)
    apart = all(one.end <= sentence.start or sentence.end <= one.start for one in (*mail.quoted, *mail.signature))
    return inside and apart and mail.body[sentence.start : sentence.end] == sentence.text


def test_every_sentence_of_every_message_stands_where_it_says() -> None:
    model = SentenceModel.open(data.folder("sentences"))
    threads: dict[str, list[Mail]] = defaultdict(list)
    kinds: dict[str, int] = defaultdict(int)
    html = quoted = wrapped = 0
    for row in labels():
        raw = (ROOT / row["file"]).read_bytes()
        mail = read_mail(raw, OPTIONS, received=0.0)
        thread = threads[row["thread"]]
        found = extract(mail, thread, model, is_ours)
        by_key = {one.key: one for one in (*thread, mail)}
        for sentence in (*found.sentences, *found.action):
            assert stands(sentence, by_key[sentence.key]), (row["id"], sentence)
            kinds[sentence.kind] += 1
            wrapped += "\n" in sentence.text
        html += b"text/html" in raw.lower() and b"text/plain" not in raw.lower() and bool(found.sentences)
        quoted += bool(mail.quoted) and bool(found.sentences)
        thread.append(mail)
    assert len(labels()) == 300
    assert (html > 5, quoted > 30, wrapped > 5) == (True, True, True), (html, quoted, wrapped)
    assert all(kinds[kind] > 20 for kind in ("subject", "complaint", "request", "commitment", "fact")), kinds

"""Extracts: word for word with exact places; abstracts: nothing that the messages do not bear out."""

from __future__ import annotations

from collections.abc import Sequence

from rightsized.apps.triage.records import Mail, Span, Summary
from rightsized.apps.triage.summary.extract import extract, key_places
from rightsized.apps.triage.summary.sentences import said
from rightsized.apps.triage.summary.written import write_summary
from rightsized.core.errors import UpstreamError
from rightsized.engines.sentence_kinds import Bars, Placed, Scores
from rightsized.tasks.writing import FakeTextWriter
from tests.apps.triage.triage_samples import a_mail

BODY = (
    "Hello there.\n\nMy parcel FH-43018 was due on Monday. Please refund 49.90 EUR\nby Friday. Thanks!"
    "\n\n> Earlier words"
)
FRESH = BODY.index("\n\n>")


class Words:
    """Reads by words: `please` asks, digits are facts that matter. Stands in for the model."""

    bars = Bars()

    def read(self, conversation: Sequence[Placed]) -> list[Scores]:
        return [self._one(one.text) for one in conversation]

    def _one(self, text: str) -> Scores:
        request = 0.9 if "Please" in text else 0.05
        fact = 0.9 if any(sign.isdigit() for sign in text) and request < 0.5 else 0.05
        return Scores(request, 0.02, fact, 0.03, max(request, fact), request, 0.9 if "leaks" in text else 0.1)


def read(one: Mail, earlier: Sequence[Mail] = ()) -> Summary:
    return extract(one, earlier, Words(), lambda address: False)  # type: ignore[arg-type]


def mail(key: str = "m1", body: str = BODY, fresh: int = FRESH) -> Mail:
    return a_mail(key, body, subject="Late parcel", fresh=(Span(0, fresh),), quoted=(Span(fresh, len(body)),))


def test_every_sentence_stands_where_it_says() -> None:
    one = mail()
    found = read(one)
    subject, *rest = found.sentences
    assert (subject.place, subject.text) == ("subject", "Late parcel")
    assert [sentence.text for sentence in rest] == [
        "My parcel FH-43018 was due on Monday.",
        "Please refund 49.90 EUR\nby Friday.",
    ]
    for sentence in rest:
        assert one.body[sentence.start : sentence.end] == sentence.text
    assert [(sentence.kind, sentence.text[:6]) for sentence in found.action] == [("request", "Please")]


def test_quotes_are_not_summarised() -> None:
    assert not any("Earlier" in one.text for one in read(mail()).sentences)
    assert all("Earlier" not in one.line for one in said(mail()))


def test_where_nothing_matters_much_two_sentences_stand() -> None:
    found = read(mail(body="Hm. Well. So.", fresh=13))
    assert [one.text for one in found.sentences] == ["Late parcel", "Hm.", "Well."]
    assert found.action == ()


def test_no_words_no_summary() -> None:
    assert read(a_mail(subject="", body="", fresh=())) == Summary("extract")


def test_a_thread_is_summarised_as_one() -> None:
    first = mail("m0", "The tent of order FH-7 leaks at the seam. Hm.", 45)
    found = read(mail("last"), [first])
    assert found.note == "Of a thread of 2 messages."
    assert [one.key for one in found.sentences] == ["last", "m0", "last", "last"]
    assert [one.kind for one in found.sentences] == ["subject", "complaint", "fact", "request"]


def test_a_reproach_is_no_courtesy() -> None:
    hello, reproach = Scores(0, 0, 0.1, 0.9, 0.01, 0), Scores(0, 0, 0.1, 0.9, 0.02, 0, complaint=0.8)
    assert key_places([hello, reproach, Scores(0.9, 0, 0, 0.1, 0.6, 0.9)], Bars()) == [1, 2]


def test_the_bar_of_action_is_the_inbox_s_own_where_it_says_one() -> None:
    words = Words()
    assert extract(mail(), [], words, lambda address: False, 0.95).action == ()  # type: ignore[arg-type]  # a scripted one
    assert extract(mail(), [], words, lambda address: False, 0.05).action  # type: ignore[arg-type]  # a scripted one


def test_machines_in_a_thread_are_passed_over() -> None:
    away = a_mail("m0", "I am away until 3 May.", automatic="auto-reply")
    assert not read(mail("last"), [away]).note


def test_a_thread_without_end_is_reduced_first() -> None:
    earlier = [mail(f"m{at}", f"The tent of order {at} leaks at the seam. " * 30, 1_000) for at in range(30)]
    found = read(mail("last"), earlier)
    assert len(found.sentences) <= 4
    assert found.action


async def written(said: str | Exception) -> Summary:
    one = mail()
    return await write_summary(one, [], read(one), FakeTextWriter([said]))


async def test_what_is_borne_out_is_shown_with_its_place() -> None:
    found = await written("The parcel FH-43018 was due on Monday [1].")
    assert found.kind == "abstract"
    assert found.text == "The parcel FH-43018 was due on Monday."
    (sentence,) = found.sentences
    assert BODY[sentence.start : sentence.end].startswith("My parcel FH-43018 was due")
    assert found.decision == "fake-1"
    assert found.action  # what has to be done stays in the customer's own words


async def test_an_altered_number_or_name_is_never_shown() -> None:
    for wrong in (
        "The parcel FH-43081 was due on Monday [1].",
        "Please refund 94.90 EUR by Friday [1].",
        "The parcel FH-43018 was due on Tuesday [1].",
        "The parcel FH-43018 was not due on Monday [1].",
        "Bob's parcel FH-43018 was due on Monday [1].",
    ):
        found = await written(wrong)
        assert found.kind == "extract", wrong
        assert "not borne out" in found.note


async def test_a_good_sentence_beside_a_bad_one_is_kept_alone() -> None:
    found = await written("The parcel FH-43018 was due on Monday [1]. The customer wants 500 EUR [1].")
    assert found.text == "The parcel FH-43018 was due on Monday."
    assert "left out" in found.note


async def test_a_model_that_is_away_leaves_the_extract() -> None:
    found = await written(UpstreamError("The server is away."))
    assert found.kind == "extract"
    assert "away" in found.note


def test_a_greeting_fills_no_summary() -> None:
    hello, point, more = (
        Scores(0, 0, 0.1, 0.9, 0.01, 0),
        Scores(0.9, 0, 0, 0.1, 0.6, 0.9),
        Scores(0, 0, 0.9, 0.1, 0.1, 0),
    )
    assert key_places([hello, point], Bars()) == [1]
    assert key_places([hello, point, more], Bars()) == [1, 2]
    assert key_places([hello, hello], Bars()) == [0]  # of what is all the same, one
    assert key_places([], Bars()) == []

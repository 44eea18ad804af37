"""Marks land on the words, whatever the script; boxes on the lines they stand on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.apps.search.query.folding import Folder, runs, same
from rightsized.apps.search.query.highlighting import best_sentence, highlights, mark, weights
from rightsized.apps.search.query.spelling import distance
from rightsized.apps.search.query.stems import wanted
from rightsized.apps.search.types import Document, Found, Passage
from rightsized.parsers.types import Box, Line

LINES = (
    Line(0, 10, Box(1, 100.0, 50.0, 200.0, 60.0)),
    Line(11, 31, Box(1, 100.0, 62.0, 300.0, 72.0)),
    Line(32, 42, Box(2, 100.0, 50.0, 200.0, 60.0)),
)


def passage(text: str, start: int = 0) -> Passage:
    return Passage(0, start, start + len(text), text, text)


@pytest.mark.parametrize(
    ("asked", "text", "language", "marked"),
    [
        ("termination", "It terminates. TERMINATED, not a term", "en", ["terminates", "TERMINATED"]),
        ("the notice of the party", "The notice of a party", "en", ["notice", "party"]),
        ("Kündigungen", "Die Kündigung der Kündigungsfrist", "de", ["Kündigung"]),
        ("契約", "この契約書は", "ja", ["契約"]),
        ("café", "Cafe and CAFÉ", "en", ["Cafe", "CAFÉ"]),
        ("the", "the end of the line", "en", ["the", "the"]),
        ("e-mail", "send an e-mail", "en", ["e", "mail"]),
    ],
)
def test_words_are_marked_by_stem(asked: str, text: str, language: str, marked: list[str]) -> None:
    found = highlights(passage(text, start=1000), wanted(asked, [language]))
    assert [text[one.start - 1000 : one.end - 1000] for one in found] == marked


def test_the_best_sentence_has_the_rare_words() -> None:
    stems = wanted("notice of termination by fax", ["en"])
    text = "Notice is notice. A fax is enough. Notice ends it."
    others = [passage("Notice is given."), passage("Notice and more notice."), passage(text)]
    found = best_sentence(others[2], stems, weights(others, stems))
    assert text[found.start : found.end] == "A fax is enough."
    nothing = best_sentence(passage("One. Two."), stems, {})
    assert (nothing.start, nothing.end) == (0, 4)


def test_boxes_are_cut_to_the_characters_of_each_line() -> None:
    found = mark(5, 36, LINES)
    assert [(box.page, box.left, box.right) for box in found.boxes] == [(1, 150, 200), (1, 100, 300), (2, 100, 140)]
    assert [(box.left, box.right) for box in mark(13, 15, LINES).boxes] == [(120, 140)]
    assert mark(10, 11, LINES).boxes == ()  # the break between two lines
    assert mark(5, 36, ()).boxes == ()


def test_what_says_the_same_is_told_from_what_is_alike() -> None:
    text = (
        "Either party may terminate this agreement with ninety days of written notice to the other party at any time."
    )
    assert same(runs(text), runs(text.upper().replace(",", "")))
    assert not same(runs(text), runs(text.replace("ninety", "thirty")))
    assert not same(runs("Annex A"), runs("Annex A"))  # headings


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=14), max_size=12))
def test_folding_finds_what_comparing_all_pairs_finds(texts: list[list[str]]) -> None:
    folder, opened = Folder(fold=True, by_document=False), []
    document = Document("d", "s", "k", "c", "t", "text/plain", 1, 0.0, 0.0)
    for row, words in enumerate(texts):
        own = runs(" ".join(words))
        repeats = any(same(one, own) for one in opened)
        assert folder.add(Found(row, document, passage(" ".join(words)))) is not repeats
        if not repeats:
            opened.append(own)


@pytest.mark.parametrize(
    ("a", "b", "steps"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "abcd", 1), ("abc", "xbc", 1), ("ca", "abc", 3)],
)
def test_distance_counts_letters_and_exchanges(a: str, b: str, steps: int) -> None:
    assert distance(a, b, 5) == distance(b, a, 5) == steps
    assert distance(a, b, 0) == min(steps, 1)

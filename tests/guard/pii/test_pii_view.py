"""Folding: what is found in the folded text is found at the right place of the text as given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rightsized.guard.pii.view import View, fold, words

DISGUISED = st.text(alphabet="ab1 \u200b\u00ad\u2011４Ａ٣é\u2060ß", max_size=40)


@given(DISGUISED)
def test_every_folded_character_goes_back_to_its_own(text: str) -> None:
    view = View(text)
    kept = [i for i, character in enumerate(text) if fold(character)]
    assert [view.place(i, i + 1) for i in range(len(view.text))] == [(i, i + 1) for i in kept]


@given(DISGUISED)
def test_lower_case_has_the_same_places(text: str) -> None:
    view = View(text)
    assert len(view.lower) == len(view.text)


def test_dropped_characters_inside_a_span_belong_to_it_and_those_at_its_ends_do_not() -> None:
    view = View("\u200ba\u200bb\u200b")
    assert view.text == "ab"
    assert view.place(0, 2) == (1, 4)


def test_disguises() -> None:
    assert View("４２ ＡＢ ٣ x‑y\u00a0z").text == "42 AB 3 x-y z"


def test_words_are_whole() -> None:
    pattern = words("tel", "phone")
    assert pattern.search("my phone:")
    assert not pattern.search("telling phones")


def test_lower_case_of_a_letter_that_grows() -> None:
    assert View("İx").lower[1] == "x"

"""Words, sentences and graphemes: exact offsets, nothing lost, nothing shared."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.explain.segments import BLOCKS, PHRASE_WORDS, Node, graphemes, sentences, tree, words


def _texts(text: str) -> list[str]:
    return [text[word.start : word.end] for word in words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n ", []),
        ("Where is my card?", ["Where", "is", "my", "card?"]),
        ("naïve  Ünïcode\u00a0text", ["naïve", "Ünïcode", "text"]),
        ("cafe\u0301 au lait", ["cafe\u0301", "au", "lait"]),
        ("great👍🏽 thanks", ["great", "👍🏽", "thanks"]),
        ("👨‍👩‍👧🇩🇪🇫🇷", ["👨‍👩‍👧", "🇩🇪", "🇫🇷"]),
        ("我的卡在哪里？", ["我", "的", "卡", "在", "哪", "里", "？"]),
        ("iPhone坏了", ["iPhone", "坏", "了"]),
        ("บัตร", ["บั", "ต", "ร"]),
        ("https://example.org/a-very-long-path/that_goes_on", ["https://", "example.", "org/", "a-", "very-"]),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert _texts(text)[: len(expected)] == expected
    assert len(_texts(text)) == len(expected) or text.startswith("https")


@given(st.text(max_size=200))
def test_words_hold_every_visible_character_once(text: str) -> None:
    parts = words(text)
    assert all(a.end <= b.start for a, b in pairwise(parts))
    covered = {at for part in parts for at in range(part.start, part.end)}
    assert covered == {at for at, sign in enumerate(text) if not sign.isspace()}


@given(st.text(max_size=100))
def test_graphemes_tile_the_text(text: str) -> None:
    spans = graphemes(text)
    assert "".join(text[a:b] for a, b in spans) == text


def _leaves(node: Node) -> list[Node]:
    return [leaf for child in node.children for leaf in _leaves(child)] if node.children else [node]


@pytest.mark.parametrize("count", [1, 2, 11, 13, 200, 3000])
def test_a_tree_has_few_children_a_level_and_all_words(count: int) -> None:
    text = " ".join(f"Sentence number {i} says this and that." for i in range(count))
    root = tree(text)

    def check(node: Node) -> None:
        assert len(node.children) <= max(BLOCKS, PHRASE_WORDS)
        for child in node.children:
            assert node.start <= child.start < child.end <= node.end
            check(child)

    check(root)
    assert [(w.start, w.end) for w in _leaves(root)] == [(w.start, w.end) for w in words(text)]


def test_a_sentence_without_end_is_cut_into_phrases() -> None:
    root = tree("word " * 400)
    assert 1 < len(root.children) <= PHRASE_WORDS
    assert len(_leaves(root)) == 400


def test_sentences_end_at_signs_and_lines() -> None:
    text = 'He said "Stop." Then 3.5 km.\nNew line here\n\nLast'
    found = [text[s[0].start : s[-1].end] for s in sentences(text, words(text))]
    assert found == ['He said "Stop."', "Then 3.5 km.", "New line here", "Last"]
    chinese = "卡在哪里。我没有收到。"
    assert len(sentences(chinese, words(chinese))) == 2

"""What every recogniser must keep to: a new one is registered by name and passes this file as it stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rightsized.core import registry
from rightsized.core.generation import DATA_CLASSES
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import GROUP, Hit, Recogniser
from rightsized.guard.pii.view import View

NAMES = registry.names(GROUP)
LONG = 12_000  # characters of a hostile text
# Repeated until the text is long: beginnings of what the patterns look for, which never come to an end.
SEEDS = (
    *(
        "1",
        "1-",
        "1 ",
        "a",
        "A",
        "Aa ",
        "a.",
        "a@",
        "@",
        "a@a.",
        "1.1.1.",
        "::",
        "ab:",
        "\n",
        "|",
        "=",
        '"a',
        "a'",
        "İ",
        "é",
    ),
    *("http://", "https://a/", "://a:b", "eyJa.eyJ", "-----BEGIN PRIVATE KEY-----", "bearer ", "key=", "password is "),
    *("Dr. ", "Name: ", "Dr. A. ", "A.", "12 A ", "12 Elm Elm ", "Rue a ", "1 rue A A A A ", "rue de la ", "Suite 1 "),
    *(
        "address is 1 A ",
        "Mr. de la ",
        "(1",
        "+1 ",
        "()",
        "555-1234 ",
        "555-123-4567 ",
        "4111 1111 1111 1111 ",
        "1 1 1 4",
    ),
    *(
        "DE89 ",
        "GB82 WEST ",
        "SSN 536-90-4399 ",
        "BSN 111222333 ",
        "1/1/1 ",
        "born 1 ",
        "1 jan ",
        "54 years ",
        "aA1bB2/",
    ),
    *(
        "E11.9 ",
        "diagnosis E11 ",
        "diabetes ",
        "A1A 1A1 ",
        "IL 62704 ",
        "D-1 ",
        "\u200b",
        "４",
        "a (at) a ",
        "a [dot] ",
    ),
    *("passport no ", "patient id ", "x" * 63 + ".", "0x" + "f" * 40 + " ", "1A2B3C4D5E6F7G8H9 "),
)


@pytest.fixture(params=NAMES)
def recogniser(request: pytest.FixtureRequest) -> Recogniser:
    opened: Recogniser = registry.resolve(GROUP, request.param)(PiiConfig())
    return opened


def hits(recogniser: Recogniser, text: str) -> list[Hit]:
    return list(recogniser.find(View(text)))


def test_there_are_recognisers() -> None:
    assert {"cards", "bank", "email", "secrets", "national_ids", "phones"} <= set(NAMES)


def test_its_name_is_the_one_it_is_registered_by() -> None:
    assert [registry.resolve(GROUP, name)(PiiConfig()).name for name in NAMES] == NAMES


def test_each_type_has_a_class_and_an_example(recogniser: Recogniser) -> None:
    assert set(recogniser.classes.values()) <= set(DATA_CLASSES)
    assert {example.type for example in recogniser.examples} == set(recogniser.classes)


def test_examples_are_found_to_the_character(recogniser: Recogniser) -> None:
    for example in recogniser.examples:
        found = [(example.text[hit.start : hit.end], hit.type) for hit in hits(recogniser, example.text)]
        assert (example.value, example.type) in found, example.text


def test_examples_are_found_in_the_middle_of_a_longer_text(recogniser: Recogniser) -> None:
    before, after = "The first line says nothing.\n\n", "\n\nNothing follows."
    for example in recogniser.examples:
        text = f"{before}{example.text}{after}"
        found = [(text[hit.start : hit.end], hit.type) for hit in hits(recogniser, text)]
        assert (example.value, example.type) in found, example.text


def test_hits_lie_within_the_text_and_are_of_its_types(recogniser: Recogniser) -> None:
    text = " ".join(example.text for example in recogniser.examples)
    found = hits(recogniser, text)
    assert found
    for hit in found:
        assert 0 <= hit.start < hit.end <= len(text)
        assert hit.type in recogniser.classes
        assert 0 < hit.score <= 1


def test_it_keeps_nothing_between_texts(recogniser: Recogniser) -> None:
    texts = [example.text for example in recogniser.examples]
    alone = [hits(recogniser, text) for text in texts]
    assert [hits(recogniser, text) for text in reversed(texts)] == alone[::-1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n",
        "Plain words, and nothing that anybody has to hide.",
        "The meeting is at 10.30 on the 3rd of June.",
    ],
)
def test_plain_text_holds_nothing(recogniser: Recogniser, text: str) -> None:
    assert hits(recogniser, text) == []


@pytest.mark.timeout(90)
@pytest.mark.parametrize("shape", [lambda seed: seed, lambda seed: f"x{seed}", lambda seed: seed.upper()])
def test_hostile_texts_end(recogniser: Recogniser, shape: Callable[[str], str]) -> None:
    """Time grows with the text: one pattern that backtracks by the cube of its length would need hours here."""
    for seed in SEEDS:
        text = (shape(seed) * LONG)[:LONG]
        assert len(hits(recogniser, text)) <= len(text)

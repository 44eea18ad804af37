"""Names and parties, and which documents they stand for."""

from __future__ import annotations

import pytest

from rightsized.apps.search.query import names
from rightsized.apps.search.query.naming import NameIndex
from rightsized.apps.search.types import Document
from rightsized.parsers.types import Parsed

HEAD = (
    "SUPPLY AGREEMENT. This agreement is made as of 1 May 2020 by and between CASTROVIA STEEL GmbH & Co. KG, a German"
    ' company ("Castrovia"), and Nordhelm Seals, Inc., a Delaware corporation (the "Buyer"). 1. The Company shall'
)


def test_parties_are_read_off_the_beginning_of_a_contract() -> None:
    found = names.parties(HEAD)
    keys = [names.core(names.words(one)) for one in found]
    assert ("castrovia", "steel") in keys
    assert ("nordhelm", "seals") in keys
    assert ("castrovia",) in keys
    assert not {("buyer",), ("delaware",), ("company",)} & set(keys)


def test_what_is_no_contract_has_no_parties() -> None:
    assert names.parties("Minutes. Acme Gears, Inc. and Bolt Ltd. presented their products.") == ()


def test_parties_become_metadata_and_given_ones_stay() -> None:
    assert "CASTROVIA" in names.with_parties(Parsed(HEAD)).metadata["parties"]
    assert names.with_parties(Parsed(HEAD, metadata={"parties": "X Y"})).metadata["parties"] == "X Y"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I-ESCROW, INC.", "i-Escrow"),
        ("Electric City of Illinois L.L.C.", "electric city of illinois llc"),
        ("Société Générale S.A.", "SOCIETE GENERALE"),
        ("The Scotts Company LLC", "Scotts"),
        ("Vestas A/S", "vestas"),
        ("Müller GmbH & Co. KG", "Muller"),
    ],
)
def test_names_are_compared_without_case_accents_punctuation_and_legal_forms(one: str, other: str) -> None:
    assert names.core(names.words(one)) == names.core(names.words(other))


def test_spans_are_those_of_the_words() -> None:
    text = "Is L.L.C. i-Escrow's form?"
    assert [text[start:end] for _, start, end in names.spans(text)] == ["Is", "L.L.C.", "i", "Escrow's", "form"]


@pytest.mark.parametrize(
    "text", ["", "(", "\0", "é" * 5000, "A " * 4000, '("' * 2000, "between " * 1000, "A, " * 3000 + "Inc."]
)
def test_odd_texts_have_no_parties_and_take_no_time(text: str) -> None:
    assert names.parties("agreement " + text) == ()
    assert all(0 <= start < end <= len(text) for _, start, end in names.spans(text))


class Everywhere:
    """Words that are used as told: `share` of all passages, 1 where not told."""

    def __init__(self, **shares: float) -> None:
        self._shares = shares

    def known(self, word: str) -> bool:
        return word in self._shares

    def share(self, words: str, documents: object) -> float:
        return self._shares.get(words, 1.0)


def document(key: str, title: str, **metadata: str) -> Document:
    return Document(key, "s", key, key, title, "text/plain", 1, 0.0, 0.0, metadata=metadata)


DOCUMENTS = [
    document("steel.pdf", "Supply Agreement", parties="Castrovia Steel GmbH; Nordhelm Seals, Inc"),
    document("motors.pdf", "Supply Agreement", parties="Pellmont Motors SA; Nordhelm Seals, Inc"),
    document("rovalin-draft.docx", "Transport Agreement", parties="Rovalin BV"),
    document("rovalin-signed.pdf", "Transport Agreement", parties="Rovalin BV"),
    document("travel.md", "Travel Policy", author="Anna Berg"),
    document("city.txt", "Distributor Agreement", parties="Electric City Corp; Fox"),
    *[document(f"other{n}.txt", f"Notes of Meeting {n}") for n in range(30)],
]


def meant(question: str, **shares: float) -> list[str]:
    index = NameIndex(DOCUMENTS)
    words = [word for word, _, _ in names.spans(question)]
    return [DOCUMENTS[at].key for at in index.meant(index.mentions(words, Everywhere(**shares)))]


@pytest.mark.parametrize(
    ("question", "keys"),
    [
        ("When can Castrovia Steel terminate?", ["steel.pdf"]),
        ("when can CASTROVIA-STEEL GmbH terminate", ["steel.pdf"]),
        ("price in the supply agreement of Pellmont Motors", ["motors.pdf"]),
        ("Nordhelm Seals and Pellmont Motors", ["motors.pdf"]),
        ("penalties of Rovalin", ["rovalin-draft.docx", "rovalin-signed.pdf"]),
        ("what does the travel policy pay", ["travel.md"]),
        ("written by Anna Berg", ["travel.md"]),
        ("liability of Castrovia", ["steel.pdf"]),
        ("liability of Castrvia", ["steel.pdf"]),  # a letter is missing
        ("what is a supply agreement", []),
        ("our policy on agreements", []),
        ("this website", []),
    ],
)
def test_names_stand_for_documents(question: str, keys: list[str]) -> None:
    assert meant(question) == keys


def test_a_word_that_others_use_is_no_name() -> None:
    assert meant("are electric cars allowed", electric=0.1) == []
    assert meant("may a fox enter the site", fox=0.2) == []
    assert meant("what does Fox pay", fox=0.9) == ["city.txt"]


def test_who_wrote_a_document_is_no_filter_where_others_speak_of_them() -> None:
    index = NameIndex(DOCUMENTS)

    class Spoken(Everywhere):
        def share(self, words: str, documents: object) -> float:
            return 0.1 if "anna" in words or "berg" in words else 1.0

    assert index.meant(index.mentions(["salary", "of", "anna", "berg"], Spoken())) == ()
    assert index.meant(index.mentions(["written", "by", "anna", "berg"], Everywhere())) == (4,)


def test_a_name_of_many_documents_is_none() -> None:
    index = NameIndex([document(f"{n}.txt", f"Note {n}", parties="Acme Works Ltd") for n in range(40)])
    assert index.meant(index.mentions(["acme", "works"], Everywhere())) == ()

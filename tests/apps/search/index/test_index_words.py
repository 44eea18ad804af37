"""Words are found as their language inflects them, as phrases, misspelt, and where no blank parts them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from index_samples import STEPS, CountingEncoder, MemorySource

from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.query.clauses import And, Clause, Not, Or, Phrase, Terms
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.types import Filters
from rightsized.parsers import analysis

TEXTS = {
    "en": "The parties terminated contracts running for years, with notice of thirty days.",
    "de": "Die Kündigung der Verträge über Häuser erfolgt schriftlich durch Herrn Müller.",
    "fr": "Les salariés bénéficient de congés annuels payés, même à l’étranger.",
    "zh": "本契約書自簽署之日起生效。",
    "code": "Clause 12.3(a) refers to invoice INV-2024/0815 and mail to a.b@example.org.",
}


def told(text: str) -> str:
    return "" if "Clause" in text else next(code for code, sample in TEXTS.items() if text == sample)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    source = MemorySource()
    for name, text in TEXTS.items():
        source.put(f"{name}.txt", text)
    collection = open_collection(tmp_path_factory.mktemp("home"), "docs", CountingEncoder(), create=True)
    sync(collection, source, STEPS._replace(language=told))
    yield collection
    collection.close()


def found(collection: Collection, clause: Clause) -> list[str]:
    view = collection.view([])
    rows = view.lexical(clause, Filters(), 20).rows
    return sorted({one.document.key.removesuffix(".txt") for one in view.found(rows)})


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        (Terms("termination contracted"), ["en"]),
        (Terms("run"), ["en"]),
        (Terms("Vertrag"), ["de"]),
        (Terms("haus"), ["de"]),
        (Terms("muller"), ["de"]),
        (Terms("MÜLLER"), ["de"]),
        (Terms("salarié"), ["fr"]),
        (Terms("conge"), ["fr"]),
        (Terms("契約"), ["zh"]),
        (Phrase("契約書"), ["zh"]),
        (Terms("書契"), []),
        (Terms("INV-2024/0815"), ["code"]),
        (Phrase("12.3(a)"), ["code"]),
        (Phrase("notice of thirty days"), ["en"]),
        (Phrase("notice thirty days"), []),
        (Phrase("notice thirty days", slop=1), ["en"]),
        (Phrase("thirty"), ["en"]),
        (Phrase("..."), []),
        (Terms("Kundigong"), []),
        (Terms("Kundigong", fuzzy=True), ["de"]),
        (Terms("cantract", fuzzy=True), ["en"]),
        (Terms("tha", fuzzy=True), []),
        (And((Terms("contract"), Terms("notice"))), ["en"]),
        (And((Terms("contract"), Not(Terms("notice")))), []),
        (And((Not(Terms("contract")),)), ["code", "de", "fr", "zh"]),
        (And((Or((Terms("contract"), Terms("vertrag"))), Not(Phrase("thirty days")))), ["de"]),
        (Or((Terms("contract"), Phrase("congés annuels"))), ["en", "fr"]),
        (Not(Terms("contract")), []),
        (Terms(""), []),
        (Terms("  ?! "), []),
        (And(()), []),
        (Or(()), []),
        (Terms("contract " + "filler " * 2000), ["en"]),
    ],
    ids=str,
)
def test_what_is_asked_is_found(collection: Collection, clause: Clause, expected: list[str]) -> None:
    assert found(collection, clause) == expected


def test_suggestions_are_spelled_as_in_the_text(collection: Collection) -> None:
    view = collection.view([])
    assert view.terms("Künd", 5) == [("kündigung", 1)]
    assert view.terms("contr", 5) == [("contracts", 1)]
    assert view.terms("of the contr", 5) == [("contracts", 1)]
    assert view.terms("", 5) == view.terms("?", 5) == []


def test_every_stemmer_there_is_can_be_made() -> None:
    for language in (*analysis.STEMMERS, analysis.PLAIN, "ja", "nb"):
        assert analysis.words("Words 12", analysis.stemmed_as(language))
    assert analysis.stemmed_as("nb") == "no"
    assert analysis.stemmed_as("") == analysis.PLAIN

"""The sample documents: counts, size, verbatim quotes, no repeats besides the family that the README names, access."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import PurePosixPath

import pytest
from document_texts import documents, members, normal, questions, text_of

from rightsized.apps.search.access.globs import Glob
from rightsized.apps.search.access.sidecar import NAME, Sidecar, parse_sidecar
from rightsized.core.principals import EVERYONE, checked
from rightsized.data import folder

ROOT = folder("documents")
LARGEST = 1_500_000  # bytes in the wheel
SHINGLE, NEAR_DUPLICATE = 5, 0.1  # words; Jaccard similarity: other pairs have at most 0.02
FAMILY = {"contracts/transport-rovalin-draft.docx", "contracts/transport-rovalin-signed.pdf"}
LONG, LONG_WORDS = "contracts/service-agreement-helvion.pdf", 12_000
KINDS = {"fact", "clause", "howto", "comparison", "table", "unanswerable"}
HIDDEN = {"q79": "hr/salary-bands-2026.xlsx", "q80": "board/minutes-2026-02.docx"}
ORDINARY = re.compile(r"[A-Za-z]{4,}")


@cache
def text(name: str) -> str:
    return normal(text_of(name, (ROOT / name).read_bytes()))


@cache
def readme() -> str:
    return (ROOT / "README.md").read_text("utf-8")


@cache
def rules() -> list[dict[str, object]]:
    return tomllib.loads((ROOT / NAME).read_text("utf-8"))["rule"]


@cache
def sidecar() -> Sidecar:
    place = ROOT / NAME
    return parse_sidecar(place.read_bytes(), str(place))


def allowed(name: str) -> tuple[str, ...]:
    """Who may see a document, as search reads the rules."""
    return sidecar().principals(name)


def shingles(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)}


def test_there_are_about_sixty_documents_in_every_format() -> None:
    suffixes = Counter(PurePosixPath(name).suffix for name in documents())
    assert 60 <= suffixes.total() <= 75
    assert set(suffixes) == {
        ".csv", ".docx", ".eml", ".html", ".mbox", ".md", ".pdf", ".png", ".pptx", ".txt", ".xlsx", ".zip"
    }  # fmt: skip


def test_the_readme_counts_the_documents_of_each_folder() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\d+) \| ([\w, ]+) \|", readme(), re.MULTILINE)
    found: dict[str, list[str]] = {}
    for name in documents():
        found.setdefault(PurePosixPath(name).parent.name, []).append(PurePosixPath(name).suffix[1:])
    assert told == [(key, str(len(value)), ", ".join(sorted(set(value)))) for key, value in sorted(found.items())]


def test_the_readme_names_every_principal_of_the_rules() -> None:
    told = re.findall(r"^\| `((?:user|group):\w+)` \|", readme(), re.MULTILINE)
    assert told == sorted({one for rule in rules() for one in rule["allow"]} - {EVERYONE})


def test_the_folder_is_small() -> None:
    assert sum(place.stat().st_size for place in ROOT.rglob("*") if place.is_file()) < LARGEST


@pytest.mark.parametrize("name", documents())
def test_a_document_is_prose_of_its_own(name: str) -> None:
    if name.endswith(".png"):
        return
    words = ORDINARY.findall(text(name))
    assert len(words) >= (50 if name.endswith((".csv", ".xlsx")) else 100)
    assert len(set(map(str.lower, words))) / len(words) > (0.1 if name == LONG else 0.25)
    assert "lorem ipsum" not in text(name).lower()


def test_one_contract_is_long_and_numbered() -> None:
    assert len(text(LONG).split()) >= LONG_WORDS
    numbers = re.findall(r"(?<=\s)(\d{1,2}\.\d{1,2})(?= [A-Z])", text(LONG))
    assert len(set(numbers)) >= 150


def test_no_two_documents_are_near_duplicates_besides_the_named_family() -> None:
    sets = {name: shingles(text(name).lower().split()) for name in documents() if text(name)}
    near = {
        (one, two)
        for one, two in combinations(sorted(sets), 2)
        if len(sets[one] & sets[two]) / len(sets[one] | sets[two]) >= NEAR_DUPLICATE
    }
    assert near == {tuple(sorted(FAMILY))}
    assert all(f"`{name}`" in readme() for name in FAMILY)


def test_questions_have_one_shape_and_differ() -> None:
    found = questions()
    assert [question["id"] for question in found] == [f"q{number:02}" for number in range(1, 81)]
    assert len({question["text"].lower() for question in found}) == len(found)
    assert {question["kind"] for question in found} == KINDS
    assert all(list(q) == ["id", "text", "document", "answer", "kind", "principal"] for q in found)
    assert sum(question["kind"] == "unanswerable" for question in found) == 8


@pytest.mark.parametrize("question", questions(), ids=lambda question: question["id"])
def test_a_quote_is_verbatim_and_its_asker_may_see_it(question: dict[str, str]) -> None:
    if question["kind"] == "unanswerable":
        assert question["document"] == question["answer"] == ""
        return
    assert question["document"] in documents()
    assert normal(question["answer"]) in text(question["document"])
    assert {question["principal"], EVERYONE} & set(allowed(question["document"]))


def test_questions_do_not_repeat_the_words_of_the_answer() -> None:
    shared = []
    for question in questions():
        quoted = shingles_of(question["answer"], 4)
        shared += [question["id"]] * bool(quoted & shingles_of(question["text"], 4))
    assert shared == []


def shingles_of(sentence: str, length: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", sentence.lower())
    return {tuple(words[at : at + length]) for at in range(len(words) - length + 1)}


def test_access_rules_name_principals_and_match_something() -> None:
    for rule in rules():
        assert set(rule) == {"match", "allow"}
        assert checked(rule["allow"]) == tuple(rule["allow"])
        assert any(Glob(rule["match"]).matches(name) for name in documents()), rule["match"]


def test_some_documents_are_for_few_and_the_readme_and_questions_for_nobody() -> None:
    assert all(allowed(name) for name in documents())
    assert allowed("README.md") == allowed("questions.jsonl") == ()
    assert EVERYONE not in allowed("hr/salary-bands-2026.xlsx") + allowed("board/minutes-2026-02.docx")
    assert sum(EVERYONE not in allowed(name) for name in documents()) >= 15


def test_two_questions_have_answers_that_their_asker_may_not_see() -> None:
    asked = {question["id"]: question for question in questions()}
    for number, name in HIDDEN.items():
        assert asked[number]["kind"] == "unanswerable"
        assert not {asked[number]["principal"], EVERYONE} & set(allowed(name))


def test_the_archive_holds_two_documents_and_mails_have_attachments() -> None:
    (archive,) = (name for name in documents() if name.endswith(".zip"))
    assert len(list(members((ROOT / archive).read_bytes()))) == 2
    mails = [name for name in documents() if name.endswith((".eml", ".mbox"))]
    assert sum(b"Content-Disposition: attachment" in (ROOT / name).read_bytes() for name in mails) >= 3

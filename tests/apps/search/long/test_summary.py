"""Summaries of a document's own sentences: exact places, every section told, nothing twice, within the budget."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from long_samples import SUBJECTS, Counting, Sample, taken_in

from rightsized.apps.search.long.counting import counter_of
from rightsized.apps.search.long.meaning import ByWords, centre, unit
from rightsized.apps.search.long.parts import MOST_PARTS, STRETCH, parts
from rightsized.apps.search.long.records import Summary
from rightsized.apps.search.long.service import Asking, LongDocuments
from rightsized.apps.search.long.summary import MOST_SENTENCES, NO_MEANING, Wanted, summarise
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.results import Ranking
from rightsized.apps.search.types import Document, Found, Passage
from rightsized.core.errors import NotFoundError
from rightsized.core.generation import Caller
from rightsized.core.protocols import Encoded, Encoder
from rightsized.engines.fake import FakeEncoder
from rightsized.tasks.writing import no_writer


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    with taken_in(tmp_path_factory.mktemp("summary")) as made:
        yield made


PLAIN = Wanted()


def summary(sample: Sample, wanted: Wanted = PLAIN, encoder: Encoder | None = None) -> Summary:
    counter, encoder = counter_of(sample.encoder), encoder or sample.encoder
    return asyncio.run(summarise(sample.view, sample.contract.id, wanted, counter=counter, encoder=encoder))


def test_every_sentence_is_the_document_s_own(sample: Sample) -> None:
    text = sample.view.text(sample.contract.id)
    found = summary(sample)
    told = [*found.sentences, *(one for section in found.sections for one in section.sentences)]
    assert told and all(text[one.mark.start : one.mark.end] == one.text for one in told)
    assert [one.mark.start for one in found.sentences] == sorted(one.mark.start for one in found.sentences)


def test_every_section_is_told_with_its_own_sentences(sample: Sample) -> None:
    found = summary(sample)
    assert [one.path[-1].partition(". ")[2] for one in found.sections if len(one.path) > 1] == list(SUBJECTS)
    for section in found.sections:
        assert len(section.sentences) <= 2
        assert all(section.start <= one.mark.start < one.mark.end <= section.end for one in section.sentences)
    assert (
        sum(one.passages for one in found.sections) == found.passages == len(sample.view.passages(sample.contract.id))
    )


@pytest.mark.parametrize("budget", [32, 60, 200])
def test_the_whole_keeps_to_its_budget_and_repeats_nothing(sample: Sample, budget: int) -> None:
    found = summary(sample, Wanted(budget=budget))
    texts = [one.text for one in found.sentences]
    assert texts and len(set(texts)) == len(texts)
    assert found.tokens == len(" ".join(texts).split()) <= budget


def test_a_question_brings_what_it_asks_for(sample: Sample) -> None:
    found = summary(sample, Wanted("How is the liability of the supplier capped in a calendar year?", budget=60))
    assert any("capped at two million euros" in one.text for one in found.sentences)


def test_no_more_sentences_are_compared_than_said(sample: Sample) -> None:
    assert summary(sample).read <= MOST_SENTENCES


def test_without_the_encoder_words_are_compared_and_it_says_so(sample: Sample) -> None:
    found = summary(sample, encoder=FakeEncoder(dimension=16))
    assert found.notes == (NO_MEANING,) and found.sentences
    assert summary(sample).notes == ()


def test_an_empty_document_has_an_empty_summary() -> None:
    assert parts([]) == []
    assert centre(np.zeros((0, 4), np.float32)).tolist() == [0.0] * 4


class Watched(Counting):
    """The encoder of the sample, counting what it encodes."""

    encoded = 0

    async def encode(self, text: str) -> Encoded:
        self.encoded += 1
        return await super().encode(text)


class Open:
    """Views by principals, as the service of document search gives them."""

    writers = staticmethod(no_writer)

    def __init__(self, sample: Sample, encoder: Encoder) -> None:
        self._sample, self._encoder = sample, encoder

    def view(self, name: str, principals: Sequence[str]) -> View:
        return self._sample.board if "group:board" in principals else self._sample.view

    def encoder(self, name: str) -> Encoder:
        return self._encoder

    def ranking(self, name: str, caller: Caller) -> Ranking:
        return Ranking()


def test_a_remembered_summary_is_given_to_nobody_who_may_not_see_the_document(sample: Sample) -> None:
    encoder = Watched(dimension=64)
    documents = LongDocuments(Open(sample, encoder))
    board, everyone = Asking("docs", ("group:board",)), Asking("docs", ())
    first = asyncio.run(documents.summary(board, sample.memo.id, Wanted()))
    assert "Zorvex" in first.sentences[0].text
    before = encoder.encoded
    assert asyncio.run(documents.summary(board, sample.memo.id, Wanted())) == first and encoder.encoded == before
    with pytest.raises(NotFoundError, match="There is no document"):
        asyncio.run(documents.summary(everyone, sample.memo.id, Wanted()))
    asyncio.run(documents.summary(board, sample.memo.id, Wanted("Zorvex")))
    assert encoder.encoded > before


def passages(paths: Sequence[tuple[str, ...]]) -> list[Found]:
    known = Document("d", "folder:x", "d.txt", "c", "T", "text/plain", 1, 0.0, 0.0)
    return [Found(at, known, Passage(at, 10 * at, 10 * at + 9, "x" * 9, "x", path)) for at, path in enumerate(paths)]


@pytest.mark.parametrize(
    "paths",
    [
        [()] * 40,
        [("T",)] * 30,
        [("T", f"S{i // 3}") for i in range(30)],
        [(f"S{i}",) for i in range(100)],
        [("T", f"S{i // 10}", f"S{i}") for i in range(100)],
        [(f"S{i // 2}",) for i in range(1000)],
        [("A",), ("B",)] * 200,
        [(f"S{i % 7 // 5}", str(i)) for i in range(333)],
    ],
)
def test_parts_are_few_and_hold_every_passage_once(paths: list[tuple[str, ...]]) -> None:
    found = parts(passages(paths))
    assert 1 <= len(found) <= MOST_PARTS
    assert [one.first for one in found] == [0, *(one.last for one in found[:-1])] and found[-1].last == len(paths)
    for one in found:
        assert all(path[: len(one.path)] == one.path for path in paths[one.first : one.last])


def test_sections_are_parts_where_there_are_some() -> None:
    assert [one.path for one in parts(passages([("T", "A"), ("T", "A"), ("T", "B")]))] == [("T", "A"), ("T", "B")]
    assert len(parts(passages([()] * (3 * STRETCH)))) == 3


def test_vectors_of_words_are_near_for_shared_words() -> None:
    words = ByWords(["notice period of three months", "liability of the supplier", "notice by post"])
    near, other, same = asyncio.run(
        words.texts(["notice of months", "liability cap", "period of notice, three months"])
    )
    assert near @ same > near @ other
    assert unit(np.zeros((1, 3), np.float32)).tolist() == [[0.0, 0.0, 0.0]]

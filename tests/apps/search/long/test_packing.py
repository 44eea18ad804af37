"""Packing a context: never over the budget, in order, gaps marked, nothing twice, the best in, places exact."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from long_samples import Sample, taken_in

from rightsized.apps.search.long.counting import BOUND, LONGEST, Counter, counter_of, most_tokens, stretches
from rightsized.apps.search.long.laying import GAP
from rightsized.apps.search.long.packing import DEFAULT, LEAST_BUDGET, Packing, pack, packed
from rightsized.apps.search.long.records import Packed
from rightsized.apps.search.long.scoring import Scored, score
from rightsized.apps.search.long.trimming import best_run
from rightsized.core.errors import InputError, NotFoundError

QUESTION = "Is the liability of the supplier capped?"
WORDS = Counter(lambda text: len(text.split()), True)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    with taken_in(tmp_path_factory.mktemp("packing")) as made:
        yield made


def context(sample: Sample, budget: int, counter: Counter = WORDS, packing: Packing = DEFAULT) -> Packed:
    documents = [sample.contract.id]
    return asyncio.run(
        pack(sample.view, QUESTION, documents, budget, counter=counter, encoder=sample.encoder, packing=packing)
    )


@pytest.mark.parametrize("counter", [WORDS, BOUND, Counter(len, True)])
@pytest.mark.parametrize("budget", [LEAST_BUDGET, 50, 100, 333, 1000, 5000, 50_000])
def test_it_is_never_over_the_budget(sample: Sample, budget: int, counter: Counter) -> None:
    found = context(sample, budget, counter)
    assert counter.of(found.text) == found.tokens <= budget and found.exact == counter.exact


def test_the_passage_that_answers_is_in_under_its_heading_and_gaps_are_marked(sample: Sample) -> None:
    found = context(sample, 150)
    lines = found.text.splitlines()
    assert lines[0] == sample.contract.title and GAP in lines
    assert "capped at two million euros" in found.text
    assert any(line.startswith("7. Liability") or "> 7. Liability" in line for line in lines)


def test_parts_are_the_document_s_own_characters_in_order(sample: Sample) -> None:
    text = sample.view.text(sample.contract.id)
    found = context(sample, 400)
    assert [one.start for one in found.parts] == sorted(one.start for one in found.parts)
    for before, after in pairwise(found.parts):
        assert before.end <= after.start
    for one in found.parts:
        assert text[one.start : one.end] in found.text
        assert one.whole == (one.end - one.start == len(one.found.passage.text))
    assert found.left_out + len(found.parts) == len(sample.view.passages(sample.contract.id))


def test_with_room_for_everything_all_of_it_is_there_without_a_gap(sample: Sample) -> None:
    found = context(sample, 50_000)
    assert not found.left_out and GAP not in found.text
    assert found.text.split()[-20:] == sample.view.text(sample.contract.id).split()[-20:]


def test_more_room_brings_no_less_of_what_matters(sample: Sample) -> None:
    scores = [max((one.score for one in context(sample, budget).parts), default=0.0) for budget in (40, 80, 160, 640)]
    assert scores == sorted(scores)


def test_equal_input_gives_equal_contexts(sample: Sample) -> None:
    assert context(sample, 300) == context(sample, 300)


def test_the_rest_is_filled_with_sentences(sample: Sample) -> None:
    with_, without = context(sample, 100), context(sample, 100, packing=Packing(sentences=False))
    assert with_.tokens >= without.tokens and all(one.whole for one in without.parts)


def test_a_chosen_neighbour_draws_the_passage_beside_it(sample: Sample) -> None:
    def adjoining(found: Packed) -> int:
        places = [one.found.passage.ordinal for one in found.parts]
        return sum(b - a == 1 for a, b in pairwise(places))

    assert adjoining(context(sample, 500, packing=Packing(beside=0.9))) > adjoining(
        context(sample, 500, packing=Packing(beside=0.0))
    )


def test_novelty_takes_what_is_unlike(sample: Sample) -> None:
    def likeness(found: Packed) -> float:
        vectors = sample.view.vectors([one.found.row for one in found.parts])
        return float(((vectors @ vectors.T).sum() - len(vectors)) / max(1, len(vectors) * (len(vectors) - 1)))

    plain = context(sample, 500, packing=Packing(novelty=0.0, beside=0.0))
    unlike = context(sample, 500, packing=Packing(novelty=0.8, beside=0.0))
    assert likeness(unlike) < likeness(plain)


def test_what_says_the_same_is_taken_once(sample: Sample) -> None:
    scored = asyncio.run(score(sample.view, QUESTION, [sample.contract.id], encoder=sample.encoder))
    twice = Scored(
        [*scored.found, *scored.found], np.tile(scored.scores, 2), np.tile(scored.lexical, 2), np.tile(scored.dense, 2),
        scored.words,
    )  # fmt: skip
    found = packed(sample.view, twice, 50_000, WORDS)
    rows = [one.found.row for one in found.parts]
    assert len(rows) == len(set(rows))


def test_a_hidden_document_is_not_packed(sample: Sample) -> None:
    with pytest.raises(NotFoundError):
        asyncio.run(pack(sample.view, QUESTION, [sample.memo.id], 100, counter=WORDS, encoder=sample.encoder))
    both = [sample.contract.id, sample.memo.id]
    found = asyncio.run(pack(sample.board, "Zorvex", both, 200, counter=WORDS, encoder=sample.encoder))
    assert "Zorvex" in found.text and sample.memo.title in found.text.splitlines()


def test_a_budget_that_holds_no_sentence_is_refused(sample: Sample) -> None:
    with pytest.raises(InputError, match="too small"):
        context(sample, LEAST_BUDGET - 1)


@pytest.mark.parametrize("text", ["plain words", "naïve café", "契約書の解除", "🙂🙂", "\udcff", ""])
def test_the_bound_counts_a_token_a_byte(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    assert most_tokens(text) == (len(raw) + 1 if raw else 0)


def test_long_texts_are_counted_in_stretches(sample: Sample) -> None:
    text = "word " * LONGEST
    assert "".join(stretches(text)) == text and max(map(len, stretches(text))) <= LONGEST
    assert counter_of(sample.encoder).of(text) == LONGEST
    assert list(stretches("x" * (LONGEST + 1))) == ["x" * LONGEST, "x"]


def test_the_best_run_of_sentences_holds_the_question_s_words() -> None:
    text = "Fees are due in May. The supplier is liable for theft. Notices are sent by post. Nothing else."
    span = best_run(text, "liable theft", 6, WORDS.of)
    assert span is not None and text[slice(*span)] == "The supplier is liable for theft."
    wider = best_run(text, "liable theft", 12, WORDS.of)
    assert wider is not None and wider[0] <= span[0] and wider[1] > span[1]
    assert best_run(text, "liable", 1, WORDS.of) is None

"""Written summaries: each sentence is traced to passages, what nothing bears out goes no further, failures are told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from long_samples import FILLER, SPECIAL, Sample, taken_in

from rightsized.apps.search.long.records import WrittenSummary
from rightsized.apps.search.long.written import MAP, REDUCE, write_summary
from rightsized.core.errors import ForbiddenError, NotFoundError, UpstreamError
from rightsized.tasks.writing import FakeTextWriter, Prompt, Text, TextWriter, tokens_of

CAPPED = SPECIAL["Liability"]
INVENTED = "The supplier pays nine million euros [1]."


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    with taken_in(tmp_path_factory.mktemp("written"), clauses=12) as made:
        yield made


def copying(prompt: Prompt) -> str:
    """Copies what matters word for word, with its number, as a model told to would; invents something each time."""
    said = [INVENTED]
    for number, one in enumerate(prompt.excerpts, 1):
        for sentence in [*SPECIAL.values(), FILLER[0].format(subject="services 1")]:
            if sentence in one.text:
                said.append(f"{sentence.removesuffix('.')} [{number}].")
    return " ".join(said)


def written(sample: Sample, writer: TextWriter, question: str = "") -> WrittenSummary:
    return asyncio.run(write_summary(sample.view, sample.contract.id, question, writer=writer))


def test_every_sentence_at_the_end_is_traced_to_the_document(sample: Sample) -> None:
    writer = FakeTextWriter(copying, context=2600)
    found = written(sample, writer)
    assert found.status == "written" and not found.unread
    assert {one.text for one in found.sentences} >= set(SPECIAL.values())
    text = sample.view.text(sample.contract.id)
    for one in found.sentences:
        assert one.citations
        for place in one.citations:
            assert text[place.mark.start : place.mark.end] == place.text and one.text in place.text
    maps = [one for one in found.steps if one.kind == "map"]
    assert len(maps) > 1 and len(found.steps) > len(maps)
    assert [place for one in maps for place in range(one.first, one.last)] == list(range(found.passages))
    assert "no certificate" in found.promise


def test_what_nothing_bears_out_goes_no_further(sample: Sample) -> None:
    writer = FakeTextWriter(copying, context=2600)
    found = written(sample, writer)
    assert not any("nine million" in one.text for one in found.sentences)
    assert found.left_out >= len([one for one in writer.prompts if one.instructions == MAP])
    joins = [one for one in writer.prompts if one.instructions == REDUCE]
    assert joins and not any("nine million" in excerpt.text for one in joins for excerpt in one.excerpts)


def test_every_prompt_fits_what_the_model_reads(sample: Sample) -> None:
    writer = FakeTextWriter(copying, context=1900)
    written(sample, writer, "What is the liability capped at?")
    assert len(writer.prompts) > 3 and all(tokens_of(one) <= 1900 for one in writer.prompts)
    assert all("What is the liability capped at?" in one.question for one in writer.prompts)


def test_a_citation_of_nothing_or_of_another_passage_is_worth_nothing(sample: Sample) -> None:
    for mark in ("", "[999]", "[1]"):
        writer = FakeTextWriter([f"{CAPPED.removesuffix('.')} {mark}."], context=100_000)
        found = written(sample, writer)
        assert CAPPED not in writer.prompts[0].excerpts[0].text
        assert found.status == "abstained" and found.sentences == () and found.left_out == found.written == 1


def test_a_part_that_cannot_be_read_is_named_with_the_reason(sample: Sample) -> None:
    failed: list[str] = []

    def fails_once(prompt: Prompt) -> str:
        if not failed and any(CAPPED in one.text for one in prompt.excerpts):
            failed.append(prompt.excerpts[0].text)
            raise UpstreamError("The model server went away.", retryable=False)
        return copying(prompt)

    found = written(sample, FakeTextWriter(fails_once, context=2600))
    assert found.status == "partial"
    (unread,) = found.unread
    text = sample.view.text(sample.contract.id)
    assert CAPPED in text[unread.start : unread.end] and "went away" in unread.reason
    assert CAPPED not in {one.text for one in found.sentences} and "1 of" in found.notes[0]


def test_a_person_s_turn_is_a_failed_step(sample: Sample) -> None:
    def nobody(prompt: Prompt) -> Text:
        return Text("", reason="internal data may not be sent there")

    class Passed(FakeTextWriter):
        async def write(self, prompt: Prompt) -> Text:
            return nobody(prompt)

    found = written(sample, Passed([]))
    assert found.status == "abstained" and "internal data may not be sent there" in found.unread[0].reason


def test_notes_that_cannot_be_joined_stand_one_after_the_other(sample: Sample) -> None:
    def no_joins(prompt: Prompt) -> str:
        if prompt.instructions == REDUCE:
            raise UpstreamError("It broke.", retryable=False)
        return copying(prompt)

    found = written(sample, FakeTextWriter(no_joins, context=2600))
    assert found.status == "partial" and {one.text for one in found.sentences} >= set(SPECIAL.values())
    assert any("could not be joined" in note for note in found.notes)


def test_instructions_in_the_document_are_material(sample: Sample) -> None:
    writer = FakeTextWriter(copying, context=2600)
    written(sample, writer)
    assert all(
        one.text and "numbered passages" in prompt.instructions for prompt in writer.prompts for one in prompt.excerpts
    )
    assert all(one.text not in prompt.instructions for prompt in writer.prompts for one in prompt.excerpts)


def test_a_document_that_is_hidden_is_not_read_to_anybody(sample: Sample) -> None:
    writer = FakeTextWriter(copying)
    with pytest.raises(NotFoundError, match="There is no document"):
        asyncio.run(write_summary(sample.view, sample.memo.id, "", writer=writer))
    assert not writer.prompts


def test_what_may_not_be_read_by_any_model_ends_it(sample: Sample) -> None:
    with pytest.raises(ForbiddenError):
        written(sample, FakeTextWriter([ForbiddenError("No tier may take this.")] * 99, context=2600))

"""Embeddings, rerank and filling in the middle, on real tiny models."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rightsized.core.errors import ConfigError, ContextLengthError, InputError, RightsizedError, UnsupportedError
from rightsized.core.generation import Completion, Generation
from rightsized.engines.llamacpp.fim import Marks, marks_of
from rightsized.engines.llamacpp.generator import LlamaCppGenerator
from rightsized.store.gguf import read_header
from tests.engines.tiny_gguf import FIM, WIDTH, folder, model, running, vocabulary, write_reranker

MEAN = {"operations": ("chat", "completions", "embeddings"), "options": {"pooling": "mean"}}
DOCUMENTS = ["the cat sat", "bank money", "a red fox ran", "the cat sat"]


def with_engine(use: Callable[[LlamaCppGenerator], Awaitable[Any]], place: Path | None = None, **settings: Any) -> Any:
    async def scenario() -> Any:
        async with running(place or model(), **settings) as engine:
            return await use(engine)

    return asyncio.run(scenario())


def embed(engine: LlamaCppGenerator, given: Any, **fields: Any) -> Awaitable[Completion]:
    return engine.generate(Generation("embeddings", {"input": given, **fields}))


def vectors(answer: Completion) -> np.ndarray:
    return np.array([row["embedding"] for row in answer.body["data"]])


def test_embeddings_are_unit_vectors_in_the_order_of_the_texts() -> None:
    async def use(engine: LlamaCppGenerator) -> None:
        one, other = vectors(await embed(engine, "cats")), vectors(await embed(engine, "dogs"))
        answer = await embed(engine, ["cats", "dogs", "cats"])
        found = vectors(answer)
        assert found.shape == (3, WIDTH)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(found, np.concatenate([one, other, one]), atol=1e-5)
        assert [row["index"] for row in answer.body["data"]] == [0, 1, 2]
        assert answer.usage.prompt_tokens == 3 * len("-cats")  # a start token and one a character
        assert (answer.text, answer.body["object"], answer.body["model"]) == ("", "list", "small")

    with_engine(use, **MEAN)


def test_base64_holds_the_same_numbers() -> None:
    async def use(engine: LlamaCppGenerator) -> None:
        plain = vectors(await embed(engine, "cats"))[0]
        coded = (await embed(engine, "cats", encoding_format="base64")).body["data"][0]["embedding"]
        np.testing.assert_allclose(np.frombuffer(base64.b64decode(coded), "<f4"), plain, atol=1e-6)

    with_engine(use, **MEAN)


def test_a_model_that_embeds_still_writes() -> None:
    asked = Generation("completions", {"prompt": "ab", "max_tokens": 8, "temperature": 0})

    async def use(engine: LlamaCppGenerator) -> str:
        return (await engine.generate(asked)).text

    assert with_engine(use, **MEAN) == with_engine(use)


def test_a_long_text_is_embedded_whole_or_refused() -> None:
    async def use(engine: LlamaCppGenerator) -> None:
        near, far = vectors(await embed(engine, ["a" * 600 + "b" * 300, "a" * 900]))
        assert np.dot(near, far) < 0.999  # more than one usual pass of 512 tokens, and all of it counts
        with pytest.raises(ContextLengthError):
            await embed(engine, "a" * 1100)

    with_engine(use, model(context=1024), **MEAN)


def test_embeddings_refuse_what_they_cannot_do() -> None:
    async def use(engine: LlamaCppGenerator) -> None:
        cases: list[tuple[type[RightsizedError], dict[str, Any]]] = [
            (UnsupportedError, {"input": "a", "dimensions": 8}),
            (UnsupportedError, {"input": "a", "truncate": True}),
            (InputError, {"input": []}),
            (InputError, {"input": ""}),
            (InputError, {}),
            (InputError, {"input": "a", "encoding_format": "hex"}),
            (InputError, {"input": {"text": "a"}}),
        ]
        for kind, body in cases:
            with pytest.raises(kind):
                await engine.generate(Generation("embeddings", body))
        with pytest.raises(UnsupportedError, match="nothing to stream"):
            await anext(engine.stream(Generation("embeddings", {"input": "a"})))

    with_engine(use, **MEAN)


def test_embeddings_without_a_known_pooling_are_refused_at_the_start() -> None:
    async def nothing(engine: LlamaCppGenerator) -> None:
        raise AssertionError("it started")

    with pytest.raises(ConfigError, match="does not say how"):
        with_engine(nothing, operations=("embeddings",))
    with pytest.raises(ConfigError, match="one or the other"):
        with_engine(nothing, operations=("embeddings", "rerank"))


def rerank(engine: LlamaCppGenerator, **fields: Any) -> Awaitable[Completion]:
    return engine.generate(Generation("rerank", {"query": "the cat", "documents": DOCUMENTS, **fields}))


def test_rerank_puts_the_best_first() -> None:
    async def use(engine: LlamaCppGenerator) -> None:
        answer = await rerank(engine)
        rows = answer.body["results"]
        scores = [row["relevance_score"] for row in rows]
        assert scores == sorted(scores, reverse=True)
        assert sorted(row["index"] for row in rows) == [0, 1, 2, 3]
        by_place = {row["index"]: row["relevance_score"] for row in rows}
        assert by_place[0] == pytest.approx(by_place[3], abs=1e-3)
        assert len({round(score, 2) for score in scores}) == 3
        assert answer.usage.prompt_tokens > 0
        assert "document" not in rows[0]

    with_engine(use, reranker(), operations=("rerank",))


def test_isolated_scores_and_vectors_have_the_same_bits_in_any_company() -> None:
    async def scores(engine: LlamaCppGenerator) -> None:
        together = {row["index"]: row["relevance_score"] for row in (await rerank(engine)).body["results"]}
        for place, document in enumerate(DOCUMENTS):
            [row] = (await rerank(engine, documents=[document])).body["results"]
            assert row["relevance_score"] == together[place]

    async def embeddings(engine: LlamaCppGenerator) -> None:
        texts = ["cats", "dogs and more", "a", "cats"]
        together = vectors(await embed(engine, texts))
        for text, row in zip(texts, together, strict=True):
            assert (vectors(await embed(engine, text))[0] == row).all()

    with_engine(scores, reranker(), operations=("rerank",), options={"isolated": True})
    with_engine(embeddings, operations=("embeddings",), options={"isolated": True, "pooling": "mean"})


def test_rerank_returns_as_many_as_asked_with_their_texts() -> None:
    async def use(engine: LlamaCppGenerator) -> None:
        given = [{"text": document} for document in DOCUMENTS]
        rows = (await rerank(engine, documents=given, top_n=2, return_documents=True)).body["results"]
        assert len(rows) == 2
        assert all(row["document"]["text"] == DOCUMENTS[row["index"]] for row in rows)
        for body in ({"documents": []}, {"documents": [1]}, {"query": ""}, {"top_n": 0}):
            with pytest.raises(InputError):
                await rerank(engine, **body)
        with pytest.raises(ContextLengthError):
            await rerank(engine, documents=["the cat sat " * 200])

    with_engine(use, reranker(), operations=("rerank",))


def test_a_model_that_only_reads_says_so_when_asked_to_write() -> None:
    async def use(engine: LlamaCppGenerator) -> None:
        with pytest.raises(UnsupportedError, match="logits"):
            await engine.generate(Generation("completions", {"prompt": "the cat"}))

    with_engine(use, reranker(), operations=("completions", "embeddings"), options={"pooling": "cls"})


def reranker() -> Path:
    return write_reranker(folder() / "reranker.gguf")


def fill(engine: LlamaCppGenerator, before: Any, after: Any) -> Awaitable[Completion]:
    body = {"prompt": before, "suffix": after, "max_tokens": 8, "temperature": 0}
    return engine.generate(Generation("completions", body))


def test_the_hole_stands_between_the_marks_of_the_model() -> None:
    words = vocabulary(fim=True)
    prefix, suffix, middle = (words.pieces.index(mark.encode()) for mark in FIM)
    spelled = [[words.pieces.index(c.encode()) for c in text] for text in ("ab", "cd")]
    by_hand = [1, prefix, *spelled[0], suffix, *spelled[1], middle]

    async def use(engine: LlamaCppGenerator) -> None:
        filled = await fill(engine, "ab", "cd")
        written = await engine.generate(
            Generation("completions", {"prompt": by_hand, "max_tokens": 8, "temperature": 0})
        )
        assert filled.text == written.text
        assert filled.usage.prompt_tokens == len(by_hand) == 8
        assert filled.text != (await fill(engine, "ab", "ce")).text
        assert [c["text"] for c in (await fill(engine, ["ab", "ab"], "cd")).body["choices"]] == [filled.text] * 2

    with_engine(use, model(fim=True))


def test_source_code_that_holds_a_mark_does_not_move_the_hole() -> None:
    async def use(engine: LlamaCppGenerator) -> None:
        filled = await fill(engine, "a<fim_suffix>b", "cd")
        assert filled.usage.prompt_tokens == 1 + 3 + len("a<fim_suffix>b") + len("cd")

    with_engine(use, model(fim=True))


def test_nothing_is_cut_from_a_long_file() -> None:
    async def use(engine: LlamaCppGenerator) -> None:
        assert (await fill(engine, "a" * 900, "b" * 900)).usage.prompt_tokens == 1 + 3 + 1800
        with pytest.raises(ContextLengthError):
            await fill(engine, "a" * 1100, "b" * 1000)
        with pytest.raises(InputError, match="a text"):
            await fill(engine, [1, 2], "b")

    with_engine(use, model(fim=True, context=2048))


def test_a_model_without_marks_says_so() -> None:
    async def use(engine: LlamaCppGenerator) -> None:
        with pytest.raises(UnsupportedError, match="names no such tokens"):
            await fill(engine, "ab", "cd")
        plain = await engine.generate(Generation("completions", {"prompt": "ab", "suffix": "", "max_tokens": 4}))
        assert plain.usage.prompt_tokens == 3

    with_engine(use)


def test_marks_are_read_from_the_file() -> None:
    first = len(vocabulary(fim=True).pieces) - 3
    assert marks_of(read_header(model(fim=True))) == Marks(first, first + 1, first + 2, 1)
    assert marks_of(read_header(model())) is None

"""Cross-encoders: pulled like an encoder, cut to what they read, bounded, and independent of their neighbours."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from rightsized.core.config import EngineConfig
from rightsized.core.egress import Egress
from rightsized.core.errors import BusyError, IntegrityError, NotFoundError, StoreError
from rightsized.engines.reranker import OnnxReranker, PairTokenizer
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.encoders import pull_encoder
from rightsized.tasks.rerankers import open_reranker
from tiny_encoder import write_tiny_encoder
from tiny_reranker import write_tiny_reranker

PASSAGES = ["ab cd", "the fee", "x", "a b c d e f g h i j k l m n o p q r s t u v w x y z"]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    store = ModelStore(Home(tmp_path / "home").ensure())
    checkpoint = write_tiny_reranker(tmp_path / "checkpoint")
    pull_encoder(str(checkpoint), store=store, egress=Egress(), name="tiny")
    return store


def test_a_pulled_cross_encoder_is_a_reranker(store: ModelStore) -> None:
    card = store.card("tiny")
    assert card.engine == "reranker" and card.context == 24
    assert card.parameters > 0 and card.licence == "mit"
    assert 0.9 < card.variants[card.default_variant].cosine <= 1.0


def test_scores_do_not_depend_on_neighbours(store: ModelStore) -> None:
    opened = open_reranker("tiny", store)
    alone = [opened.score_now("what fee", passage) for passage in PASSAGES]
    together = asyncio.run(opened.scores("what fee", PASSAGES * 3))
    assert together.dtype == np.float32 and together.shape == (12,)
    np.testing.assert_array_equal(together, np.array(alone * 3, np.float32))
    assert len(set(alone)) == len(PASSAGES)
    opened.close()


def test_question_and_passage_are_told_apart(store: ModelStore) -> None:
    opened = open_reranker("tiny", store)
    assert opened.score_now("a b", "c d") != opened.score_now("c d", "a b")
    assert asyncio.run(opened.scores("a\x1fb", ["c"]))[0] == pytest.approx(opened.score_now("a b", "c"))
    opened.close()


def test_what_does_not_fit_is_cut_from_the_passage_first(tmp_path: Path) -> None:
    definition = (write_tiny_reranker(tmp_path) / "tokenizer.json").read_bytes()
    tokenize = PairTokenizer(definition, max_tokens=13)  # three of them special
    pair = tokenize("a b c", "d " * 30)
    assert pair.ids.shape == (1, 13) and pair.types[0].tolist() == [0] * 5 + [1] * 8
    both = tokenize("a " * 30, "d " * 30)
    assert both.types[0].tolist() == [0] * 7 + [1] * 6
    short = tokenize("a " * 30, "d")
    assert short.types[0].tolist() == [0] * 11 + [1] * 2


def test_a_full_pool_refuses(store: ModelStore) -> None:
    opened = open_reranker("tiny", store, EngineConfig(sessions=1, queue=2))
    with pytest.raises(BusyError):
        asyncio.run(opened.scores("q", [f"{chr(97 + i)}" for i in range(20)]))
    opened.close()


def test_the_digest_follows_the_weights(store: ModelStore, tmp_path: Path) -> None:
    pull_encoder(str(write_tiny_reranker(tmp_path / "two", seed=2)), store=store, egress=Egress(), name="two")
    first, second = open_reranker("tiny", store), open_reranker("two", store)
    exact = open_reranker("tiny", store, variant="fp32")
    assert first.model.startswith("sha256:") and len({first.model, second.model, exact.model}) == 3


def test_other_models_are_refused(store: ModelStore, tmp_path: Path) -> None:
    pull_encoder(str(write_tiny_encoder(tmp_path / "plain")), store=store, egress=Egress(), name="plain")
    with pytest.raises(NotFoundError, match="is no reranker"):
        open_reranker("plain", store)
    with pytest.raises(NotFoundError, match="no variant"):
        open_reranker("tiny", store, variant="int2")
    with pytest.raises(NotFoundError):
        open_reranker("absent", store)


def test_an_altered_file_is_refused(store: ModelStore) -> None:
    folder, card = store.folder("tiny"), store.card("tiny")
    name = card.variants[card.default_variant].file
    (folder / name).chmod(0o644)
    (folder / name).write_bytes((folder / name).read_bytes()[:-1] + b"\0")
    with pytest.raises(IntegrityError):
        OnnxReranker(folder, replace(card))


def test_several_scores_are_no_reranker(tmp_path: Path) -> None:
    store = ModelStore(Home(tmp_path / "home").ensure())
    checkpoint = write_tiny_reranker(tmp_path / "three", scores=3)
    card = pull_encoder(str(checkpoint), store=store, egress=Egress(), name="three")
    assert card.engine == "onnx"  # read as the encoder it is built on
    with pytest.raises(NotFoundError):
        open_reranker("three", store)


def test_a_checkpoint_without_head_is_refused(tmp_path: Path) -> None:
    checkpoint = write_tiny_reranker(tmp_path / "tiny")
    from safetensors.numpy import load_file, save_file

    kept = {k: v for k, v in load_file(checkpoint / "model.safetensors").items() if not k.startswith("classifier")}
    save_file(kept, checkpoint / "model.safetensors")
    store = ModelStore(Home(tmp_path / "home").ensure())
    with pytest.raises((IntegrityError, StoreError), match=r"classifier\.weight"):
        pull_encoder(str(checkpoint), store=store, egress=Egress(), name="tiny")

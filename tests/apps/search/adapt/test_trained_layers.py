"""The encoder's layers trained by torch, in a Python of its own: the same network, learning, going on after a stop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from adapt_samples import BASE, NAME, World, world

from rightsized.apps.search.adapt.adapting import adapt
from rightsized.apps.search.adapt.judging import MAIN
from rightsized.apps.search.adapt.mining import mine
from rightsized.apps.search.adapt.negatives import mine_negatives
from rightsized.apps.search.adapt.records import AdaptOptions, Mined
from rightsized.apps.search.adapt.training import Base, Made, texts_of, trained_on
from rightsized.compress.probes import PROBES
from rightsized.compress.weights import PROJECTION
from rightsized.core.errors import JobError
from rightsized.tasks.adapted import install_reweighed, weights_of
from rightsized.tasks.encoders import open_encoder
from rightsized.tune.contrastive import Settings, Texts, embed, hand_over

pytestmark = [pytest.mark.needs_parity, pytest.mark.slow]
ROOT = Path(__file__).parents[4]
OPTIONS = AdaptOptions(method="layers", epochs=24, rate=5e-3, mix=1.0, threads=1)
SHORT = AdaptOptions(method="layers", epochs=8, rate=5e-3, mix=1.0, threads=1)


@pytest.fixture(scope="module")
def python() -> str:
    path = Path(os.environ.get("RIGHTSIZED_PARITY_PYTHON", ROOT / ".venvs" / "parity" / "bin" / "python"))
    if not path.exists():
        pytest.skip(f"no Python with torch at {path}; set RIGHTSIZED_PARITY_PYTHON")
    return str(path)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    made = world(tmp_path)
    yield made
    made.collection.close()
    made.encoder.close()


def mined(made: World) -> Mined:
    view = made.collection.view(())
    pairs, left_out = mine(view, [], OPTIONS)
    return Mined(tuple(pairs), tuple(mine_negatives(view, pairs, made.encoder, 0)), left_out)


def train(made: World, python: str, folder: Path, **more: object) -> Made:
    """Train for 32 steps."""
    return trained_on(mined(made), Base(made.store, BASE, made.encoder, python), folder, SHORT, **more)  # type: ignore[arg-type]  # as given


def by_torch(python: str, folder: Path, made: World, name: str) -> np.ndarray:
    """Vectors of the probes by the installed weights of a model, in torch."""
    plan, arrays = weights_of(made.store, name)
    ids = [made.encoder.prepare(text).ids[0].astype(np.int32) for text in PROBES]
    numbers = np.arange(len(ids))
    texts = Texts(ids, np.zeros((1, 2), np.int64), np.full((1, 1), -1), numbers, numbers)
    hand_over(folder, arrays, plan._asdict(), texts, Settings())
    return embed(python, folder)


def by_graph(made: World, name: str) -> np.ndarray:
    encoder = open_encoder(name, made.store, variant="fp32")
    vectors = encoder.encode_all_now(PROBES).vectors
    encoder.close()
    return vectors


@pytest.mark.parametrize("name", ["random", BASE])
def test_torch_computes_what_the_graph_computes(name: str, python: str, tmp_path: Path, made: World) -> None:
    np.testing.assert_allclose(by_torch(python, tmp_path / "w", made, name), by_graph(made, name), atol=1e-5)


def test_a_linear_map_is_part_of_the_network(python: str, tmp_path: Path, made: World) -> None:
    matrix = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    install_reweighed(made.store, "random", "mapped", {PROJECTION: matrix}, b"{}")
    found = by_torch(python, tmp_path / "w", made, "mapped")
    np.testing.assert_allclose(found, by_graph(made, "mapped"), atol=1e-5)
    assert not np.allclose(found, by_graph(made, "random"), atol=1e-2)


def test_layers_learn_and_are_installed_and_serve(python: str, tmp_path: Path, made: World) -> None:
    report = adapt(made.collection, Base(made.store, BASE, made.encoder, python), made.questions, OPTIONS)
    assert report.kept and report.deciding is not None
    before, after, _ = report.deciding.served[MAIN]
    assert after.mean > before.mean + 0.03
    assert report.trained.method == "layers" and report.trained.memory_mb > 50
    assert made.collection.view(()).encoder == report.digest
    np.testing.assert_allclose(
        by_torch(python, tmp_path / "w", made, report.model), by_graph(made, report.model), atol=1e-5
    )
    _, old = weights_of(made.store, BASE)
    _, new = weights_of(made.store, report.model)
    changed = {name for name in old if not np.array_equal(old[name], new[name])}
    assert changed and all(name.startswith(("layer.0.", "layer.1.")) for name in changed)
    assert "layer.0.norm.weight" not in changed


def test_layers_that_are_no_better_leave_no_trace(python: str, made: World) -> None:
    options = AdaptOptions(method="layers", epochs=0.3, rate=1e-8, threads=1)
    names = [card.name for card in made.store.list()]
    report = adapt(made.collection, Base(made.store, BASE, made.encoder, python), made.questions, options)
    assert not report.kept
    assert [card.name for card in made.store.list()] == names
    assert made.collection.view(()).encoder == made.encoder.digest
    with made.collection.writing() as writer:
        assert writer.reader.encoder(report.digest) == (0, 0)


def test_training_that_was_stopped_goes_on_and_ends_alike(python: str, tmp_path: Path, made: World) -> None:
    whole = train(made, python, tmp_path / "whole")
    steps: list[int] = []

    def progress(stage: str, done: int, total: int) -> None:
        steps.append(done)

    with pytest.raises(JobError, match="goes on from its checkpoint"):
        train(made, python, tmp_path / "cut", progress=progress, cancelled=lambda: bool(steps) and steps[-1] >= 10)
    assert list((tmp_path / "cut").glob("*/checkpoint.safetensors"))
    steps.clear()
    again = train(made, python, tmp_path / "cut", progress=progress)
    assert steps[0] > 10
    for name, value in whole.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], value)


def test_texts_are_cut_and_numbered(made: World) -> None:
    texts = texts_of(mined(made), made.encoder, AdaptOptions(most_tokens=8))
    assert max(len(one) for one in texts.ids) == 8
    assert {int(one[-1]) for one in texts.ids} == {int(made.encoder.prepare("a").ids[0, -1])}
    assert len(texts.pairs) == 140 and texts.held_out == 14
    asks, partners = texts.pairs[:, 0], texts.pairs[:, 1]
    assert not set(asks.tolist()) & set(partners.tolist())
    assert len(set(texts.document[partners].tolist())) == 140


def test_a_child_that_fails_says_why(python: str, tmp_path: Path, made: World) -> None:
    (tmp_path / "w").mkdir()
    with pytest.raises(JobError, match=r"order\.json"):
        embed(python, tmp_path / "w")
    assert made.collection.name == NAME

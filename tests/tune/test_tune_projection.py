"""The linear map behind an encoder: its slope is right, what may answer is no negative, one seed gives one map."""

from __future__ import annotations

import numpy as np
import pytest

from rightsized.tune.projection import Fit, Vectors, _Batch, applied, fit_projection

N, WIDTH = 80, 12


def vectors(seed: int = 0, negatives: int = N, held_out: int = 16) -> Vectors:
    """What asks is its partner, seen through one rotation and some noise."""
    random = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(random.standard_normal((WIDTH, WIDTH)))
    partners = unit(random.standard_normal((N, WIDTH)))
    return Vectors(
        asks=unit(partners + partners @ turn + 0.1 * random.standard_normal((N, WIDTH))),
        partners=partners,
        negatives=unit(random.standard_normal((negatives, WIDTH))),
        of=np.arange(negatives),
        document=np.arange(N),
        asked=np.arange(N),
        said=np.arange(N),
        negative_document=N + np.arange(negatives),
        negative_said=N + np.arange(negatives),
        held_out=held_out,
    )


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def test_the_slope_is_that_of_the_loss() -> None:
    given = vectors()._replace(document=np.arange(N) // 2, asked=np.arange(N) // 3)
    exact = given._replace(**{n: getattr(given, n).astype(np.float64) for n in ("asks", "partners", "negatives")})
    rows = np.arange(20)
    matrix = np.eye(WIDTH) + 0.1 * np.random.default_rng(1).standard_normal((WIDTH, WIDTH))
    slope = _Batch(exact, rows, matrix, 20.0).slope()
    step = 1e-5
    for at in ((0, 0), (3, 7), (11, 2), (5, 5)):
        up, down = matrix.copy(), matrix.copy()
        up[at] += step
        down[at] -= step
        change = (_Batch(exact, rows, up, 20.0).loss - _Batch(exact, rows, down, 20.0).loss) / (2 * step)
        assert slope[at] == pytest.approx(change, rel=1e-3, abs=1e-6)


def test_it_learns_what_the_domain_calls_things() -> None:
    found = fit_projection(vectors(), Fit(epochs=60, batch=16, rate=0.01))
    assert found.after > found.before + 0.1
    assert found.steps == 240


def test_the_same_vectors_and_seed_give_the_same_map() -> None:
    first, again, other = (fit_projection(vectors(), Fit(seed=seed)).matrix for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_without_learning_the_map_is_the_identity() -> None:
    found = fit_projection(vectors(), Fit(rate=0.0))
    assert np.array_equal(found.matrix, np.eye(WIDTH, dtype=np.float32)) and found.before == found.after
    given = vectors().asks
    np.testing.assert_allclose(applied(given, found.matrix), given, atol=1e-6)


@pytest.mark.parametrize("numbers", ["document", "said", "asked"])
def test_what_may_answer_is_no_negative(numbers: str) -> None:
    given = vectors(negatives=0)
    alone = given._replace(**{numbers: np.zeros(N, np.int64)})
    rows, matrix = np.arange(16), np.eye(WIDTH, dtype=np.float32)
    assert _Batch(given, rows, matrix, 20.0).loss > 0.01
    assert _Batch(alone, rows, matrix, 20.0).loss == pytest.approx(0, abs=1e-6)
    assert not _Batch(alone, rows, matrix, 20.0).slope().any()


def test_mined_negatives_come_with_their_pairs_alone() -> None:
    with_them, without = vectors(), vectors(negatives=0)
    rows, matrix = np.arange(16), np.eye(WIDTH, dtype=np.float32)
    assert _Batch(with_them, rows, matrix, 20.0).loss > _Batch(without, rows, matrix, 20.0).loss
    far = with_them._replace(of=np.full(N, 70))
    assert _Batch(far, rows, matrix, 20.0).loss == _Batch(without, rows, matrix, 20.0).loss


def test_few_pairs_and_none_kept_back() -> None:
    found = fit_projection(vectors(held_out=0)._replace(of=np.zeros(N, np.int64)), Fit(batch=500, epochs=2))
    assert (found.before, found.after) == (0.0, 0.0) and found.steps == 1

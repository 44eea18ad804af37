"""The domain of a cascade: what is unlike the train prompts lies outside, by a limit that train rows alone set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rightsized.core.errors import IntegrityError
from rightsized.engines.domain import FILE, Domain, open_domain
from rightsized.tune.domain import FEWEST, MOST_PROMPTS, OUTSIDE_SHARE, fit_domain

RANDOM = np.random.default_rng(3)
WIDE = 32


def near(count: int) -> np.ndarray:
    """Prompts about one thing: around a direction."""
    return (RANDOM.normal(size=(count, WIDE)) * 0.3 + np.eye(WIDE)[0]).astype(np.float32)


def test_a_stranger_lies_outside_and_a_fresh_prompt_of_the_kind_does_not() -> None:
    fitted = fit_domain(near(500))
    assert fitted is not None
    assert fitted.outside.mean() <= OUTSIDE_SHARE
    fresh = [bool(fitted.domain.outside(vector)) for vector in near(500)]
    assert np.mean(fresh) <= 0.04
    strangers = (RANDOM.normal(size=(200, WIDE)) * 0.3 - np.eye(WIDE)[0]).astype(np.float32)
    assert all("too unlike" in fitted.domain.outside(vector) for vector in strangers)


def test_a_vector_that_is_no_number_lies_outside() -> None:
    fitted = fit_domain(near(200))
    assert fitted is not None
    assert fitted.domain.outside(np.full(WIDE, np.nan, np.float32))


def test_a_conversation_is_not_measured_against_itself() -> None:
    vectors = near(300)
    twice = np.concatenate([vectors, vectors + 1e-3])
    alone = fit_domain(twice)
    grouped = fit_domain(twice, [str(i % 300) for i in range(600)])
    assert alone is not None
    assert grouped is not None
    assert grouped.domain.limit > alone.domain.limit  # else a twin of its own conversation makes every prompt near


def test_the_domain_is_a_function_of_the_vector_and_opens_as_it_was_saved(tmp_path: Path) -> None:
    fitted = fit_domain(near(300))
    assert fitted is not None
    fitted.domain.save(tmp_path)
    opened = open_domain(tmp_path)
    assert opened.digest == fitted.domain.digest
    for vector in near(20):
        assert opened.distance(vector) == fitted.domain.distance(vector)
    (tmp_path / FILE).write_bytes(b"nothing")
    with pytest.raises(IntegrityError, match="cannot be read"):
        open_domain(tmp_path)
    with pytest.raises(IntegrityError):
        open_domain(tmp_path / "absent")


def test_few_prompts_draw_no_limit_and_many_are_thinned() -> None:
    assert fit_domain(near(FEWEST - 1)) is None
    fitted = fit_domain(near(MOST_PROMPTS + 50))
    assert fitted is not None
    assert len(fitted.domain.vectors) == MOST_PROMPTS
    assert len(fitted.outside) == MOST_PROMPTS + 50


def test_another_limit_is_another_digest() -> None:
    vectors = near(150)
    assert Domain(vectors, 0.5).digest != Domain(vectors, 0.6).digest

"""A verifier read back is the one that was saved; a file that was altered is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chat_samples import sum_rows
from rightsized.core.errors import IntegrityError, NotFoundError
from rightsized.engines.signals.signal import Exchange
from rightsized.engines.trees import Trees
from rightsized.engines.verifier import ARRAYS_FILE, JSON_FILE, Verifier, open_verifier
from rightsized.tune.uplift import Labelled, fit_verifier

ROWS = sum_rows(300)


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    data = Labelled(
        [Exchange(row["prompt"], row["answers"]["small"]) for row in ROWS],
        np.array([row["correct"]["small"] for row in ROWS], np.float64),
        np.array([row["correct"]["large"] for row in ROWS], np.float64),
    )
    return fit_verifier(data, "small").verifier


def test_read_back_bit_for_bit(verifier: Verifier, tmp_path: Path) -> None:
    verifier.save(tmp_path)
    again = open_verifier(tmp_path, None)
    assert again.digest == verifier.digest
    for row in ROWS[:30]:
        exchange = Exchange(row["prompt"], row["answers"]["small"])
        assert again.predict(exchange) == verifier.predict(exchange)
        assert again.before(row["prompt"]) == verifier.before(row["prompt"])
        assert 0 <= again.safe(exchange) <= 1
        assert again.safe(exchange) >= again.judge(exchange)


@pytest.mark.parametrize("file", [JSON_FILE, ARRAYS_FILE])
def test_altered_files_are_refused(verifier: Verifier, tmp_path: Path, file: str) -> None:
    verifier.save(tmp_path)
    content = (tmp_path / file).read_bytes()
    for broken in (content[:-20], content.replace(b"small", b"large"), b"", b"\xff" * 40):
        if broken != content:
            (tmp_path / file).write_bytes(broken)
            with pytest.raises(IntegrityError):
                open_verifier(tmp_path, None)
    (tmp_path / file).unlink()
    with pytest.raises(NotFoundError):
        open_verifier(tmp_path, None)


@pytest.mark.parametrize(
    ("prompt", "answer"), [("", ""), ("x" * 100_000, "y" * 100_000), ("\ud800", "\x00"), ("привет", "1/0=∞")]
)
def test_any_text_gets_a_probability(verifier: Verifier, prompt: str, answer: str) -> None:
    assert 0 <= verifier.after(prompt, answer) <= 1
    assert -1 <= verifier.before(prompt) <= 1
    assert 0 <= verifier.after(prompt, answer, (float("-inf"), float("nan"))) <= 1


def test_trees_that_lead_nowhere_are_refused() -> None:
    whole = np.zeros((1, 3), np.int32)
    with pytest.raises(IntegrityError):
        Trees(whole, np.zeros((1, 3)), whole + 9, whole, np.zeros((1, 3)), 0.0, 1)
    with pytest.raises(IntegrityError):
        Trees(whole, np.zeros((1, 2)), whole, whole, np.zeros((1, 3)), 0.0, 1)

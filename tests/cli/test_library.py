"""The Python face refuses wrong arguments before anything is started, in sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rightsized as rs
from rightsized.core.errors import InputError

TEXTS, LABELS = ["where is it", "pay me back"], ["delivery", "billing"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_error": 5}, "max_error = 5 must lie between 0 and 1"),
        ({"confidence": 95}, "confidence = 95 must lie between 0 and 1"),
        ({"promise": "none"}, "Known: selective_error, wrong_local_rate"),
        ({"texts": "where is it"}, "texts is one text"),
        ({"texts": ["where is it", None]}, "texts, number 1: None is no text but NoneType"),
        ({"labels": [1, 2]}, "labels, number 0: 1 is no label but int"),
        ({"labels": "ab"}, "labels is one text"),
        ({"calibrate": ([3], ["billing"])}, r"calibrate\[0\], number 0: 3 is no text"),
        ({"calibrate": (["a"], [3])}, r"calibrate\[1\], number 0: 3 is no label"),
    ],
)
def test_fit_refuses_before_it_starts(tmp_path: Path, arguments: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"texts": TEXTS, "labels": LABELS, "options": rs.FitOptions(home=tmp_path), **arguments}
    with pytest.raises(InputError, match=words):
        rs.fit(given.pop("texts"), given.pop("labels"), **given)
    assert not (tmp_path / "jobs").exists()


def test_a_task_refuses_what_is_no_text_and_whatever_comes_after_closing(fitted_home: Path) -> None:
    with rs.load("tone", home=fitted_home) as task:
        refused: list[Callable[[Any], object]] = [task.answer, task.explain]
        for call in refused:
            with pytest.raises(InputError, match="None is no text"):
                call(None)
        with pytest.raises(InputError, match="texts is one text"):
            task.answer_many("abc")
        with pytest.raises(InputError, match="labels, number 0: 1 is no label"):
            task.evaluate(["a"], [1])  # type: ignore[list-item]  # what a caller without a type checker does
        assert task.answer("this is the third time I write").label
    task.close()
    with pytest.raises(InputError, match=r"'tone' was closed. Open it again: rs.load\('tone'\)"):
        task.answer("hello")

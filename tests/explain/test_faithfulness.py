"""Comprehensiveness and sufficiency on models whose values are known by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rightsized.explain.faithfulness import faithfulness


def _needs_card(texts: Sequence[str]) -> NDArray[np.float64]:
    return np.array([0.9 if "card" in text.split() else 0.1 for text in texts])


def test_a_right_ranking_is_comprehensive_and_sufficient() -> None:
    right = faithfulness("where is my card", [0.0, 0.1, 0.2, 5.0], _needs_card)
    assert right.comprehensiveness == pytest.approx(0.8)
    assert right.sufficiency == pytest.approx(0.0)


def test_a_wrong_ranking_is_neither() -> None:
    wrong = faithfulness("where is my card", [3.0, 2.0, 1.0, 0.0], _needs_card)
    assert wrong.comprehensiveness == pytest.approx(0.0)
    assert wrong.sufficiency == pytest.approx(0.8)


def test_bins_take_their_share_of_words_and_at_least_one() -> None:
    asked: list[str] = []

    def keep(texts: Sequence[str]) -> NDArray[np.float64]:
        asked.extend(texts)
        return np.zeros(len(texts))

    faithfulness("a b c d e f g h i j", [float(-i) for i in range(10)], keep)
    assert set(asked) == {"a b c d e f g h i j", "b c d e f g h i j", "a", "c d e f g h i j", "a b",
                          "f g h i j", "a b c d e"}  # fmt: skip


def test_values_must_match_the_words() -> None:
    with pytest.raises(ValueError, match="2 values for 1 words"):
        faithfulness("one", [1.0, 2.0], _needs_card)

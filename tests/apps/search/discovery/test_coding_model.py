"""The model: the minimum of its loss, equal for equal rows, and words that hash alike everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from rightsized.apps.search.discovery.coding.matrix import VECTOR_SHARE, Rareness, Rows, rows
from rightsized.apps.search.discovery.coding.model import fit
from rightsized.apps.search.discovery.coding.terms import COLUMNS, joined, terms

TEXTS = [
    "The pump leaks at its seal.", "A seal of the pump is worn.", "Pump pressure falls.",
    "The lease ends in June.", "Rent and lease are due.", "June has thirty days.", "The canteen closes.", "",
]  # fmt: skip
ABOUT = np.array([True, True, True, False, False, False, False, False])


def prepared() -> Rows:
    found = [terms(text) for text in TEXTS]
    rareness = Rareness()
    for one in found:
        rareness.add(one.columns, 1)
    vectors = np.random.default_rng(1).normal(size=(len(TEXTS), 4)).astype(np.float32)
    return rows(joined(found), vectors, rareness.weights())


def dense(made: Rows) -> np.ndarray:
    words = np.zeros((len(made), COLUMNS))
    for row in range(len(made)):
        part = slice(made.starts[row], made.starts[row + 1])
        words[row, made.columns[part]] = made.values[part]
    used = words.any(axis=0)
    return np.hstack([words[:, used], made.vectors])


def test_words_of_a_document_and_its_vector_have_length_one() -> None:
    made = prepared()
    lengths = [np.linalg.norm(made.values[made.starts[row] : made.starts[row + 1]]) for row in range(len(made))]
    assert np.allclose(lengths[:5], 1.0)
    assert lengths[-1] == 0.0
    assert np.allclose(np.linalg.norm(made.vectors, axis=1), VECTOR_SHARE)


def test_it_is_what_scikit_learn_finds() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    made = prepared()
    ours = fit(made, ABOUT, 2.0).scores(made)
    features = np.hstack([dense(made), np.ones((len(made), 1))])  # the bias is regularised too
    theirs = linear_model.LogisticRegression(C=2.0, class_weight="balanced", fit_intercept=False, tol=1e-8)
    theirs.fit(features, ABOUT)
    assert np.abs(ours - theirs.decision_function(features)).max() < 0.02


def test_equal_rows_give_equal_weights() -> None:
    first, second = fit(prepared(), ABOUT), fit(prepared(), ABOUT)
    assert np.array_equal(first.words, second.words)
    assert np.array_equal(first.vector, second.vector)


def test_one_kind_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="both kinds"):
        fit(prepared(), np.zeros(len(TEXTS), dtype=bool))


def test_words_are_those_of_every_machine() -> None:
    found = terms("Steel STEEL plates, a 7 \ud800")
    assert dict(zip(found.columns.tolist(), found.counts.tolist(), strict=True)) == {1_040_787: 2, 448_928: 1}
    assert len(terms("x " * 10).columns) == 0
    assert terms("word " * 1000).counts.tolist() == [255]

"""The n-gram model: features as in scikit-learn; a text is the sum of its words, whatever was added up before."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from rightsized.core.errors import IntegrityError
from rightsized.engines import ngrams
from rightsized.engines.ngrams import NgramModel, NgramSpec, grams, units
from rightsized.tune.ngrams import NgramTable, suited

TEXTS = [
    "Where is my card?",
    "My card has not arrived",
    "card  still missing",
    "I want a refund please",
    "refund my money",
    "Money back, now!",
    "How do I reset the PIN",
    "PIN code forgotten",
    "new pin needed",
]
TARGETS = np.eye(3, dtype=np.bool_)[np.repeat([0, 1, 2], 3)]


def fitted(spec: NgramSpec | None = None) -> NgramModel:
    return NgramTable(TEXTS, spec or NgramSpec()).fit(np.arange(9), TARGETS, strength=1.0, balanced=False)


def by_definition(text: str, model: NgramModel) -> tuple[np.ndarray, float]:
    """The vector over all n-grams, float64 (features,), and the share of n-grams that are unknown, as documented."""
    found = units(text, model.spec)
    vector, squares, known, total = np.zeros(len(model.index)), 0.0, 0, 0
    for unit in dict.fromkeys(found):
        brought = np.zeros(len(model.index))
        for gram in grams(unit, model.spec):
            total += found.count(unit)
            if gram in model.index:
                known += found.count(unit)
                brought[model.index[gram]] += model.idf[model.index[gram]]
        weight = 1 + np.log(found.count(unit))
        vector += weight * brought
        squares += float((weight * brought) @ (weight * brought))
    return vector / np.sqrt(squares) if squares else vector, 1 - known / total if total else 1.0


def test_documented_examples_hold() -> None:
    assert doctest.testmod(ngrams).failed == 0


def test_character_features_of_a_word_are_scikit_learns() -> None:
    spec = NgramSpec(char_sizes=(3, 4), word_sizes=())
    model = fitted(spec)
    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4)).fit(TEXTS)
    assert set(model.index) == set(theirs.vocabulary_)
    for word in ("card?", "a", "refunded", "banana", "жук"):
        expected = theirs.transform([word]).toarray()[0]
        ours, _ = by_definition(word, model)
        np.testing.assert_allclose(
            [ours[model.index[gram]] for gram in theirs.get_feature_names_out()], expected, atol=1e-6
        )


def test_features_of_a_whole_text_are_scikit_learns() -> None:
    spec = NgramSpec(char_sizes=(3, 4), word_sizes=(), whole_text=True)
    model = fitted(spec)
    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True).fit(TEXTS)
    for text in [*TEXTS, "a card and a refund", "PIN PIN pin"]:
        expected = theirs.transform([text]).toarray()[0]
        ours, _ = by_definition(text, model)
        np.testing.assert_allclose(
            [ours[model.index[gram]] for gram in theirs.get_feature_names_out()], expected, atol=1e-6
        )


def test_n_grams_of_long_texts_are_counted_over_the_whole_text() -> None:
    assert not suited(NgramSpec(), TEXTS).whole_text
    assert suited(NgramSpec(), [f"{text} " * 15 for text in TEXTS]).whole_text


@pytest.mark.parametrize(
    "spec",
    [
        NgramSpec(),
        NgramSpec(word_sizes=(2, 3)),
        NgramSpec(char_sizes=(), word_sizes=(1,)),
        NgramSpec(whole_text=True),
    ],
)
def test_margins_are_the_documented_sum_to_within_the_rounding_of_the_weights(spec: NgramSpec) -> None:
    model = fitted(spec)
    dense = model.weights.astype(np.float64) * model.scales[:, None]
    for text in [*TEXTS, "a card and a refund", "PIN PIN pin pin", "unheard of cardigans " * 3]:
        vector, unknown = by_definition(text, model)
        margins = model.margins(text)
        np.testing.assert_allclose(margins.values, vector @ dense + model.bias, atol=1e-5)
        assert margins.unknown == pytest.approx(unknown, abs=1e-12)
    assert [int(model.margins(text).values.argmax()) for text in TEXTS] == TARGETS.argmax(axis=1).tolist()


def test_rows_left_out_of_the_table_are_added_up_when_met(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted()
    monkeypatch.setattr(ngrams, "TABLE_BYTES", 4 * 6 * 3)  # three rows
    small = NgramModel.from_arrays(whole.to_arrays(), whole.spec)
    assert len(small._slots) == 3
    for text in TEXTS:
        np.testing.assert_allclose(small.margins(text).values, whole.margins(text).values, atol=1e-6)
        assert small.margins(text).unknown == whole.margins(text).unknown


def test_scores_do_not_depend_on_what_is_added_up_ahead() -> None:
    table = NgramTable(TEXTS, NgramSpec())
    whole = table.fit(np.arange(8), TARGETS[:8], strength=1.0, balanced=False)
    for held in ([8], [0, 8], []):
        model = table.fit(np.arange(8), TARGETS[:8], strength=1.0, balanced=False, held=np.array(held, np.intp))
        assert len(model._slots) == len({unit for row in held for unit in units(TEXTS[row], NgramSpec())})
        for text in [*TEXTS, "unheard of cardigans " * 3]:
            expected = whole.margins(text)
            assert model.margins(text).values.tobytes() == expected.values.tobytes()
            assert model.margins(text)[1:] == expected[1:]


def test_a_long_text_is_added_up_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model, text = fitted(), " ".join(TEXTS)
    whole = model.margins(text)
    monkeypatch.setattr(ngrams, "BATCHED_UNITS", 4)
    np.testing.assert_allclose(model.margins(text).values, whole.values, atol=1e-6)


def test_a_text_of_unknown_words_has_the_bias_alone() -> None:
    model = fitted()
    for text in ("", "   ", "жук"):
        margins = model.margins(text)
        assert (margins.values == model.bias).all()
        assert margins.unknown == 1.0


def test_a_text_beyond_the_limit_is_cut_and_says_so() -> None:
    model = fitted(NgramSpec(max_chars=20))
    long = model.margins("where is my card? ooh" + " refund" * 50)
    assert long.truncated
    assert (long.values == model.margins("where is my card? oo").values).all()
    assert not model.margins("where is my card").truncated


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60))
def test_any_text_is_scored_and_holds_no_mark_of_its_own(text: str) -> None:
    found = [gram for unit in units(text, NgramSpec()) for gram in grams(unit, NgramSpec())]
    assert all(gram.count("\t") <= 1 and "\n" not in gram for gram in found)
    assert np.isfinite(fitted().margins(text).values).all()


def test_arrays_come_back_bit_equal() -> None:
    model = fitted()
    again = NgramModel.from_arrays(model.to_arrays(), model.spec)
    assert list(again.index) == list(model.index)
    assert all((again.margins(text).values == model.margins(text).values).all() for text in TEXTS)
    broken = model.to_arrays()
    del broken["ngram.idf"]
    with pytest.raises(IntegrityError, match=r"ngram\.idf"):
        NgramModel.from_arrays(broken, model.spec)

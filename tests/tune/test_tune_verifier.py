"""Heads of a verifier learn what can be learned, honestly out-of-fold, and nothing more."""

from __future__ import annotations

import numpy as np
import pytest

from chat_samples import sum_rows
from rightsized.core.errors import DataError
from rightsized.engines.signals.signal import Exchange
from rightsized.tune.choose import choose, fit_scores, price_within
from rightsized.tune.uplift import Labelled, fit_verifier
from rightsized.tune.verifier import fit_head, log_loss, make_folds


def auroc(score: np.ndarray, right: np.ndarray) -> float:
    good, bad = score[right > 0.5], score[right <= 0.5]
    return float((good[:, None] > bad[None, :]).mean() + 0.5 * (good[:, None] == bad[None, :]).mean())


def made(n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of which one is linear and two interact: trees are needed."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, 8))
    odds = 1.5 * features[:, 0] + 3.0 * np.sign(features[:, 1] * features[:, 2])
    return features, (random.random(n) < 1 / (1 + np.exp(-odds))).astype(np.float64)


def test_trees_find_what_a_line_cannot() -> None:
    features, right = made()
    folds = make_folds(len(right), 0)
    whole = fit_head(features, right, folds)
    line = fit_head(features, right, folds, tree_columns=np.array([0]))
    assert whole.head.settings.tree_weight > 0
    assert auroc(whole.out_of_fold, right) > auroc(line.out_of_fold, right) + 0.05
    fresh, truth = made(seed=1)
    said = np.array([whole.head.probability(row) for row in fresh])
    assert auroc(said, truth) == pytest.approx(auroc(whole.out_of_fold, right), abs=0.06)


def test_out_of_fold_does_not_believe_noise() -> None:
    random = np.random.default_rng(3)
    features, right = random.normal(size=(400, 60)), (random.random(400) < 0.5).astype(np.float64)
    found = fit_head(features, right, make_folds(400, 0))
    assert 0.4 < auroc(found.out_of_fold, right) < 0.6
    assert log_loss(found.out_of_fold, right) < 0.72  # a coin's is 0.693


def test_probabilities_are_calibrated() -> None:
    features, right = made(1500)
    said = fit_head(features, right, make_folds(1500, 0)).out_of_fold
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0)):
        inside = (said >= low) & (said < high)
        assert said[inside].mean() == pytest.approx(right[inside].mean(), abs=0.08)


def test_scores_between_nought_and_one_are_targets_too() -> None:
    features, _ = made()
    target = 1 / (1 + np.exp(-features[:, 0]))
    found = fit_head(features, target, make_folds(len(target), 0))
    assert np.corrcoef(found.out_of_fold, target)[0, 1] > 0.95


@pytest.mark.parametrize("target", [np.ones(40), np.zeros(40), np.r_[np.ones(37), np.zeros(3)]])
def test_too_few_of_a_kind_give_the_share(target: np.ndarray) -> None:
    features = np.random.default_rng(0).normal(size=(40, 3))
    found = fit_head(features, target, make_folds(40, 0))
    assert found.head.probability(features[0]) == found.head.probability(features[1])
    assert found.head.probability(features[0]) == pytest.approx((target.sum() + 0.5) / 41)


def test_unusable_values_are_refused() -> None:
    features, right = made(60)
    folds = make_folds(60, 0)
    for broken in (features[:10], np.where(features > 1, np.nan, features)):
        with pytest.raises(DataError):
            fit_head(broken, right, folds)
    with pytest.raises(DataError, match="outside"):
        fit_head(features, right * 2, folds)
    with pytest.raises(DataError, match="folds"):
        fit_head(features, right, np.zeros(60, np.intp))


def test_folds_keep_groups_whole() -> None:
    groups = [f"g{i // 3}" for i in range(90)]
    folds = make_folds(90, 1, groups)
    assert all(len({folds[i] for i in range(90) if groups[i] == group}) == 1 for group in set(groups))
    assert len(np.unique(folds)) == 5


@pytest.fixture(scope="module")
def labelled() -> Labelled:
    rows = sum_rows(500)
    return Labelled(
        [Exchange(row["prompt"], row["answers"]["small"]) for row in rows],
        np.array([row["correct"]["small"] for row in rows], np.float64),
        np.array([row["correct"]["large"] for row in rows], np.float64),
    )


def test_answers_tell_more_than_prompts(labelled: Labelled) -> None:
    fitted = fit_verifier(labelled, "small")
    assert auroc(fitted.after, labelled.right) > 0.95  # sums are recomputed
    assert 0.55 < auroc(fitted.own, labelled.right) < 0.85  # only the length of the sum is seen
    wrong, right = "7 + 5 = 13.\n#### 13", "7 + 5 = 12.\n#### 12"
    prompt = "At a school somebody counts 7 books, then 5 books. How many books are that in all?"
    assert fitted.verifier.after(prompt, right) > 0.8 > 0.3 > fitted.verifier.after(prompt, wrong)
    hard = "Somebody counts " + ", then ".join(f"{v} books" for v in (11, 52, 63, 74, 85, 96)) + ". How many in all?"
    assert fitted.verifier.before(hard) > fitted.verifier.before(prompt)


def test_the_last_tier_has_no_uplift(labelled: Labelled) -> None:
    alone = Labelled(labelled.exchanges[:60], labelled.right[:60])
    fitted = fit_verifier(alone, "large")
    assert fitted.better is None and not fitted.uplift.any()
    assert fitted.verifier.before("anything") == 0.0


def test_without_answers_the_prompt_decides(labelled: Labelled) -> None:
    prompts = [Exchange(exchange.prompt) for exchange in labelled.exchanges[:200]]
    fitted = fit_verifier(Labelled(prompts, labelled.right[:200], labelled.last_right[:200]), "small")  # type: ignore[index]
    after, own, _ = fitted.verifier.predict(prompts[0])
    assert after == own and (fitted.after == fitted.own).all()


def test_choosing_among_models() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(600, 5))
    scores = np.stack([features[:, 0] > 0, features[:, 0] <= 0, np.full(600, 0.7)], axis=1).astype(np.float64)
    costs = np.array([1.0, 1.0, 10.0])
    model = fit_scores(features, scores, make_folds(600, 0))
    price = price_within(model.out_of_fold, scores, costs, 10.0)
    picked = choose(model.expected(features), costs, price)
    assert scores[np.arange(600), picked].mean() > 0.85
    tight = price_within(model.out_of_fold, scores, costs, 1.0)
    assert costs[choose(model.out_of_fold, costs, tight)].mean() <= 1.0

"""Fits heads of a verifier: a linear model and boosted trees, fused on out-of-fold predictions, calibrated.

A target lies in [0, 1]: right or wrong, or a score. Every figure that chooses anything is out-of-fold, and so are the
probabilities handed back for the training rows. scikit-learn and SciPy are imported inside functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import DataError
from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.fusion import Floats, Head, HeadSettings, fuse
from rightsized.engines.trees import Trees

Rows = NDArray[np.intp]
FOLDS = 5
STRENGTHS = (0.001, 0.01, 0.1)  # inverse of regularisation of the linear model, after scaling
STEPS = 100  # of the linear fit: scaled features and strong regularisation need no more
FEWEST = 10  # rows on either side below which nothing is learned but the share
FEWEST_TREES = 150  # rows below which trees bring noise
TREES, DEPTH, RATE = 150, 3, 0.05
ROWS_A_TREE, FEATURES_A_SPLIT = 0.6, 0.2
MOST_ROWS_A_TREE = 2500  # a small tree learns no more from more rows, and 150 of them see all rows in turn
MANY = 3000  # rows above which one fold suffices to choose the strength
ISOTONIC_GAIN = 0.01  # relative fall of the held-out loss that is worth giving up a smooth map
LEAST = 1e-4  # probabilities are kept this far from 0 and 1 when losses are compared


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A head, and the probability of each training row by heads fitted without its fold: float64 (n,)."""

    head: Head
    out_of_fold: Floats


def make_folds(n: int, seed: int, groups: Sequence[str] = (), folds: int = FOLDS) -> Rows:
    """A fold for each row, at random, groups whole: int (n,)."""
    keys = [group or f"\0{i}" for i, group in enumerate(groups)] if groups else list(map(str, range(n)))
    distinct = list(dict.fromkeys(keys))
    order = np.random.default_rng([seed, 11]).permutation(len(distinct))
    fold_of = {key: int(order[i]) % folds for i, key in enumerate(distinct)}
    return np.array([fold_of[key] for key in keys], np.intp)


def fit_head(
    features: Floats,
    target: Floats,
    folds: Rows,
    *,
    tree_columns: Rows | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> FittedHead:
    """Fit a head.

    Args:
        features: float64 (n, features), finite.
        target: float64 (n,), each in [0, 1].
        folds: int (n,), at least two folds.
        tree_columns: features that the trees read; all where None.
        seed: of the rows and features that each tree sees.
    Raises:
        DataError: shapes do not fit, a value is not finite, or a target lies outside [0, 1].
    """
    _check(features, target, folds)
    if min(target.sum(), (1 - target).sum()) < FEWEST:
        return _share_only(features, target)
    columns = np.arange(features.shape[1]) if tree_columns is None else tree_columns
    data = _Data(features, target, folds, columns, seed)
    strength = data.best_strength()
    linear = data.out_of_fold_linear(strength)
    trees = np.zeros(len(target))
    progress("Fitting", 1, 3)
    if len(target) >= FEWEST_TREES:
        trees = data.out_of_fold_trees()
    progress("Fitting", 2, 3)
    settings, held = _fused(linear, trees, target, folds)
    rows = np.arange(len(target))
    head = data.linear(rows, strength)
    grown = data.trees(rows) if settings.tree_weight else None
    progress("Fitting", 3, 3)
    whole = Head(settings, head.centre, head.scale, head.weights, head.intercept, grown)
    return FittedHead(whole, held)


def log_loss(probability: Floats, target: Floats) -> float:
    """Mean log-loss against targets in [0, 1]."""
    p = np.clip(probability, LEAST, 1 - LEAST)
    return float(-(target * np.log(p) + (1 - target) * np.log1p(-p)).mean())


def _check(features: Floats, target: Floats, folds: Rows) -> None:
    if features.ndim != 2 or not len(features) == len(target) == len(folds):
        raise DataError(f"{features.shape} features, {target.shape} targets and {folds.shape} folds do not match.")
    if not np.isfinite(features).all():
        raise DataError("A feature is not a finite number.")
    if not ((target >= 0) & (target <= 1)).all():
        raise DataError("A target lies outside 0 to 1.")
    if len(np.unique(folds)) < 2:
        raise DataError(f"{len(target)} rows cannot be split into folds; at least 2 are needed.")


def _share_only(features: Floats, target: Floats) -> FittedHead:
    """Too few on one side: the share itself, drawn towards a half by one row, is all that is known."""
    share = (target.sum() + 0.5) / (len(target) + 1)
    nothing = np.zeros(features.shape[1])
    head = Head(HeadSettings(), nothing, nothing, nothing, float(np.log(share / (1 - share))))
    return FittedHead(head, np.full(len(target), share))


@dataclass(frozen=True, eq=False)
class _Data:
    features: Floats
    target: Floats
    folds: Rows
    columns: Rows
    seed: int

    def best_strength(self) -> float:
        """The strength of least held-out loss; of many rows, one fold is held out."""
        held = self._held()[: 1 if len(self.target) > MANY else None]
        losses = [sum(self._loss(out, strength) for out in held) for strength in STRENGTHS]
        return STRENGTHS[int(np.argmin(losses))]

    def _loss(self, held: NDArray[np.bool_], strength: float) -> float:
        head = self.linear(np.flatnonzero(~held), strength)
        odds = np.array([head.parts(row)[0] for row in self.features[held]])
        return log_loss(_sigmoid(odds), self.target[held]) * int(held.sum())

    def out_of_fold_linear(self, strength: float) -> Floats:
        odds = np.empty(len(self.target))
        for held in self._held():
            head = self.linear(np.flatnonzero(~held), strength)
            odds[held] = [head.parts(row)[0] for row in self.features[held]]
        return odds

    def out_of_fold_trees(self) -> Floats:
        odds = np.empty(len(self.target))
        for held in self._held():
            grown = self.trees(np.flatnonzero(~held))
            odds[held] = [grown.logit(row) for row in self.features[held]]
        return odds

    def _held(self) -> list[NDArray[np.bool_]]:
        return [self.folds == fold for fold in np.unique(self.folds)]

    def linear(self, rows: Rows, strength: float) -> Head:
        """Logistic regression; a score between 0 and 1 counts as that much right and the rest wrong."""
        from sklearn.linear_model import LogisticRegression

        features = self.features[rows]
        centre, spread = features.mean(axis=0), features.std(axis=0)
        scale = np.where(spread > 1e-9, 1 / np.maximum(spread, 1e-9), 0.0)
        scaled = np.clip((features - centre) * scale, -Head.CUT, Head.CUT).astype(np.float32)  # half the memory to read
        model: Any = LogisticRegression(C=strength, max_iter=STEPS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # steps ran out: held-out rows are the judge
            model.fit(*_doubled(scaled, self.target[rows]))
        return Head(HeadSettings(), centre, scale, model.coef_[0].astype(np.float64), float(model.intercept_[0]))

    def trees(self, rows: Rows) -> Trees:
        """Stochastic gradient boosting (Friedman 2002) of small trees on the log-loss."""
        from sklearn.ensemble import GradientBoostingClassifier

        model: Any = GradientBoostingClassifier(
            n_estimators=TREES,
            max_depth=DEPTH,
            learning_rate=RATE,
            subsample=min(ROWS_A_TREE, MOST_ROWS_A_TREE / len(rows)),
            max_features=FEATURES_A_SPLIT,
            random_state=self.seed,
        )
        features, labels, weights = _doubled(self.features[np.ix_(rows, self.columns)], self.target[rows])
        model.fit(features, labels, weights)
        share = float(np.average(labels, weights=weights))
        return _exported([tree.tree_ for tree in model.estimators_[:, 0]], self.columns, np.log(share / (1 - share)))


def _doubled(features: NDArray[Any], target: Floats) -> tuple[NDArray[Any], NDArray[np.int64], Floats]:
    """Rows, labels and weights: a row with a score strictly between 0 and 1 stands in both classes."""
    right, wrong = np.flatnonzero(target > 0), np.flatnonzero(target < 1)
    rows = np.concatenate([right, wrong])
    labels = np.concatenate([np.ones(len(right), np.int64), np.zeros(len(wrong), np.int64)])
    return features[rows], labels, np.concatenate([target[right], 1 - target[wrong]])


def _exported(grown: list[Any], columns: Rows, base: float) -> Trees:
    """scikit-learn's trees as padded arrays; leaves lead to themselves."""
    nodes = max(tree.node_count for tree in grown)
    shape = (len(grown), nodes)
    feature, own = np.zeros(shape, np.int32), np.tile(np.arange(nodes, dtype=np.int32), (len(grown), 1))
    threshold, value = np.full(shape, np.inf), np.zeros(shape)
    left, right = own.copy(), own.copy()
    for at, tree in enumerate(grown):
        inner = np.flatnonzero(tree.children_left >= 0)
        feature[at, inner] = columns[tree.feature[inner]]
        threshold[at, inner] = tree.threshold[inner]
        left[at, inner], right[at, inner] = tree.children_left[inner], tree.children_right[inner]
        value[at, : tree.node_count] = RATE * tree.value[:, 0, 0]
    return Trees(feature, threshold, left, right, value, float(base), DEPTH)


def _fused(linear: Floats, trees: Floats, target: Floats, folds: Rows) -> tuple[HeadSettings, Floats]:
    """The fusion fitted on all out-of-fold log-odds, and probabilities by fusions fitted without each row's fold."""
    smooth = _nested(linear, trees, target, folds, isotonic=False)
    stepped = _nested(linear, trees, target, folds, isotonic=True)
    isotonic = log_loss(stepped, target) < (1 - ISOTONIC_GAIN) * log_loss(smooth, target)
    return _fusion(linear, trees, target, isotonic), stepped if isotonic else smooth


def _nested(linear: Floats, trees: Floats, target: Floats, folds: Rows, *, isotonic: bool) -> Floats:
    found = np.empty(len(target))
    for fold in np.unique(folds):
        held = folds == fold
        settings = _fusion(linear[~held], trees[~held], target[~held], isotonic)
        found[held] = [fuse(settings, a, b) for a, b in zip(linear[held], trees[held], strict=True)]
    return found


def _fusion(linear: Floats, trees: Floats, target: Floats, isotonic: bool) -> HeadSettings:
    """Weights of the two log-odds, neither below zero, by maximum likelihood; then, if asked, an isotonic map."""
    from scipy.optimize import minimize

    def loss(x: Floats) -> tuple[float, Floats]:
        odds = x[0] * linear + x[1] * trees + x[2]
        excess = _sigmoid(odds) - target
        value = np.logaddexp(0.0, odds) - target * odds
        return float(value.sum()), np.array([excess @ linear, excess @ trees, excess.sum()])

    bounds = [(0.0, None), (0.0, None if trees.any() else 0.0), (None, None)]
    x = minimize(loss, np.array([0.5, 0.5 * bool(trees.any()), 0.0]), jac=True, method="L-BFGS-B", bounds=bounds).x
    settings = HeadSettings(float(x[0]), float(x[1]), float(x[2]))
    if not isotonic:
        return settings
    from sklearn.isotonic import IsotonicRegression

    model: Any = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    model.fit(x[0] * linear + x[1] * trees + x[2], target)
    knots, heights = model.X_thresholds_.tolist(), model.y_thresholds_.tolist()
    return HeadSettings(settings.linear_weight, settings.tree_weight, settings.bias, tuple(knots), tuple(heights))


def _sigmoid(odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -500, 500))), np.float64)

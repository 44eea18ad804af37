"""Chooses the out-of-scope statistic: labels are left out of a fit, and their texts stand for the unknown.

Real out-of-scope texts are rarely at hand; held-out labels are near ones, so the choice errs on the hard side.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rightsized.core.protocols import Progress
from rightsized.engines.confidence import Confidence
from rightsized.engines.outofscope import OutOfScope
from rightsized.engines.readout import Raw, Readout, ReadoutSettings
from rightsized.tune.combine import fit_scales
from rightsized.tune.crossfit import Bench, Choices, RawScores

HELD_LABELS = 0.3  # share of labels left out
FEWEST_LABELS = 6  # below, there is nothing to leave out and the default stands
FEWEST_OUTSIDE = 20  # texts of left-out labels needed to compare statistics
MOST_ROWS = 4_000  # rows fitted on
MOST_MEASURED = 1_500  # rows of each kind that statistics are compared on
IN_SCOPE_KEPT = 0.95  # share of in-scope texts whose out-of-scope value stays below 0.5
IN_SCOPE_WHOLE = 0.99  # share of in-scope texts whose score is not discounted
HIGHEST_LIMIT = 0.999  # a limit of 1 would leave nothing to discount
Recipe = tuple[tuple[str, float], ...]  # statistic and weight, in units of its in-scope spread; high = in scope
RECIPES: dict[str, Recipe] = {
    "energy": (("energy", 1.0),),
    "softmax": (("softmax", 1.0),),
    "probability": (("probability", 1.0),),
    "nearest": (("nearest", 1.0),),
    "energy + nearest": (("energy", 1.0), ("nearest", 1.0)),
    "softmax + nearest": (("softmax", 1.0), ("nearest", 1.0)),
    "softmax + known n-grams": (("softmax", 1.0), ("unknown", -0.5)),
}
NGRAM_RECIPES = ("softmax", "probability", "softmax + known n-grams")  # the energy of SVM margins says nothing
HEAD_RECIPES = ("energy", "softmax", "probability", "nearest", "energy + nearest", "softmax + nearest")
NGRAM_DEFAULT, HEAD_DEFAULT = "softmax + known n-grams", "energy + nearest"
CLEAR_GAIN = 0.02  # AUROC on left-out labels that another recipe must gain over the default: they are only a stand-in


@dataclass(frozen=True)
class Scopes:
    """The recipe of each rung, and the AUROC of each recipe tried (empty where nothing could be tried)."""

    ngram: str = NGRAM_DEFAULT
    head: str = HEAD_DEFAULT
    auroc: dict[str, float] = field(default_factory=dict)


def choose_scopes(bench: Bench, folds: NDArray[np.intp], choices: Choices, progress: Progress) -> Scopes:
    """Leave out some labels, fit on part of the rest, and compare statistics on held-out texts of both."""
    numbered = bench.numbered
    if numbered.multi_label or len(numbered.labels) < FEWEST_LABELS:
        return Scopes()
    progress("Out-of-scope", 0, 1)
    generator = np.random.default_rng(bench.seed)
    count = len(numbered.labels)
    held = np.zeros(count, dtype=bool)
    held[generator.permutation(count)[: max(1, int(HELD_LABELS * count))]] = True
    unknown = held[numbered.best]
    shuffled = generator.permutation(numbered.size)  # files are often sorted by label
    train = np.sort(shuffled[((folds != 0) & ~unknown)[shuffled]][:MOST_ROWS])
    inside, outside = (shuffled[part[shuffled]][:MOST_MEASURED] for part in ((folds == 0) & ~unknown, unknown))
    if len(outside) < FEWEST_OUTSIDE or len(inside) < FEWEST_OUTSIDE:
        return Scopes()
    plain = replace(choices, label_names=False, head=replace(choices.head, kernel=False))
    scores = RawScores.empty(numbered.size, count)
    rows = np.concatenate([inside, outside])
    bench.score(bench.fit_ngram(train, plain, rows), bench.head_fitter(train, plain).fit(plain.head), rows, scores)
    ngram, head = fit_scales(scores.margins[inside], scores.logits[inside], numbered.targets[inside], False)
    found: dict[str, float] = {}
    best = []
    for rung, scales, raw_row, names, default in (
        ("ngram", ngram, scores.ngram_row, NGRAM_RECIPES, NGRAM_DEFAULT),
        ("head", head, scores.head_row, HEAD_RECIPES, HEAD_DEFAULT),
    ):
        settings = ReadoutSettings(scales.ngram, scales.head, Confidence(), OutOfScope("none", (), (), 0.0))
        statistics = _statistics(Readout(numbered.labels, settings), [raw_row(row) for row in rows.tolist()])
        results = {name: _auroc(RECIPES[name], statistics, len(inside)) for name in names}
        found |= {f"{rung}: {name}": value for name, value in results.items()}
        winner = max(results, key=lambda name: results[name])
        best.append(winner if results[winner] > results[default] + CLEAR_GAIN else default)
    return Scopes(best[0], best[1], found)


def _statistics(readout: Readout, rows: list[Raw]) -> list[dict[str, float]]:
    return [readout.evidence(raw).statistics for raw in rows]


def _auroc(recipe: Recipe, statistics: list[dict[str, float]], inside: int) -> float:
    from scipy.stats import rankdata

    values = _weighted(recipe, statistics, _spreads(recipe, statistics[:inside]))
    ranks = rankdata(values)
    outside = len(values) - inside
    return float((ranks[:inside].sum() - inside * (inside + 1) / 2) / (inside * outside))


def _spreads(recipe: Recipe, statistics: list[dict[str, float]]) -> dict[str, float]:
    return {name: max(float(np.std([row[name] for row in statistics])), 1e-9) for name, _ in recipe}


def _weighted(recipe: Recipe, statistics: list[dict[str, float]], spreads: dict[str, float]) -> NDArray[np.float64]:
    columns = [weight / spreads[name] * np.array([row[name] for row in statistics]) for name, weight in recipe]
    return np.asarray(np.sum(columns, axis=0))


def fit_scope(name: str, statistics: list[dict[str, float]]) -> OutOfScope:
    """Map a recipe to [0, 1]: 0.5 where 5% of in-scope texts lie above, steepness from their lower half."""
    recipe = RECIPES[name]
    spreads = _spreads(recipe, statistics)
    values = _weighted(recipe, statistics, spreads)
    edge, middle = np.quantile(values, 1.0 - IN_SCOPE_KEPT), np.quantile(values, 0.5)
    slope = 2.0 / max(float(middle - edge), 1e-6)
    names = tuple(part for part, _ in recipe)
    weights = tuple(-slope * weight / spreads[part] for part, weight in recipe)
    found = OutOfScope(name, names, weights, float(edge) * slope)
    limit = float(np.quantile([found.value(row) for row in statistics], IN_SCOPE_WHOLE))
    return OutOfScope(name, names, weights, found.bias, min(limit, HIGHEST_LIMIT))

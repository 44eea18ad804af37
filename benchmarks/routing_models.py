"""Nine open models, one prompt at a time: does choosing by prompt beat the best single model at its cost?

Cost is the number of parameters in billions, which is what a token costs on one's own machines. The price of cost is
chosen on out-of-fold predictions of the train folds, so that the budget is never fitted to the rows it is judged on.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness, models, routing_metrics
from benchmarks.routing_data import Floats
from rightsized.core.types import Interval
from rightsized.engines.onnx import OnnxEncoder
from rightsized.engines.signals.signal import Exchange
from rightsized.tune.choose import choose, fit_scores, price_within
from rightsized.tune.duplicates import normalise
from rightsized.tune.uplift import Labelled, rows_of
from rightsized.tune.verifier import make_folds

FILE = "llmrouter_9models_scores.csv.gz"
BUDGETS = (0.25, 0.5, 0.75, 0.9, 1.0)  # parts of the best single model's cost
_BILLIONS = re.compile(r"(\d+(?:\.\d+)?)b\b", re.IGNORECASE)


def costs_of(names: list[str]) -> Floats:
    """Billions of parameters, read off the models' names."""
    return np.array([float(_BILLIONS.findall(name)[-1]) for name in names])


def run(folder: Path, encoder: OnnxEncoder) -> dict[str, object]:
    """Quality of the router at budgets up to the best single model's cost, beside every single model and the oracle."""
    rows = list(harness.rows(folder / FILE))
    names = [name for name in rows[0] if name not in ("split", "task", "prompt")]
    prompts = [row["prompt"] for row in rows]
    scores = np.array([[float(row[name]) for name in names] for row in rows])
    costs = costs_of(names)
    best = int(scores.mean(axis=0).argmax())
    vectors = models.vectors(encoder, prompts)
    groups = [normalise(prompt) or prompt for prompt in prompts]
    tasks = [row["task"] for row in rows]
    blind = _replayed(prompts, vectors, [], groups, scores, costs, best)
    taught = _replayed(prompts, vectors, tasks, groups, scores, costs, best)
    return {
        "rows": len(rows),
        "cost": "billions of parameters",
        "single": [{"model": n, "cost": c, "quality": q} for n, c, q in zip(names, costs, scores.mean(0), strict=True)],
        "best_single": {"model": names[best], "cost": costs[best], "quality": scores[:, best].mean()},
        "router": [_point(picked, share, scores, costs, best) for share, picked in taught],
        "router_without_declared_tasks": [_point(picked, share, scores, costs, best) for share, picked in blind],
        "oracle": _oracle(scores, costs),
    }


def _replayed(
    prompts: list[str],
    vectors: NDArray[np.float32],
    tasks: list[str],
    groups: list[str],
    scores: Floats,
    costs: Floats,
    best: int,
) -> list[tuple[float, NDArray[np.intp]]]:
    """The model picked for every row by a router fitted on the other four fifths, for each budget."""
    outer = make_folds(len(prompts), 0, groups)
    picked = {share: np.zeros(len(prompts), np.intp) for share in BUDGETS}
    for fold in np.unique(outer):
        train, held = np.flatnonzero(outer != fold), np.flatnonzero(outer == fold)
        harness.note(f"nine models, fold {fold + 1}")
        data = Labelled(
            exchanges=[Exchange(prompts[i]) for i in train],
            right=scores[train, best],
            vectors=vectors[train],
            domains=[tasks[i] for i in train] if tasks else (),
            groups=[groups[i] for i in train],
        )
        rowed = rows_of(data)
        model = fit_scores(rowed.prompt, scores[train], make_folds(len(train), 0, data.groups))
        unseen = np.stack([rowed.features.prompt_row(prompts[i], vectors[i]) for i in held])
        expected = model.expected(unseen)
        for share in BUDGETS:
            price = price_within(model.out_of_fold, scores[train], costs, share * costs[best])
            picked[share][held] = choose(expected, costs, price)
    return list(picked.items())


def _point(picked: NDArray[np.intp], share: float, scores: Floats, costs: Floats, best: int) -> dict[str, object]:
    """One point of the router's cost-quality curve, with paired intervals against the best single model."""
    at = np.arange(len(picked))
    quality, cost = scores[at, picked], costs[picked]
    gained, saved = quality - scores[:, best], costs[best] - cost

    def mean(values: Floats) -> Interval:
        return routing_metrics.interval(lambda rows: float(values[rows].mean()), len(values))

    better, cheaper = mean(gained), mean(saved)
    return {
        "budget": share * costs[best],
        "quality": mean(quality),
        "cost": mean(cost),
        "quality_gained": better,
        "cost_saved": cheaper,
        "beats_best_single": bool(better.low > 0 and cheaper.low >= 0),
        "shares": np.bincount(picked, minlength=len(costs)) / len(picked),
    }


def _oracle(scores: Floats, costs: Floats) -> dict[str, float]:
    """The cheapest of the best models for each row."""
    picked = np.array([np.lexsort((costs, -row))[0] for row in scores])
    return {"quality": float(scores.max(axis=1).mean()), "cost": float(costs[picked].mean())}

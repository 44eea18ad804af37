"""Figures of a router: gap recovered, strong calls needed, risk over coverage, each with a bootstrap interval.

Definitions follow RouteLLM (Ong et al. 2024): the performance gap recovered (PGR) at a share of strong calls is
(quality - weak) / (strong - weak); APGR is its mean over all shares; CPT(x) is the smallest share of strong calls at
which x of the gap is recovered. AURC is the area under the curve of risk over coverage (Geifman and El-Yaniv 2017).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rightsized.core.types import Interval

Floats = NDArray[np.float64]
RESAMPLES = 1000
LEVEL = 0.95


def recovered(score: Floats, weak: Floats, strong: Floats) -> Floats:
    """PGR with the k rows of highest score sent to the strong model, for k = 0 .. n: float64 (n + 1,)."""
    gain = strong - weak
    ordered = gain[np.argsort(-score, kind="stable")]
    return np.asarray(np.concatenate([[0.0], np.cumsum(ordered)]) / gain.sum(), np.float64)


def apgr(score: Floats, weak: Floats, strong: Floats) -> float:
    """Mean PGR over all shares of strong calls; 0.5 for a router that chooses at random."""
    return float(np.trapezoid(recovered(score, weak, strong), dx=1 / len(weak)))


def cpt(score: Floats, weak: Floats, strong: Floats, part: float) -> float:
    """The smallest share of strong calls at which `part` of the gap is recovered."""
    found = recovered(score, weak, strong)
    return float(np.argmax(found >= part - 1e-12) / len(weak))


def aurc(confidence: Floats, right: Floats) -> float:
    """Mean error among the most confident k rows, over all k = 1 .. n."""
    wrong = 1 - right[np.argsort(-confidence, kind="stable")]
    return float((np.cumsum(wrong) / np.arange(1, len(wrong) + 1)).mean())


def interval(
    figure: Callable[[NDArray[np.intp]], float], n: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """A figure of rows with its bootstrap percentile interval; `figure` takes row numbers.

    Resamples on which the figure is not defined (no gap left) are passed over.
    """
    random = np.random.default_rng(seed)
    drawn = np.array([figure(random.integers(0, n, n)) for _ in range(resamples)])
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(drawn) else (np.nan, np.nan)
    return Interval(value=figure(np.arange(n)), low=float(low), high=float(high), n=n, level=LEVEL)


def router_figures(score: Floats, weak: Floats, strong: Floats, resamples: int = RESAMPLES) -> dict[str, Interval]:
    """`apgr`, `cpt50` and `cpt80` with intervals."""

    def over(figure: Callable[[Floats, Floats, Floats], float]) -> Interval:
        def resampled(rows: NDArray[np.intp]) -> float:
            w, s = weak[rows], strong[rows]
            return figure(score[rows], w, s) if s.sum() > w.sum() else float("nan")

        return interval(resampled, len(weak), resamples=resamples)

    return {
        "apgr": over(apgr),
        "cpt50": over(lambda score, w, s: cpt(score, w, s, 0.5)),
        "cpt80": over(lambda score, w, s: cpt(score, w, s, 0.8)),
    }


def aurc_figure(confidence: Floats, right: Floats, resamples: int = RESAMPLES) -> Interval:
    """AURC with its interval."""
    return interval(lambda rows: aurc(confidence[rows], right[rows]), len(right), resamples=resamples)


def auroc(confidence: Floats, right: Floats) -> float:
    """Chance that a right answer gets a higher confidence than a wrong one; ties count half. NaN with one class."""
    from scipy.stats import rankdata

    positive = right >= 0.5
    count = int(positive.sum())
    if count in (0, len(right)):
        return float("nan")
    ranks = rankdata(confidence)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(right) - count)))

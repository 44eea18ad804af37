"""The tables of the right-sizing report: candidates, rungs, budgets and cost, from what the fit measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from rightsized.core.types import TIER_TASK, Targets
from rightsized.tasks.evaluate import ScoredRows, answered_by
from rightsized.tasks.measure import Serving, spread
from rightsized.tasks.records import Budget, Candidate, CostComparison, RungRow

# List prices change; these are round assumptions that the report prints, not quotations.
TOKENS_A_MESSAGE, TOKENS_OF_PROMPT = 60, 400  # labels and instructions go along with every message
LARGE_USD_PER_MILLION_TOKENS = 2.5  # input price of a large hosted model
CPU_USD_PER_HOUR = 0.05  # one virtual core
PERSON_USD_PER_MESSAGE = 0.50  # one minute at 30 US dollars an hour


class Sizes(Struct, frozen=True):
    """Bytes on disk of what each rung needs; `encoder_weights` are part of `encoder`."""

    ngram: int
    head: int
    encoder: int
    encoder_weights: int


def rung_costs(milliseconds: Sequence[float]) -> tuple[float, ...]:
    """US dollars of one call of each rung, the person last: what calibration weighs."""
    return (*(ms / 3.6e6 * CPU_USD_PER_HOUR for ms in milliseconds), PERSON_USD_PER_MESSAGE)


def rung_rows(
    rows: ScoredRows, thresholds: Sequence[float | None], models: Sequence[str], serving: Serving, sizes: Sizes
) -> tuple[RungRow, ...]:
    """Each rung's size, time, accuracy, and what it answers at the thresholds in force."""
    by = answered_by(rows.score, thresholds)
    table = []
    for k, (name, size) in enumerate((("ngram", sizes.ngram), ("head", sizes.ngram + sizes.head + sizes.encoder))):
        mine = by == k
        wrong = float((~rows.correct[mine, k]).mean()) if mine.any() else 0.0
        accuracy = float(rows.correct[:, k].mean()) if len(by) else 0.0
        share = float(mine.mean()) if len(by) else 0.0
        table.append(
            RungRow(name, TIER_TASK, models[k], size / 1e6, serving.rungs[k], accuracy, thresholds[k], share, wrong)
        )
    return tuple(table)


def candidates(
    score: NDArray[np.float64], correct: NDArray[np.bool_], targets: Targets, serving: Serving, sizes: Sizes
) -> tuple[Candidate, ...]:
    """What was considered, out-of-fold: each rung alone, and the ladder of both.

    `kept_at_budget` is the share that could be answered at the error budget with the threshold picked on these very
    rows: an upper bound, the same for all, good for comparing.
    """
    alone = [kept_at(score[:, k], correct[:, k], targets.max_error) for k in range(2)]
    heavy = sizes.ngram + sizes.head + sizes.encoder
    return (
        Candidate(
            "n-gram model alone", sizes.ngram / 1e6, serving.rungs[0], float(correct[:, 0].mean()), alone[0], False
        ),
        Candidate("INT8 encoder alone", heavy / 1e6, serving.rungs[1], float(correct[:, 1].mean()), alone[1], False),
        Candidate(
            "n-gram model, then INT8 encoder",
            heavy / 1e6,
            serving.latency.p50,
            float(correct[:, 1].mean()),
            alone[1],
            True,
            "the share is that of the encoder alone; calibration decides how much of it the n-gram model answers",
        ),
    )


def full_precision_row(
    rows: ScoredRows, multi_label: bool, targets: Targets, serving: Serving, sizes: Sizes
) -> tuple[Candidate, ...]:
    """The encoder before quantisation, on rows that did not train; empty where it was not compared."""
    full = serving.full
    if full is None:
        return ()
    picked = spread(len(rows.texts), len(full.answers))
    own = [rows.predicted[-1][i] for i in picked]
    same = sum(set(answer) == set(p.labels) for answer, p in zip(full.answers, own, strict=True))
    correct = np.array([set(answer) == set(rows.labels[i]) for answer, i in zip(full.answers, picked, strict=True)])
    if not multi_label:
        correct &= np.array([bool(rows.labels[i]) for i in picked])
    note = (
        f"measured on {len(picked)} messages that did not train; on the same ones the INT8 encoder is right on "
        f"{rows.correct[picked, -1].mean():.1%} and gives the same answer to {same}"
    )
    return (
        Candidate(
            "fp32 encoder alone",
            (sizes.ngram + sizes.head + sizes.encoder - sizes.encoder_weights + full.size) / 1e6,
            full.latency_ms,
            float(correct.mean()),
            kept_at(np.array(full.scores), correct, targets.max_error),
            False,
            note,
        ),
    )


def kept_at(score: NDArray[np.float64], correct: NDArray[np.bool_], epsilon: float) -> float:
    """Largest share answered with at most `epsilon` of it wrong, the threshold picked with hindsight."""
    if not len(score):
        return 0.0
    order = np.argsort(-score, kind="stable")
    wrong = np.cumsum(~correct[order])
    counts = np.arange(1, len(score) + 1)
    last_of_tie = np.append(score[order][:-1] != score[order][1:], True)
    fine = np.flatnonzero((wrong <= epsilon * counts) & last_of_tie)
    return float((fine[-1] + 1) / len(score)) if len(fine) else 0.0


def budgets(targets: Targets, serving: Serving) -> tuple[Budget, ...]:
    """Latency and memory beside their limits."""
    return (
        Budget("Latency, 95th percentile", "ms", targets.budget_ms, serving.latency.p95),
        Budget("Memory, peak", "MB", targets.budget_mb, serving.rss_mb),
    )


def cost(share: float, serving: Serving) -> CostComparison:
    """1,000 messages all to a large hosted model, and with this task in front of it."""
    large = 1000 * (TOKENS_A_MESSAGE + TOKENS_OF_PROMPT) * LARGE_USD_PER_MILLION_TOKENS / 1e6
    here = 1000 * serving.latency.p50 / 3.6e6 * CPU_USD_PER_HOUR
    return CostComparison(
        large_per_1000=large,
        cascade_per_1000=here + (1 - share) * large,
        person_share=1 - share,
        assumption=(
            f"A message of {TOKENS_A_MESSAGE} tokens with a prompt of {TOKENS_OF_PROMPT}, at "
            f"{LARGE_USD_PER_MILLION_TOKENS:g} US dollars a million input tokens, sent to a large hosted model; a "
            f"processor core at {CPU_USD_PER_HOUR:g} US dollars an hour here. What is not answered here goes to the "
            "large model in this comparison; where it goes to a person instead, the minute costs more."
        ),
    )

"""Answers from documents: how often one is given, how often it is right, and what a certificate can promise.

    python -m benchmarks.answers --json

Right means that the cited passage is judged to answer. The default weights of the probability were fitted on the
questions of one half of each set (by document); every figure here is of the other half. Beside them stand weights
fitted on the set's own first half, as `search calibrate` does, and a plain baseline: the sentence of the first passage
that is nearest to the question by cosine. Haystack's extractive reader needs a model of the Hugging Face hub, which
cannot be had on this machine; it was not run.

The second part draws calibrate questions with replacement from the half that is reported, as a population, and counts
how often a promise that was certified does not hold there. The third changes sentences of the documents, one way at a
time, and counts which of them `support` still takes for borne out.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import harness, models
from benchmarks.answers_checks import checks
from benchmarks.answers_data import SETS, Seen, cases, seen
from rightsized.apps.search.answer import fitting
from rightsized.apps.search.answer.answering import LEAST
from rightsized.apps.search.answer.calibrating import COSTS, Asked, learn
from rightsized.apps.search.answer.choosing import DEFAULT, SIGNALS, Floats, choose
from rightsized.apps.search.answer.evidence import COLUMNS, PASSAGES
from rightsized.apps.search.evaluate.bootstrap import interval
from rightsized.cascade.path import outcomes
from rightsized.cascade.scores import Scores
from rightsized.cascade.selection import Test, choose_path, walk
from rightsized.core.types import Promise
from rightsized.tasks.embeddings import Embedder

MOST = {"policyqa": 800, "obliqa": 600}  # questions drawn of sets with more
BUDGETS = (0.1, 0.2, 0.3)
PROMISES: tuple[Promise, ...] = ("selective_error", "wrong_local_rate")
SAMPLE = 400  # calibrate questions drawn
DRAWS = 1000
BOOTSTRAPS = 300
DELTA = 0.05
SEED = 20261128
Bools = NDArray[np.bool_]


class Table(NamedTuple):
    """Cases of a set as rows: signals of the answer, whether it is right, and what the baseline says.

    `half` 1 is reported, 0 was fitted on. `read`: a passage that answers is among those read.
    """

    signals: Floats
    right: Bools
    half: NDArray[np.int64]
    answerable: Bools
    read: Bools
    plain: Floats
    plain_right: Bools
    groups: list[str]

    def rows(self, some: Bools) -> Table:
        picked: list[Any] = [column[some] for column in self[:-1]]
        return Table._make([*picked, [name for name, kept in zip(self.groups, some, strict=True) if kept]])


def table(found: Sequence[Seen]) -> Table:
    """One row a case that has a sentence to show."""
    rows: list[tuple[Any, ...]] = []
    for one in found:
        chosen = choose(one.evidence)
        if chosen is None:
            continue
        gold, evidence = one.case.gold, one.evidence
        hit = evidence.hits[evidence.sentences[chosen.best].hit]
        first = [at for at, sentence in enumerate(evidence.sentences) if sentence.hit == 0]
        near = max((float(evidence.matrix[at, COLUMNS.index("cosine")]) for at in first), default=-1.0)
        group = one.case.group or one.case.text
        rows.append(
            (
                chosen.signals,
                hit.found.row in gold,
                hashlib.sha256(group.encode()).digest()[0] % 2,
                bool(gold),
                any(hit.found.row in gold for hit in one.results.hits[:PASSAGES]),
                near,
                evidence.hits[0].found.row in gold,
                group,
            )
        )
    columns: list[Any] = [np.array(column) for column in list(zip(*rows, strict=True))[:-1]]
    return Table._make([*columns, [row[-1] for row in rows]])


def auroc(scores: Floats, right: Bools) -> float:
    """The chance that a right answer scores above a wrong one, ties half; NaN where all are alike."""
    if right.all() or not right.any():
        return float("nan")
    above = (scores[right][:, None] > scores[~right][None, :]).mean()
    ties = (scores[right][:, None] == scores[~right][None, :]).mean()
    return float(above + ties / 2)


def auroc_interval(scores: Floats, right: Bools, groups: Sequence[str]) -> dict[str, float]:
    """With a 95% interval by the bootstrap; whole documents are drawn."""
    dice, names = np.random.default_rng(SEED), sorted(set(groups))
    members = {name: np.flatnonzero(np.array(groups) == name) for name in names}
    drawn = []
    for _ in range(1000):
        rows = np.concatenate([members[names[at]] for at in dice.integers(0, len(names), len(names))])
        value = auroc(scores[rows], right[rows])
        if np.isfinite(value):
            drawn.append(value)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"mean": auroc(scores, right), "low": float(low), "high": float(high)}


def figures(whole: Table) -> dict[str, Any]:
    """How answers of the reported half stand."""
    some = whole.rows(whole.half == 1)
    fit = whole.rows(whole.half == 0)
    likely = fitting.probabilities(some.signals, DEFAULT)
    told = {"default": likely}
    if fitting.enough(fit.right):
        told["own"] = fitting.probabilities(some.signals, fitting.fit(fit.signals, fit.right))
    given = likely >= LEAST
    share = int(given.sum())
    plain = np.zeros(len(given), np.bool_)
    plain[np.argsort(-some.plain, kind="stable")[:share]] = True
    return {
        "questions": len(some.right),
        "without_an_answer": int((~some.answerable).sum()),
        "read": _share(some.read[some.answerable]),
        "answered": _share(given),
        "right_of_answered": _share(some.right[given]),
        "answered_without_an_answer": _share(given[~some.answerable]) if (~some.answerable).any() else None,
        "auroc": {name: auroc_interval(scores, some.right, some.groups) for name, scores in told.items()},
        "baseline": {
            "right_of_as_many": _share(some.plain_right[plain]),
            "auroc": auroc_interval(some.plain, some.plain_right, some.groups),
        },
    }


def _share(values: Bools) -> dict[str, Any]:
    return msgspec.to_builtins(interval(values.astype(float).tolist(), seed=SEED)) if len(values) else {"n": 0}


def promises(whole: Table, draws: int) -> list[dict[str, Any]]:
    """What certificates keep and how often they do not hold, the reported half being the population."""
    some, fit = whole.rows(whole.half == 1), whole.rows(whole.half == 0)
    weights, likely = learn(Asked(fit.signals, fit.right), SEED)
    selection = Scores(likely[:, None], fit.right[:, None])
    pool = Scores(fitting.probabilities(some.signals, weights)[:, None], some.right[:, None])
    return [_cell(promise, budget, selection, pool, draws) for promise in PROMISES for budget in BUDGETS]


def _cell(promise: Promise, budget: float, selection: Scores, pool: Scores, draws: int) -> dict[str, Any]:
    """As `cascade.calibrate` does, but for the path, which draws of one size share."""
    dice = np.random.default_rng([SEED, int(1000 * budget)])
    test = Test(promise, budget, DELTA, SAMPLE)
    path = choose_path(test, selection, COSTS, seed=0, bootstraps=BOOTSTRAPS)
    local, wrong = outcomes(path.configurations, pool).count()
    broken = wrong > budget * (local if promise == "selective_error" else pool.n)
    kept, violations, share = 0, 0, 0.0
    for _ in range(draws):
        drawn = pool.rows(dice.integers(0, pool.n, SAMPLE))
        last = walk(test.passes(*outcomes(path.configurations, drawn).count()), path.start)
        if last >= 0 and np.isfinite(path.configurations[last]).any():
            kept += 1
            violations += int(broken[last])
            share += int(local[last]) / pool.n
    return {
        "promise": promise,
        "max_error": budget,
        "calibrate": SAMPLE,
        "draws": draws,
        "certified": kept / draws,
        "violations": violations / draws,
        "mean_share_answered": share / draws,
    }


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", default="", help="sets whose name begins so")
    parser.add_argument("--draws", type=int, default=DRAWS)


def main() -> int:
    given = harness.options("answers", __doc__ or "", _configure)
    plain = models.encoder(sessions=1)
    cached = Embedder(models.home(), plain)
    result: dict[str, Any] = {"signals": list(SIGNALS), "weights": msgspec.to_builtins(DEFAULT), "sets": {}}
    draws = 50 if given.quick else given.extra.draws
    for name in SETS:
        if not name.startswith(given.extra.only):
            continue
        harness.note(name)
        most = 60 if given.quick else MOST.get(name, 0)
        with cases(name, given.data, cached, plain, most) as some:
            found = seen(some, cached)
            whole = table(found)
            one: dict[str, Any] = {"answers": figures(whole), "checks": checks(found, cached)}
        if fitting.enough(whole.right[whole.half == 0]):
            harness.note(f"{name}: certificates")
            one["certificates"] = promises(whole, draws)
        result["sets"][name] = one
    result["not_run"] = "Haystack's extractive reader: its model comes from the Hugging Face hub alone."
    return harness.finish(given, result, _lines(result))


def _lines(result: dict[str, Any]) -> list[str]:
    lines = []
    for name, one in result["sets"].items():
        found = one["answers"]
        lines.append(
            f"{name}: {found['questions']} questions, answered {found['answered']['mean']:.2f}, right of these"
            f" {found['right_of_answered']['mean']:.2f} (baseline {found['baseline']['right_of_as_many']['mean']:.2f})"
        )
        for label, value in {**found["auroc"], "baseline": found["baseline"]["auroc"]}.items():
            lines.append(f"  AUROC {label}: {value['mean']:.3f} ({value['low']:.3f}-{value['high']:.3f})")
        for cell in one.get("certificates", ()):
            lines.append(
                f"  {cell['promise']} {cell['max_error']:.0%}: certified {cell['certified']:.2f}, answers"
                f" {cell['mean_share_answered']:.2f}, broken {cell['violations']:.3f}"
            )
        lines += [f"  {kind}: {told['accepted']:.3f} of {told['n']} taken" for kind, told in one["checks"].items()]
    return lines


if __name__ == "__main__":
    sys.exit(main())

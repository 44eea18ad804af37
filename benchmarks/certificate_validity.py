"""Figure 3: does the certificate keep its word, and what does keeping it cost?

    python -m benchmarks.certificate_validity --json [--data PATH] [--quick]

The pool of a data set is the whole population. Each draw takes n rows from it with replacement, runs the test exactly
as `calibrate` does, and looks up the true risk of what it certified on the whole pool. Models are fixed; selection data
are out-of-fold predictions of the train rows, so that grid, order and start are the same in every draw. A draw that
certifies a configuration whose true risk exceeds epsilon is a violation: there may be delta of them, and Monte Carlo
error, corrected for the number of cells. Beside it: the oracle (the best configuration with true risk within epsilon),
and the naive threshold (the loosest with error within epsilon on the n rows), which breaks its promise freely.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import certificate_plot, harness, pools
from rightsized.cascade import bounds, grid
from rightsized.cascade.path import Outcomes, nested_runs, outcomes
from rightsized.cascade.scores import Bools, Floats, Ints, Scores
from rightsized.cascade.selection import Path, Test, choose_path
from rightsized.core.types import Promise

PROMISES: tuple[Promise, ...] = ("selective_error", "wrong_local_rate")
EPSILONS = (0.01, 0.02, 0.05, 0.10)
SIZES = (200, 500, 1000, 2000)
DELTA = 0.05  # one look declared beforehand; an undeclared first attempt tests at half of it
DRAWS, QUICK_DRAWS = 5000, 500
NAIVE_LEVELS = 20  # a rung: the naive search over two rungs
FAMILY_ERROR = 0.05  # chance that any cell at all is flagged when every certificate is valid
HEADLINE_N = 1000


@dataclass(frozen=True, eq=False)
class Table:
    """One population as seen by one ladder: one rung (the encoder) or two (n-gram, encoder)."""

    name: str
    rungs: int
    population: Scores
    selection: Scores
    costs: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Draws:
    """How often each row of the pool stands in each draw, float32 (draws, pool)."""

    counts: NDArray[np.float32]
    n: int

    def tally(self, seen: Outcomes) -> tuple[Ints, Ints]:
        """Answered here, and wrong, for each draw and configuration."""
        local, wrong = (self.counts @ part.astype(np.float32) for part in (seen.local, seen.wrong))
        return np.rint(local).astype(np.int64), np.rint(wrong).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Truth:
    """Local share and risks of each configuration on the whole pool, float64 (configurations)."""

    share: Floats
    selective_error: Floats
    wrong_local_rate: Floats

    @classmethod
    def of(cls, local: Ints, wrong: Ints, n: int) -> Truth:
        """From counts on the pool of n rows."""
        return cls(local / n, wrong / np.maximum(local, 1), wrong / n)

    def risk(self, promise: Promise) -> Floats:
        """The risk the promise is about."""
        return self.selective_error if promise == "selective_error" else self.wrong_local_rate


@dataclass(frozen=True, eq=False)
class Picked:
    """The configuration each draw settles on, as an index; -1 where none."""

    last: Ints
    truth: Truth

    def kept(self) -> float:
        """Mean local share over all draws; nothing is kept where nothing is certified."""
        return float(np.where(self.last >= 0, self.truth.share[self.last], 0.0).mean())

    def violations(self, promise: Promise, epsilon: float) -> int:
        """Draws whose configuration has a true risk above epsilon."""
        return int(((self.last >= 0) & (self.truth.risk(promise)[self.last] > epsilon)).sum())


def tables(pool: pools.Pool) -> Iterator[Table]:
    """The encoder alone, and the ladder."""
    for columns in ([1], [0, 1]):
        costs = (*(pools.COSTS[c] for c in columns), pools.COSTS[-1])
        yield Table(
            pool.name, len(columns), _columns(pool.population, columns), _columns(pool.selection, columns), costs
        )


def _columns(rows: Scores, columns: list[int]) -> Scores:
    return Scores(rows.scores[:, columns], rows.correct[:, columns])


def draw(pool: int, n: int, draws: int, seed: int) -> Draws:
    """Samples of n rows with replacement."""
    random = np.random.default_rng([seed, pool, n])
    return Draws(random.multinomial(n, np.full(pool, 1 / pool), size=draws).astype(np.float32), n)


def last_of_run(passes: Bools, start: int) -> Ints:
    """`selection.walk` for every draw at once."""
    ahead = passes[:, start:]
    run = np.where(ahead.all(axis=1), ahead.shape[1], np.argmin(ahead, axis=1))
    return np.where(run > 0, start + run - 1, -1).astype(np.int64)


class Simulation:
    """All cells of one population, one ladder and one n: the draws are shared, and tallies where paths agree."""

    def __init__(self, table: Table, n: int, draws: int) -> None:
        self.table, self.n = table, n
        self.drawn = draw(table.population.n, n, draws, seed=0)
        self._shared: tuple[bytes, tuple[Ints, Ints]] = (b"", (np.zeros(0, np.int64), np.zeros(0, np.int64)))
        points = grid.build(table.population, table.costs)
        self.best = Truth.of(points.local, points.wrong, points.n)
        self.naive_path = _naive_path(table)
        self.naive_counts = self.drawn.tally(outcomes(self.naive_path, table.population))

    def cell(self, promise: Promise, epsilon: float, delta: float) -> dict[str, object]:
        """One cell of the table."""
        test = Test(promise, epsilon, delta, self.n)
        path = choose_path(test, self.table.selection, self.table.costs, seed=0, bootstraps=300)
        seen = outcomes(path.configurations, self.table.population)
        counts = self._tally(path, seen)
        picked = Picked(last_of_run(test.passes(*counts), path.start), Truth.of(*seen.count(), len(seen.local)))
        violations, draws = picked.violations(promise, epsilon), len(picked.last)
        ngram = (self.table.population.scores[:, 0, None] >= path.configurations[None, :, 0]).mean(axis=0)
        first = np.where(picked.last >= 0, ngram[picked.last], 0.0).mean() if self.table.rungs > 1 else None
        within = self.best.risk(promise) <= epsilon
        return {
            "data": self.table.name,
            "rungs": self.table.rungs,
            "promise": promise,
            "n": self.n,
            "epsilon": epsilon,
            "delta": delta,
            "certified": float((picked.last >= 0).mean()),
            "violations": violations / draws,
            "p": above_delta(violations, draws, delta),
            "kept": picked.kept(),
            "kept_by_ngram": first,
            "oracle": float(self.best.share[within].max()),
            **self._naive(promise, epsilon),
            **interval_coverage(path, picked, counts, self.n),
        }

    def _tally(self, path: Path, seen: Outcomes) -> tuple[Ints, Ints]:
        key = path.configurations.tobytes()
        if self._shared[0] != key:
            self._shared = (key, self.drawn.tally(seen))
        return self._shared[1]

    def _naive(self, promise: Promise, epsilon: float) -> dict[str, float]:
        """The loosest configuration whose error on the sample is within epsilon."""
        local, wrong = self.naive_counts
        within = wrong <= epsilon * (local if promise == "selective_error" else self.n)
        truth = Truth.of(*outcomes(self.naive_path, self.table.population).count(), self.table.population.n)
        picked = Picked(np.argmax(np.where(within, local, -1), axis=1).astype(np.int64), truth)
        broken = picked.violations(promise, epsilon) / len(picked.last)
        return {"naive_kept": picked.kept(), "naive_violations": broken}


def _naive_path(table: Table) -> Floats:
    points = NAIVE_LEVELS if table.rungs > 1 else None
    return grid.build(table.selection, table.costs, points).configurations


def above_delta(violations: int, draws: int, delta: float) -> float:
    """Chance of so many violations or more, were the true share delta."""
    return 1.0 if not violations else float(bounds.binomial_p_values(draws - violations, draws, 1 - delta))


def interval_coverage(path: Path, picked: Picked, counts: tuple[Ints, Ints], n: int) -> dict[str, float | None]:
    """How often the intervals printed beside the promise hold the truth, over certified draws."""
    from scipy.special import betaincinv

    drawn = np.flatnonzero(picked.last >= 0)
    if not len(drawn):
        return {"share_interval_holds": None, "error_interval_holds": None}
    at = picked.last[drawn]
    m, e = np.maximum(counts[0][drawn, at], 1), counts[1][drawn, at]
    half = bounds.dkw_interval(0.5, n, nested_runs(path.configurations[path.start :])).high - 0.5
    low = np.where(e > 0, betaincinv(np.maximum(e, 1), m - e + 1, 0.025), 0.0)
    high = np.where(e < m, betaincinv(e + 1, np.maximum(m - e, 1), 0.975), 1.0)
    error = picked.truth.selective_error[at]
    return {
        "share_interval_holds": float((np.abs(m / n - picked.truth.share[at]) <= half).mean()),
        "error_interval_holds": float(((low <= error) & (error <= high)).mean()),
    }


def held_out_selection(table: Table, draws: int) -> list[dict[str, object]]:
    """What out-of-fold selection costs beside held-out selection: half of the pool chooses, the other is the pool."""
    half = np.random.default_rng(7).permutation(table.population.n)
    chooses, pool = (table.population.rows(np.sort(part)) for part in np.array_split(half, 2))
    compared = []
    for epsilon in EPSILONS:
        row: dict[str, object] = {"data": table.name, "rungs": table.rungs, "n": HEADLINE_N, "epsilon": epsilon}
        for name, selection in (("out_of_fold", table.selection), ("held_out", chooses)):
            simulation = Simulation(Table(table.name, table.rungs, pool, selection, table.costs), HEADLINE_N, draws)
            found = simulation.cell("selective_error", epsilon, DELTA)
            row |= {f"kept_{name}": found["kept"], f"violations_{name}": found["violations"]}
        compared.append(row)
    return compared


def run(given: harness.Options) -> dict[str, object]:
    """All cells of all data sets."""
    draws, sizes = (QUICK_DRAWS, (HEADLINE_N,)) if given.quick else (DRAWS, SIZES)
    names = ("curekart", "complaints") if given.quick else tuple(pools.SOURCES)
    cells, compared, described = [], [], []
    for name in names:
        pool = pools.load(name, given.data)
        described.append({"data": name, "pool": pool.population.n, "selection": pool.selection.n})
        for table in tables(pool):
            harness.note(f"{name}, {table.rungs} rungs")
            for n in sizes:
                simulation = Simulation(table, n, draws)
                cells += [simulation.cell(p, e, DELTA) for p in PROMISES for e in EPSILONS]
                if n == HEADLINE_N:  # what the first attempt costs where no looks were declared
                    cells += [simulation.cell(p, e, DELTA / 2) for p in PROMISES for e in EPSILONS]
            compared += held_out_selection(table, min(draws, 1000)) if table.rungs == 1 else []
    return {"draws": draws, "pools": described, **verdict(cells), "cells": cells, "selection": compared}


def verdict(cells: list[dict[str, object]]) -> dict[str, object]:
    """Are violations within delta everywhere, given so many cells?"""
    limit = FAMILY_ERROR / len(cells)
    flagged = [c for c in cells if float(str(c["p"])) < limit]
    worst = max(cells, key=lambda c: float(str(c["violations"])) / float(str(c["delta"])))
    return {
        "cells_tested": len(cells),
        "cells_above_delta": len(flagged),
        "flagged_below_p": limit,
        "largest_violations": worst["violations"],
        "largest_violations_at": {k: worst[k] for k in ("data", "rungs", "promise", "n", "epsilon", "delta")},
    }


def main() -> int:
    """Run, draw the plot, print."""
    given = harness.options("certificate_validity", "Validity and coverage of the certificate.")
    result = run(given)
    status = harness.finish(given, result, certificate_plot.lines(result))
    if not given.quick:
        certificate_plot.save(result, harness.RESULTS / "certificate_validity.svg")
    return status


if __name__ == "__main__":
    raise SystemExit(main())

"""Figure 8: messages a second a core, and share answered, with and without the n-gram rung, at one certified error.

The models are fitted on the train rows and never change. A population (test rows) is scored once through the serving
path. Each draw takes 1,000 rows of it with replacement as calibration labels, certifies `selective_error` at 95%, and
the thresholds are applied to the whole population, as CERTIFICATE's method of checking has it. CPU is measured on the
same rows, one thread; every message is paid for, those that go to a person too. The n-gram rung takes longer right
after a model call, which empties the caches, than after another n-gram call: a message is charged by what came before.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness, models, pools
from rightsized.cascade.calibrate import calibrate
from rightsized.cascade.path import Outcomes, Thresholds, as_configuration, as_thresholds, outcomes
from rightsized.cascade.plan import Calibration, Plan
from rightsized.cascade.route import Cascade, CascadeSetup
from rightsized.cascade.scores import Floats, Scores
from rightsized.cascade.selection import Test, choose_path, walk
from rightsized.core.types import Request
from rightsized.engines.classifier import Classifier, open_rungs
from rightsized.engines.onnx import OnnxEncoder

SETS = ("banking77", "clinc150")
BUDGETS = (0.01, 0.02, 0.05)
TARGETS = {0.02: 2.0, 0.05: 4.0}  # times the encoder-only throughput, on banking77
ROWS, DRAWS, QUICK_DRAWS = 1000, 2000, 200
DELTA = 0.05
PERSON_S = 60.0  # a person takes a minute: dearer than any model, so that only the share answered here counts
NEXT_CALLS = 10  # or: what follows is weighed as ten encoder calls, so that the n-gram rung's share counts too
TIMED = 600  # messages of the population that CPU is measured on
PASSES = 5  # a message's CPU is the least of so many: what else runs on the machine only adds
BLOCK = 50  # messages sent through one cascade before the next one's turn


@dataclass(frozen=True)
class Cpu:
    """CPU seconds of one call.

    Of the n-gram rung after a model call, and after another n-gram call; of the encoder rung after the n-gram rung,
    whose scores it takes over, and alone.
    """

    ngram: float
    ngram_again: float
    encoder: float
    encoder_alone: float

    def of(self, rungs: tuple[int, ...]) -> tuple[float, ...]:
        """Costs of these rungs in their order, for choosing; half of the n-gram calls follow one another."""
        return ((self.ngram + self.ngram_again) / 2, self.encoder) if len(rungs) > 1 else (self.encoder_alone,)

    def spent(self, passed: float) -> float:
        """CPU seconds a message where the n-gram rung passes on this share, in random order."""
        return passed * (self.ngram + self.encoder) + (1 - passed) * self.ngram_again


@dataclass(frozen=True, eq=False)
class Ladder:
    """One data set, scored: columns are (n-gram rung, encoder rung)."""

    name: str
    texts: list[str]
    classifier: Classifier
    encoder: OnnxEncoder
    selection: Scores
    population: Scores
    cpu: Cpu


def build(name: str, data: Path) -> Ladder:
    """Fit on the train rows; score and time the population."""
    source, encoder = pools.SOURCES[name](data), models.encoder(sessions=1)
    fitted = models.fit(encoder, *source.train)
    selection, classifier = Scores(fitted.oof_scores, fitted.oof_correct), fitted.classifier
    if source.outside:
        outside = _scored(classifier, encoder, list(source.outside), [""] * len(source.outside))
        both = ((selection.scores, outside.scores), (selection.correct, outside.correct))
        selection = Scores(np.concatenate(both[0]), np.concatenate(both[1]))
    population = _scored(classifier, encoder, *source.population)
    texts = source.population[0]
    return Ladder(name, texts, classifier, encoder, selection, population, _timed(classifier, encoder, texts))


def _scored(classifier: Classifier, encoder: OnnxEncoder, texts: list[str], labels: list[str]) -> Scores:
    scores, correct = np.zeros((len(texts), 2)), np.zeros((len(texts), 2), np.bool_)
    for row, (text, label, vector) in enumerate(zip(texts, labels, models.vectors(encoder, texts), strict=True)):
        for rung, said in enumerate((classifier.score_text(text), classifier.score_vector(text, vector))):
            scores[row, rung], correct[row, rung] = said.score, said.prediction.label == label
    return Scores(scores, correct)


def _timed(classifier: Classifier, encoder: OnnxEncoder, texts: Sequence[str]) -> Cpu:
    """Measured in turn, message by message, so that all meet the same load."""
    sample = [texts[i] for i in np.linspace(0, len(texts) - 1, min(TIMED, len(texts))).astype(int)]
    for text in sample[:50]:
        classifier.score_vector(text, encoder.encode_now(text).vector)
    marks = np.zeros((PASSES, len(sample), 5))
    for mark in marks:
        for row, text in enumerate(sample):
            mark[row, 0] = time.thread_time()
            classifier.score_text(text)
            mark[row, 1] = time.thread_time()
            classifier.score_text(sample[row - 1])
            mark[row, 2] = time.thread_time()
            classifier.score_text(text)  # not counted: its scores are what the next call takes over
            begun = time.thread_time()
            classifier.score_vector(text, encoder.encode_now(text).vector)
            mark[row, 3] = mark[row, 2] + time.thread_time() - begun
            begun = time.thread_time()
            classifier.score_vector(text, encoder.encode_now(text).vector)
            mark[row, 4] = mark[row, 3] + time.thread_time() - begun
    ngram, again, after, alone = np.diff(marks, axis=2).min(axis=0).mean(axis=0)
    return Cpu(float(ngram), float(again), float(after), float(alone))


def certify(ladder: Ladder, rungs: tuple[int, ...], budget: float, draws: int, after_s: float) -> dict[str, Any]:
    """Certify on each draw and apply to the population: shares, true error and CPU, as means over the draws.

    `after_s` is the cost, in seconds, of what stands after the last rung; it orders the configurations.

    The path depends on selection data alone, so that it is chosen once; the first draw is checked against `calibrate`.
    """
    selection, population = _columns(ladder.selection, rungs), _columns(ladder.population, rungs)
    costs = ladder.cpu.of(rungs)
    plan = Plan("selective_error", budget, DELTA, (*costs, after_s))
    test = Test(plan.promise, budget, plan.delta_main, ROWS)
    path = choose_path(test, selection, plan.costs, seed=plan.seed, bootstraps=plan.bootstraps)
    seen = outcomes(path.configurations, population)
    never: Thresholds = (None,) * len(rungs)
    random, found = np.random.default_rng(8), []
    for draw in range(draws):
        drawn = random.integers(0, population.n, ROWS)
        last = walk(test.passes(*Outcomes(seen.local[drawn], seen.wrong[drawn]).count()), path.start)
        thresholds = as_thresholds(path.configurations[last]) if last >= 0 else never
        if draw == 0:
            _agree(calibrate(plan, selection, population.rows(drawn)), thresholds, last >= 0)
        found.append((thresholds, {"certified": float(last >= 0), **_applied(thresholds, population, ladder.cpu)}))
    rows = [row for _, row in found]
    result: dict[str, Any] = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    middle = sorted(found, key=lambda pair: pair[1]["cpu_ms"])[len(found) // 2]
    return {
        **result,
        "draws": draws,
        "promise_broken": float(np.mean([row["error"] > budget for row in rows])),
        "per_second": 1e3 / result["cpu_ms"],
        "coverage_oracle": _oracle(path.configurations, seen, budget),
        "typical_thresholds": middle[0],
    }


def _agree(found: Calibration, thresholds: Thresholds, certified: bool) -> None:
    """Stop where this file's short cut and the product's own calibration differ."""
    if (found.state == "certified") != certified or (certified and found.thresholds != thresholds):
        raise SystemExit(f"calibrate gives {found.state} {found.thresholds}, the walk {certified} {thresholds}")


def _oracle(configurations: Floats, seen: Outcomes, budget: float) -> float:
    """The largest share that a configuration of the path answers within the budget on the population."""
    local, wrong = seen.count()
    within = wrong <= budget * local
    return float(local[within].max() / len(seen.local)) if within.any() else 0.0


def _columns(scores: Scores, rungs: tuple[int, ...]) -> Scores:
    return Scores(scores.scores[:, list(rungs)], scores.correct[:, list(rungs)])


def _applied(thresholds: Thresholds, population: Scores, cpu: Cpu) -> dict[str, float]:
    """What these thresholds do with the population. A rung is asked unless one before it answered."""
    bars = as_configuration(thresholds)
    seen = outcomes(bars[None, :], population)
    local, wrong = int(seen.local.sum()), int(seen.wrong.sum())
    found = {"coverage": local / population.n, "error": wrong / max(1, local)}
    if len(bars) == 1 or not np.isfinite(bars[0]):  # a rung that never answers is not asked
        return {**found, "cpu_ms": cpu.encoder_alone * 1e3, **({"ngram_share": 0.0} if len(bars) > 1 else {})}
    share = float((population.scores[:, 0] >= bars[0]).mean())
    return {**found, "cpu_ms": cpu.spent(1 - share) * 1e3, "ngram_share": share}


def through_cascades(ladder: Ladder, chosen: dict[str, Thresholds]) -> dict[str, dict[str, float]]:
    """The served cascades at these thresholds over the same messages, in turn: CPU a message, all of it counted."""
    rungs = tuple(open_rungs(ladder.classifier, ladder.encoder))
    cascades = {
        name: Cascade(CascadeSetup("ladder", "1", rungs[-len(bars) :], bars, "certified"))
        for name, bars in chosen.items()
    }
    picked: NDArray[np.intp] = np.random.default_rng(3).permutation(len(ladder.texts))[: 2 * TIMED]
    seconds, local = dict.fromkeys(chosen, 0.0), dict.fromkeys(chosen, 0)

    async def ask(name: str, rows: NDArray[np.intp]) -> None:
        started = time.process_time()
        for row in rows:
            reply = await cascades[name].answer(Request("ladder", ladder.texts[row]))
            local[name] += reply.output is not None
        seconds[name] += time.process_time() - started

    async def ask_all() -> None:
        for start in range(0, len(picked), BLOCK):
            for name in cascades:
                await ask(name, picked[start : start + BLOCK])

    asyncio.run(ask_all())
    return {
        name: {
            "cpu_ms": seconds[name] / len(picked) * 1e3,
            "per_second": len(picked) / seconds[name],
            "coverage": local[name] / len(picked),
        }
        for name in chosen
    }


def measure(ladder: Ladder, draws: int) -> dict[str, Any]:
    """All budgets of one data set, with and without the n-gram rung."""
    rungs = ladder.population.correct.mean(axis=0)
    return {
        "data": ladder.name,
        "population": ladder.population.n,
        "selection": ladder.selection.n,
        "calibration_rows": ROWS,
        "rung_cpu_ms": {
            "ngram": ladder.cpu.ngram * 1e3,
            "ngram_after_ngram": ladder.cpu.ngram_again * 1e3,
            "encoder": ladder.cpu.encoder * 1e3,
            "encoder_alone": ladder.cpu.encoder_alone * 1e3,
        },
        "accuracy": {"ngram": rungs[0], "encoder": rungs[1]},
        "budgets": [_at(ladder, budget, draws) for budget in BUDGETS],
    }


def _at(ladder: Ladder, budget: float, draws: int) -> dict[str, Any]:
    harness.note(f"{ladder.name} at {budget:.0%}")
    weighed = {"person": PERSON_S, "ten_encoder_calls": NEXT_CALLS * ladder.cpu.encoder_alone}
    alone = certify(ladder, (1,), budget, draws, PERSON_S)
    found: dict[str, Any] = {"budget": budget, "encoder_only": alone}
    found |= {f"with_ngrams_after_{name}": certify(ladder, (0, 1), budget, draws, s) for name, s in weighed.items()}
    served = through_cascades(
        ladder, {name: row["typical_thresholds"] for name, row in found.items() if name != "budget"}
    )
    for name, row in served.items():
        found[name]["served"] = row
        if name != "encoder_only":
            found[name]["throughput_multiple"] = found[name]["per_second"] / alone["per_second"]
            found[name]["throughput_multiple_served"] = row["per_second"] / served["encoder_only"]["per_second"]
    if ladder.name == "banking77" and budget in TARGETS:
        found["target_multiple"] = TARGETS[budget]
    return found


def main() -> int:
    given = harness.options("ladder", __doc__ or "", _configure)
    draws = QUICK_DRAWS if given.quick else given.extra.draws
    chosen = SETS[:1] if given.quick else SETS
    sets = []
    for name in chosen:
        ladder = build(name, given.data)
        sets.append(measure(ladder, draws))
        ladder.encoder.close()
    result = {"delta": DELTA, "sets": sets}
    return harness.finish(given, result, _table(result))


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--draws", type=int, default=DRAWS, help="calibration samples drawn a budget")


def _table(result: dict[str, Any]) -> list[str]:
    lines = []
    for row in result["sets"]:
        cpu = row["rung_cpu_ms"]
        lines.append(
            f"{row['data']}: n-gram rung {cpu['ngram']:.3f} ms ({cpu['ngram_after_ngram']:.3f} after another), "
            f"encoder rung {cpu['encoder']:.2f} ms of CPU"
        )
        for at in row["budgets"]:
            alone = at["encoder_only"]
            lines.append(
                f"  {at['budget']:4.0%}  {'encoder only':36} answered {alone['coverage']:.3f}"
                f"                  {alone['per_second']:6.0f}/s"
            )
            lines += [_line(name, both) for name, both in at.items() if name.startswith("with_ngrams")]
    return lines


def _line(name: str, both: dict[str, Any]) -> str:
    return (
        f"        {name.replace('_', ' '):36} answered {both['coverage']:.3f} (n-grams {both['ngram_share']:.3f}) "
        f"{both['per_second']:6.0f}/s  {both['throughput_multiple']:.2f}x "
        f"(through the cascade {both['throughput_multiple_served']:.2f}x)"
    )


if __name__ == "__main__":
    sys.exit(main())

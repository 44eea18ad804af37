"""Figure 3: do certificates of cascades between models that write keep their word?

    python -m benchmarks.routing_validity --json [--data PATH] [--quick]

The machinery of `certificate_validity`, on two-tier and three-tier ladders. Half of a data set trains the verifiers and
gives, out-of-fold, the selection data; the other half is the population: draws of n rows with replacement, the true
risk on all of it. GSM8K: Mixtral, GPT-4, and a person after them, with the answers read. Nine open models: two or three
tiers by the prompt alone, the largest last. banking77: two made models, the small one asked five times in all
(`routing_sampled`). Promises: selective_error and wrong_local_rate; losses: error, and regret where the last tier is a
model.

As in the product, a prompt too unlike the train prompts has no score, in selection and in the population.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import harness, models, routing_models
from benchmarks.certificate_validity import DELTA, DRAWS, EPSILONS, PROMISES, QUICK_DRAWS, SIZES, Simulation, verdict
from benchmarks.certificate_validity import Table as Population
from benchmarks.routing_data import Columns, Floats, read
from benchmarks.routing_replay import outside as outside_of
from benchmarks.routing_sampled import Sampled, sampled
from rightsized.cascade.scores import Bools, Scores, regret
from rightsized.core.types import Loss
from rightsized.engines.onnx import OnnxEncoder
from rightsized.engines.signals.signal import Exchange
from rightsized.tasks.tables import read_rows
from rightsized.tune.choose import fit_scores
from rightsized.tune.duplicates import normalise
from rightsized.tune.uplift import Labelled, fit_verifier, rows_of
from rightsized.tune.verifier import make_folds

TIERS = ("qwen2.5-7b-instruct", "gemma-2-9b-it", "llama-3.1-nemotron-51b-instruct")
QUICK_SIZES = (1000,)
COSTS = {2: (1.0, 10.0), 3: (1.0, 10.0, 100.0)}


@dataclass(frozen=True, eq=False)
class Half:
    """Scores (n, tiers) and whether each tier is right, (n, tiers).

    `last_right` is the last tier's rightness, `better` its probability by the prompt alone: what regret is about.
    `outside` bool (n,): too unlike the train prompts to be given to a tier that is checked.
    """

    scores: Floats
    right: Floats
    last_right: Floats
    better: Floats
    outside: Bools

    def under(self, loss: Loss, tiers: int) -> Scores:
        """The first tiers' scores with what counts as right under the loss."""
        right, scores = self.right[:, :tiers] >= 1.0, np.where(self.outside[:, None], np.nan, self.scores[:, :tiers])
        if loss == "error":
            return Scores(scores, right)
        return Scores(1 - (1 - scores) * self.better[:, None], regret(right, self.last_right >= 1.0))


def gsm8k(folder: Path, encoder: OnnxEncoder) -> tuple[Half, Half]:
    """Selection and population, each with the tiers Mixtral and GPT-4, whose answers are read."""
    columns = Columns("prompt", "mixtral_8x7b_correct", "gpt4_1106_correct", "mixtral_8x7b_response")
    path = folder / "routellm_gsm8k.csv.gz"
    table = read(path, columns)
    strong = [row["gpt4_1106_response"] for _, row in read_rows(path, ("gpt4_1106_response",))]
    vectors = models.vectors(encoder, table.prompts)
    fold = make_folds(len(table.prompts), 5, table.groups, folds=2)
    train, held = np.flatnonzero(fold == 0), np.flatnonzero(fold == 1)
    chosen, scored, better = [], [], []
    for answers, right, last in ((table.answers, table.weak, table.strong), (strong, table.strong, None)):
        exchanges = [Exchange(p, a) for p, a in zip(table.prompts, answers, strict=True)]
        data = Labelled(
            [exchanges[i] for i in train], right[train], None if last is None else last[train], vectors[train]
        )
        fitted = fit_verifier(data, "tier", encoder)
        chosen.append(fitted.after)
        said = np.array([fitted.verifier.predict(exchanges[i], vectors[i]) for i in held])
        scored.append(said[:, 0])
        better.append((fitted.better if fitted.better is not None else np.zeros(len(train)), said[:, 2]))
    right = np.stack([table.weak, table.strong], axis=1)
    outside = outside_of(vectors[train], vectors[held])
    return (
        Half(np.stack(chosen, axis=1), right[train], table.strong[train], better[0][0], outside[0]),
        Half(np.stack(scored, axis=1), right[held], table.strong[held], better[0][1], outside[1]),
    )


def banking(folder: Path, encoder: OnnxEncoder, *, samples: bool) -> tuple[Half, Half]:
    """Selection and population of the made tiers, with the answer and its further samples read, or the answer alone."""
    train, held = sampled(folder, encoder)
    if not samples:
        train, held = train.without_samples(), held.without_samples()
    fitted = fit_verifier(Labelled(train.exchanges, train.right, train.last_right, train.vectors), "small", encoder)
    said = np.array([fitted.verifier.predict(e, v) for e, v in zip(held.exchanges, held.vectors, strict=True)])
    outside = outside_of(train.vectors, held.vectors)
    assert fitted.better is not None
    return _made(fitted.after, fitted.better, train, outside[0]), _made(said[:, 0], said[:, 2], held, outside[1])


def _made(after: Floats, better: Floats, rows: Sampled, outside: Bools) -> Half:
    return Half(after[:, None], rows.right[:, None], rows.last_right, better, outside)


def nine(folder: Path, encoder: OnnxEncoder) -> tuple[Half, Half]:
    """Selection and population of three of the nine models, judged by the prompt alone; scores of 1 are right."""
    rows = list(harness.rows(folder / routing_models.FILE))
    prompts = [row["prompt"] for row in rows]
    scores = np.array([[float(row[name]) for name in TIERS] for row in rows])
    vectors, groups = models.vectors(encoder, prompts), [normalise(p) or p for p in prompts]
    fold = make_folds(len(rows), 5, groups, folds=2)
    train, held = np.flatnonzero(fold == 0), np.flatnonzero(fold == 1)
    data = Labelled(
        [Exchange(prompts[i]) for i in train],
        scores[train, 0],
        vectors=vectors[train],
        domains=[rows[i]["task"] for i in train],
        groups=[groups[i] for i in train],
    )
    rowed = rows_of(data)
    model = fit_scores(rowed.prompt, scores[train], make_folds(len(train), 0, data.groups))
    unseen = np.stack([rowed.features.prompt_row(prompts[i], vectors[i]) for i in held])
    parts = ((model.out_of_fold, train), (model.expected(unseen), held))
    outside = outside_of(vectors[train], vectors[held], data.groups)
    first, second = (_half(np.clip(f, 0, 1), scores[at], o) for (f, at), o in zip(parts, outside, strict=True))
    return first, second


def _half(found: Floats, scores: Floats, outside: Bools) -> Half:
    return Half(found[:, :2], scores[:, :2], scores[:, 2], found[:, 2], outside)


@dataclass(frozen=True)
class Source:
    """A data set: how it is loaded, how many of its tiers are checked, and whether a person may stand last."""

    name: str
    load: Callable[[], tuple[Half, Half]]
    judged: tuple[int, ...] = (1, 2)
    person: bool = False
    losses: tuple[Loss, ...] = ("error", "regret")


def sources(given: Path, encoder: OnnxEncoder) -> list[Source]:
    """All of them."""
    folder = given / "routing" if (given / "routing").is_dir() else given
    return [
        Source("gsm8k", lambda: gsm8k(folder, encoder), person=True),
        Source("nine", lambda: nine(folder, encoder)),
        Source("banking77, 4 samples", lambda: banking(given, encoder, samples=True), (1,)),
        Source("banking77, no samples", lambda: banking(given, encoder, samples=False), (1,), losses=("error",)),
    ]


def populations(source: Source, described: list[dict[str, object]]) -> Iterator[tuple[Population, Loss]]:
    """Every ladder of a data set with every loss that it has. What it is made of is added to `described`."""
    harness.note(f"{source.name}: verifiers")
    selection, population = source.load()
    described.append(
        {
            "data": source.name,
            "selection": len(selection.outside),
            "pool": len(population.outside),
            "right": [float(share) for share in (population.right >= 1.0).mean(axis=0)],
            "outside_selection": float(selection.outside.mean()),
            "outside_pool": float(population.outside.mean()),
        }
    )
    for judged in source.judged:
        person = source.person and judged == 2  # both models are checked, so a person stands last
        for loss in ("error",) if person else source.losses:
            ladder = f"{source.name}, {judged + 1} tiers, {loss}"
            own, chosen = population.under(loss, judged), selection.under(loss, judged)
            yield Population(ladder, judged, own, chosen, COSTS[judged + 1]), loss


def run(given: harness.Options) -> dict[str, object]:
    """All cells."""
    draws, sizes = (QUICK_DRAWS, QUICK_SIZES) if given.quick else (DRAWS, SIZES)
    encoder = models.encoder(sessions=0)
    cells: list[dict[str, object]] = []
    described: list[dict[str, object]] = []
    try:
        ladders = (ladder for source in sources(given.data, encoder) for ladder in populations(source, described))
        for table, loss in ladders:
            for n in sizes:
                harness.note(f"{table.name}, n = {n}")
                simulation = Simulation(table, n, draws)
                for promise in PROMISES:
                    found = [simulation.cell(promise, epsilon, DELTA) for epsilon in EPSILONS]
                    cells += [{**cell, "loss": loss, "tiers": table.rungs + 1} for cell in found]
    finally:
        encoder.close()
    return {"draws": draws, "pools": described, **verdict(cells), "cells": cells}


def lines(result: dict[str, object]) -> list[str]:
    """For a person."""
    said = [
        f"{result['cells_tested']} cells of {result['draws']} draws; above delta: {result['cells_above_delta']};"
        f" largest share of violations {result['largest_violations']} at {result['largest_violations_at']}"
    ]
    cells = result["cells"]
    assert isinstance(cells, list)
    for cell in cells:
        if cell["n"] == QUICK_SIZES[0]:
            said.append(
                f"{cell['data']:<28} {cell['promise']:<17} {cell['epsilon']:<5g} violations {cell['violations']:.4f}"
                f"  kept {cell['kept']:.3f}  oracle {cell['oracle']:.3f}  naive breaks {cell['naive_violations']:.3f}"
            )
    return said


def main() -> int:
    """Run, save, print."""
    given = harness.options("routing_validity", "Validity of certificates for ladders of models that write.")
    result = run(given)
    return harness.finish(given, result, lines(result))


if __name__ == "__main__":
    raise SystemExit(main())

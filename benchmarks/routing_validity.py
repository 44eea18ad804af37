"""Figure 3: do certificates of cascades between models that write keep their word?

    python -m benchmarks.routing_validity --json [--data PATH] [--quick]

The machinery of `certificate_validity`, on two-tier and three-tier ladders. Half of a data set trains the verifiers and
gives, out-of-fold, the selection data; the other half is the population: draws of n rows with replacement, the true
risk on all of it. GSM8K: Mixtral, GPT-4, and a person after them, with the answers read. Nine open models: two or three
tiers by the prompt alone, the largest last. Promises: selective_error and wrong_local_rate; losses: error, and regret
where the last tier is a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import harness, models, routing_models
from benchmarks.certificate_validity import DELTA, DRAWS, EPSILONS, PROMISES, QUICK_DRAWS, SIZES, Simulation, verdict
from benchmarks.certificate_validity import Table as Population
from benchmarks.routing_data import Columns, Floats, read
from rightsized.cascade.scores import Scores, regret
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
    """

    scores: Floats
    right: Floats
    last_right: Floats
    better: Floats

    def under(self, loss: Loss, tiers: int) -> Scores:
        """The first tiers' scores with what counts as right under the loss."""
        right, scores = self.right[:, :tiers] >= 1.0, self.scores[:, :tiers]
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
    return (
        Half(np.stack(chosen, axis=1), right[train], table.strong[train], better[0][0]),
        Half(np.stack(scored, axis=1), right[held], table.strong[held], better[0][1]),
    )


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
    first, second = (_half(np.clip(found, 0, 1), scores[at]) for found, at in parts)
    return first, second


def _half(found: Floats, scores: Floats) -> Half:
    return Half(found[:, :2], scores[:, :2], scores[:, 2], found[:, 2])


def populations(folder: Path, encoder: OnnxEncoder) -> Iterator[tuple[Population, Loss]]:
    """Every ladder with every loss that it has."""
    for name, load in (("gsm8k", gsm8k), ("nine", nine)):
        harness.note(f"{name}: verifiers")
        selection, population = load(folder, encoder)
        for judged in (1, 2):
            person = name == "gsm8k" and judged == 2  # both models are checked, so a person stands last
            losses: tuple[Loss, ...] = ("error",) if person else ("error", "regret")
            for loss in losses:
                ladder = f"{name}, {judged + 1} tiers, {loss}"
                own, chosen = population.under(loss, judged), selection.under(loss, judged)
                yield Population(ladder, judged, own, chosen, COSTS[judged + 1]), loss


def run(given: harness.Options) -> dict[str, object]:
    """All cells."""
    folder = given.data / "routing" if (given.data / "routing").is_dir() else given.data
    draws, sizes = (QUICK_DRAWS, QUICK_SIZES) if given.quick else (DRAWS, SIZES)
    encoder = models.encoder(sessions=0)
    cells = []
    try:
        for table, loss in populations(folder, encoder):
            for n in sizes:
                harness.note(f"{table.name}, n = {n}")
                simulation = Simulation(table, n, draws)
                for promise in PROMISES:
                    found = [simulation.cell(promise, epsilon, DELTA) for epsilon in EPSILONS]
                    cells += [{**cell, "loss": loss, "tiers": table.rungs + 1} for cell in found]
    finally:
        encoder.close()
    return {"draws": draws, **verdict(cells), "cells": cells}


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

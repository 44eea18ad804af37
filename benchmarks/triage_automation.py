"""The share answered without a person at 1, 2 and 5% certified error, on rows that trained and chose nothing.

Half of the rows (or the train file) fit the models; the rest (or the test file) are the whole population. Each draw
takes n of them with replacement, tests as `calibrate` does, and looks up the true risk of what it certified on all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import models, pools
from benchmarks.certificate_validity import Simulation, Table
from benchmarks.harness import note
from benchmarks.triage_data import Labelled, Labels
from benchmarks.triage_methods import Fold, fit
from rightsized.cascade.scores import Scores
from rightsized.engines.onnx import OnnxEncoder
from rightsized.tune.classifier import Fitted
from rightsized.tune.training import FitOptions, TrainingData, assign_folds, number

EPSILONS = (0.01, 0.02, 0.05)
DELTA = 0.025  # of a first attempt that was not declared beforehand, at 95%: half of delta
SIZES = (500, 1000)


def automation(data: Labelled, encoder: OnnxEncoder, draws: int) -> dict[str, Any]:
    """The cells of both sizes and all budgets, and how accurate the models are on the population."""
    fold = _halves(data, encoder)
    note(f"{data.name}: automation, {len(fold.texts)} rows fit, {len(fold.held_texts)} are the population")
    fitted = fit(data, fold, encoder)
    population = _through(fitted, fold, data.several)
    selection = Scores(fitted.oof_scores, fitted.oof_correct)
    table = Table(data.name, 2, population, selection, pools.COSTS)
    cells = []
    for size in SIZES:
        simulation = Simulation(table, size, draws)
        cells += [simulation.cell("selective_error", epsilon, DELTA) for epsilon in EPSILONS]
    return {
        "trained_on": len(fold.texts),
        "population": population.n,
        "accuracy": float(population.correct[:, 1].mean()),
        "draws": draws,
        "cells": cells,
    }


def _halves(data: Labelled, encoder: OnnxEncoder) -> Fold:
    vectors = models.vectors(encoder, data.texts)
    if data.held_texts:
        held = models.vectors(encoder, data.held_texts)
        return Fold(
            data.texts, data.labels, vectors, data.held_texts, data.held_labels, held, np.arange(len(data.held_texts))
        )
    labels: Any = data.labels if data.several else [row[0] for row in data.labels]
    numbered = number(TrainingData(data.texts, labels, vectors), FitOptions(multi_label=data.several))
    half = assign_folds(numbered, 2, seed=1)
    rows, rest = np.flatnonzero(half == 0), np.flatnonzero(half == 1)

    def part(picked: Any) -> tuple[list[str], list[Labels], Any]:
        return [data.texts[i] for i in picked], [data.labels[i] for i in picked], vectors[picked]

    return Fold(*part(rows), *part(rest), rest)


def _through(fitted: Fitted, fold: Fold, several: bool) -> Scores:
    """Scores and correctness of both rungs through the serving path."""
    classifier = fitted.classifier
    said = [
        (classifier.score_text(text), classifier.score_vector(text, vector))
        for text, vector in zip(fold.held_texts, fold.held_vectors, strict=True)
    ]
    right = [
        [set(rung.prediction.labels) == set(own) if several else (rung.prediction.label,) == own for rung in row]
        for row, own in zip(said, fold.held_labels, strict=True)
    ]
    return Scores(np.array([[rung.score for rung in row] for row in said], np.float64), np.array(right, np.bool_))

"""Figure 2 of triage: accuracy against the number of labels, as `ask` chooses, by its parts, and at random.

    python -m benchmarks.triage_learning --json [--data PATH]

Replay: the train rows of a data set are messages whose labels are hidden. A model learns from the labels asked for so
far, chooses the next ones by `apps.triage.learning.choose`, and is judged on the test rows, which no strategy sees. The
model is the encoder's head alone (C = 10) with each label's name as one more example, since each round fits it anew.
Seeds differ in the first labels, drawn at random and the same for all strategies, and in the order of equals. `ask` is
what the product does: typical messages first, also in place of the random ones, then doubt and diversity (`active`).
Labels saved: 1 less the labels that active choice needs for the accuracy of N random ones, over N, by interpolation.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import convert
from numpy.typing import NDArray

from benchmarks import harness, models
from benchmarks.harness import note
from benchmarks.triage_data import Labelled
from benchmarks.triage_sets import SETS
from rightsized.apps.triage.learning.choose import STRATEGIES, Strategy, choose, margin_uncertainty, starts, typical
from rightsized.tune.heads import HeadChoice, HeadFitter
from rightsized.tune.training import label_words

SEEDS, QUICK_SEEDS = 5, 2
ASK = "ask"
HELD_SHARE = 1 / 3  # of the rows, where there is no test file
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Replay:
    """One data set as numbers: vectors, label numbers; of train rows and of held-out ones; vectors of label names."""

    name: str
    vectors: Floats
    labels: NDArray[np.intp]
    held_vectors: Floats
    held_labels: NDArray[np.intp]
    named: Floats
    start: int
    batch: int
    most: int


def replay_of(data: Labelled, start: int, batch: int, most: int) -> Replay:
    """Rows are cut at random where there is no test file."""
    encoder = models.encoder(sessions=1)
    try:
        vectors = models.vectors(encoder, data.texts)
        held = models.vectors(encoder, data.held_texts) if data.held_texts else vectors[:0]
        named = models.vectors(encoder, [label_words(name) for name in data.names])
    finally:
        encoder.close()
    position = {name: k for k, name in enumerate(data.names)}
    own = np.array([position[row[0]] for row in data.labels], dtype=np.intp)
    if data.held_texts:
        held_labels = np.array([position[row[0]] for row in data.held_labels], dtype=np.intp)
        return Replay(data.name, vectors, own, held, held_labels, named, start, batch, most)
    order = np.random.default_rng(0).permutation(len(own))
    test, rest = np.split(order, [int(HELD_SHARE * len(own))])
    return Replay(data.name, vectors[rest], own[rest], vectors[test], own[test], named, start, batch, most)


def curve(replay: Replay, strategy: str, seed: int) -> list[tuple[int, float]]:
    """(labels, accuracy on held-out rows) after each round."""
    first = np.random.default_rng(seed).permutation(len(replay.labels))[: replay.start].tolist()
    asked = typical(replay.vectors, replay.vectors[:0], replay.start, seed=seed) if strategy == ASK else first
    points = []
    while True:
        head = _fit(replay, np.array(asked, dtype=np.intp))
        said = _probabilities(head, replay.held_vectors).argmax(axis=1)
        points.append((len(asked), float((said == replay.held_labels).mean())))
        if len(asked) >= min(replay.most, len(replay.labels)):
            return points
        rest = np.setdiff1d(np.arange(len(replay.labels)), asked)
        asked += rest[_picked(replay, strategy, head, asked, rest, seed + len(asked))].tolist()


def _picked(
    replay: Replay, strategy: str, head: tuple[Floats, Floats], asked: list[int], rest: NDArray[np.intp], seed: int
) -> list[int]:
    vectors = replay.vectors[rest]
    if strategy == ASK and starts(len(asked), len(replay.named)):
        return typical(vectors, replay.vectors[asked], replay.batch, seed=seed)
    doubt, how = margin_uncertainty(_probabilities(head, vectors)), "active" if strategy == ASK else strategy
    return choose(doubt, vectors, replay.batch, strategy=convert(how, Strategy), seed=seed)


def accuracy(replay: Replay, rows: Sequence[int]) -> float:
    """Share of the held-out rows that a model of these rows and the labels' names answers rightly."""
    head = _fit(replay, np.array(rows, dtype=np.intp))
    return float((_probabilities(head, replay.held_vectors).argmax(axis=1) == replay.held_labels).mean())


def _fit(replay: Replay, rows: NDArray[np.intp]) -> tuple[Floats, Floats]:
    every = np.concatenate([replay.labels[rows], np.arange(len(replay.named))])
    targets = np.eye(len(replay.named), dtype=np.bool_)[every]
    head = HeadFitter(np.vstack([replay.vectors[rows], replay.named]), targets).fit(HeadChoice(10.0))
    return head.weights, head.bias


def _probabilities(head: tuple[Floats, Floats], vectors: Floats) -> Floats:
    raw = vectors @ head[0].T + head[1]
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def run(replay: Replay, seeds: int) -> dict[str, Any]:
    """Curves of all strategies, the labels saved, and what the labels' names alone give."""
    curves: dict[str, list[list[tuple[int, float]]]] = {}
    for strategy in (*STRATEGIES, ASK):
        note(f"{replay.name}: {strategy}")
        curves[strategy] = [curve(replay, strategy, seed) for seed in range(seeds)]
    zero = (replay.held_vectors @ replay.named.T).argmax(axis=1)
    return {
        "rows": len(replay.labels),
        "test_rows": len(replay.held_labels),
        "labels": len(replay.named),
        "zero_labels_accuracy": float((zero == replay.held_labels).mean()),
        "curves": {name: _mean_curve(each) for name, each in curves.items()},
        "saved": {name: _saved(curves[name], curves["random"]) for name in curves if name != "random"},
        "gain": {name: _gain(curves[name], curves["random"]) for name in curves if name != "random"},
        "ask_over_active": _gain(curves[ASK], curves["active"]),
    }


def _mean_curve(each: list[list[tuple[int, float]]]) -> list[dict[str, float]]:
    accuracy = np.array([[value for _, value in points] for points in each])
    return [
        {"labels": labels, "accuracy": float(column.mean()), "low": float(column.min()), "high": float(column.max())}
        for (labels, _), column in zip(each[0], accuracy.T, strict=True)
    ]


def _saved(active: list[list[tuple[int, float]]], random: list[list[tuple[int, float]]]) -> list[dict[str, Any]]:
    """For each number of random labels: the share of them that active choice does without, over pairs of seeds."""
    found = []
    for place in range(1, len(random[0])):
        labels = random[0][place][0]
        shares = [1 - _needed(mine, theirs[place][1]) / labels for mine, theirs in zip(active, random, strict=True)]
        found.append({"random_labels": labels, **_interval(shares)})
    return found


def _needed(points: list[tuple[int, float]], accuracy: float) -> float:
    """Labels after which the curve first reaches an accuracy; its last number where it never does."""
    for (before, low), (after, high) in itertools.pairwise(points):
        if high >= accuracy:
            return before if low >= accuracy else before + (after - before) * (accuracy - low) / (high - low)
    return float(points[-1][0])


def _gain(active: list[list[tuple[int, float]]], random: list[list[tuple[int, float]]]) -> list[dict[str, Any]]:
    """Accuracy gained at each number of labels, over pairs of seeds."""
    return [
        {"labels": random[0][k][0], **_interval([a[k][1] - r[k][1] for a, r in zip(active, random, strict=True)])}
        for k in range(1, len(random[0]))
    ]


def _interval(values: Sequence[float]) -> dict[str, float]:
    """Mean and a 95% interval by Student's t over seeds."""
    from scipy.stats import t

    mean, n = float(np.mean(values)), len(values)
    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return {"mean": mean, "low": mean - half, "high": mean + half, "seeds": n}


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", default="", help="of banking77, clinc150, issues: these (joined by a comma)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay all data sets."""
    given = harness.options("triage_learning", __doc__ or "", _configure, arguments)
    wanted = [name for name in given.extra.only.split(",") if name] or list(SETS)[: 1 if given.quick else None]
    seeds = QUICK_SEEDS if given.quick else SEEDS
    result = {name: run(replay_of(*SETS[name](given.data)), seeds) for name in wanted}
    lines = [line for name, found in result.items() for line in _lines(name, found)]
    return harness.finish(given, result, lines)


def _lines(name: str, found: dict[str, Any]) -> list[str]:
    lines = [f"{name}: {found['zero_labels_accuracy']:.3f} by label names alone"]
    for place, point in enumerate(found["curves"]["random"]):
        own = "   ".join(f"{each} {found['curves'][each][place]['accuracy']:.3f}" for each in found["curves"])
        saved = f"   saved {found['saved'][ASK][place - 1]['mean']:.0%}" if place else ""
        lines.append(f"  {point['labels']:5.0f} labels   {own}{saved}")
    return lines


if __name__ == "__main__":
    raise SystemExit(main())

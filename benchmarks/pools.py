"""Score tables of two real rungs on five data sets: what the certificate is tested on, computed once and kept.

A pool is a population: rows that neither trained nor chose anything, scored by models fitted on the train rows. Beside
it stands the selection data: out-of-fold scores of the train rows, and out-of-scope rows that trained nothing.
Kept under `.home/benchmarks/` (RIGHTSIZED_HOME), outside git.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import harness, models
from benchmarks.harness import ROOT
from rightsized.cascade.scores import Scores
from rightsized.engines.onnx import OnnxEncoder
from rightsized.tune.classifier import Fitted

COSTS = (0.0002, 0.005, 1.0)  # n-gram rung and encoder in seconds of one core, a person as one: they always cost most
Rows = tuple[list[str], list[str]]  # texts and labels; the empty label is out of scope


@dataclass(frozen=True, eq=False)
class Pool:
    """A population of scored rows and the selection data that go with it; columns are (n-gram, encoder)."""

    name: str
    population: Scores
    selection: Scores


@dataclass(frozen=True)
class Source:
    """Train rows and population rows; `outside` are out-of-scope rows for selection that train nothing."""

    train: Rows
    population: Rows
    outside: Sequence[str] = ()


def banking77(data: Path) -> Source:
    """10,003 train rows; the population is its 3,080 test rows."""
    return Source(harness.banking77(data, "train"), harness.banking77(data, "test"))


def clinc150(data: Path) -> Source:
    """15,000 train rows; the population is 3,000 validation rows and 100 out of scope."""
    inside, outside = harness.clinc150(data, "val"), harness.clinc150(data, "oos_val")[0]
    population = ([*inside[0], *outside], [*inside[1], *[""] * len(outside)])
    return Source(harness.clinc150(data, "train"), population, harness.clinc150(data, "oos_train")[0])


def curekart(data: Path) -> Source:
    """Real chatbot queries, more than a third of the population out of scope."""
    train, test = (_curekart(data / "triage" / f"hint3_curekart_{split}.csv.gz") for split in ("train", "test"))
    inside = [(t, label) for t, label in zip(*train, strict=True) if label]
    outside = [t for t, label in zip(*train, strict=True) if not label]
    return Source(([t for t, _ in inside], [label for _, label in inside]), test, outside)


def _curekart(path: Path) -> Rows:
    texts, labels = harness.texts_and_labels(path)
    return texts, ["" if label == "NO_NODES_DETECTED" else label for label in labels]


def complaints(data: Path) -> Source:
    """Complaints with a category; 500 rows train, the rest are the population."""
    path = data / "triage" / "complaints_urgency.csv.gz"
    return _split(harness.texts_and_labels(path, "Complaint", "Category"), 500)


def issues(data: Path) -> Source:
    """Long issue reports of five projects, three labels, cut at 10,000 characters; 750 train, the rest are the pool."""
    table = list(harness.rows(data / "triage" / "issues_train.csv.gz"))
    return _split(([f"{row['title']}\n{row['body']}"[:10_000] for row in table], [row["label"] for row in table]), 750)


def _split(rows: Rows, train: int) -> Source:
    shuffled = np.random.default_rng(0).permutation(len(rows[0]))
    parts = [([rows[0][i] for i in part], [rows[1][i] for i in part]) for part in (shuffled[:train], shuffled[train:])]
    return Source(parts[0], parts[1])


SOURCES: dict[str, Callable[[Path], Source]] = {
    "banking77": banking77,
    "clinc150": clinc150,
    "curekart": curekart,
    "complaints": complaints,
    "issues": issues,
}


def load(name: str, data: Path) -> Pool:
    """The pool of a data set, from disk where the same rows were scored by the same encoder before."""
    source, encoder = SOURCES[name](data), models.encoder(sessions=1)
    try:
        kept = models.home().path / "benchmarks" / f"pool-{name}-{_key(source, encoder)}.npz"
        if not kept.exists():
            _score(source, encoder, kept)
    finally:
        encoder.close()
    with np.load(kept, allow_pickle=False) as arrays:
        population = Scores(arrays["population_scores"], arrays["population_correct"])
        return Pool(name, population, Scores(arrays["selection_scores"], arrays["selection_correct"]))


def _key(source: Source, encoder: OnnxEncoder) -> str:
    digest = hashlib.sha256(encoder.digest.encode())
    for file in sorted(path for part in ("tune", "engines") for path in (ROOT / "src/rightsized" / part).glob("*.py")):
        digest.update(file.read_bytes())  # a model fitted by other code is another model
    for texts in (*source.train, *source.population, source.outside):
        digest.update("\0".join(texts).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def _score(source: Source, encoder: OnnxEncoder, path: Path) -> None:
    fitted = models.fit(encoder, *source.train)
    scores, correct = _through(fitted, encoder, *source.population)
    chosen_scores, chosen_correct = fitted.oof_scores, fitted.oof_correct
    if source.outside:
        outside = _through(fitted, encoder, source.outside, [""] * len(source.outside))
        chosen_scores = np.concatenate([chosen_scores, outside[0]])
        chosen_correct = np.concatenate([chosen_correct, outside[1]])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        population_scores=scores,
        population_correct=correct,
        selection_scores=chosen_scores,
        selection_correct=chosen_correct,
    )


def _through(
    fitted: Fitted, encoder: OnnxEncoder, texts: Sequence[str], labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and correctness through the serving path; an out-of-scope row is never right."""
    classifier, vectors = fitted.classifier, models.vectors(encoder, texts)
    said = [
        (classifier.score_text(text), classifier.score_vector(text, vector))
        for text, vector in zip(texts, vectors, strict=True)
    ]
    scores = np.array([[rung.score for rung in row] for row in said], np.float64)
    right = [[rung.prediction.label == label for rung in row] for row, label in zip(said, labels, strict=True)]
    return scores, np.array(right, np.bool_)

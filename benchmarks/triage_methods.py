"""The ways of giving labels that triage's figure 1 compares, each from texts and labels to answers on held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import models
from benchmarks.accuracy import SETFIT, SETFIT_NAMES
from benchmarks.harness import note
from benchmarks.peer import Peer, PeerUnavailable
from benchmarks.triage_data import Labelled, Labels
from benchmarks.triage_scores import Answers
from rightsized.engines.onnx import OnnxEncoder
from rightsized.tune.classifier import Fitted, fit_classifier
from rightsized.tune.training import FitOptions, TrainingData, assign_folds, label_words, number

FOLDS = 5
OURS = "rightsized, encoder rung"


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows to learn from, and rows to answer; `held` are their positions among the rows that are judged."""

    texts: list[str]
    labels: list[Labels]
    vectors: NDArray[np.float32]
    held_texts: list[str]
    held_labels: list[Labels]
    held_vectors: NDArray[np.float32]
    held: NDArray[np.intp]


def folds_of(data: Labelled) -> list[Fold]:
    """One fold where there is a test file, else five; near-repeats of a text share a fold."""
    encoder = models.encoder(sessions=1)
    try:
        vectors = models.vectors(encoder, data.texts)
        if data.held_texts:
            held = models.vectors(encoder, data.held_texts)
            rows = np.arange(len(data.held_texts))
            return [Fold(data.texts, data.labels, vectors, data.held_texts, data.held_labels, held, rows)]
    finally:
        encoder.close()
    labels: Any = data.labels if data.several else [row[0] for row in data.labels]
    options = FitOptions(multi_label=data.several)
    fold = assign_folds(number(TrainingData(data.texts, labels, vectors), options), FOLDS, seed=0)
    return [_cut(data, vectors, np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]


def _cut(data: Labelled, vectors: NDArray[np.float32], rows: NDArray[np.intp], held: NDArray[np.intp]) -> Fold:
    def part(picked: NDArray[np.intp]) -> tuple[list[str], list[Labels], NDArray[np.float32]]:
        return [data.texts[i] for i in picked], [data.labels[i] for i in picked], vectors[picked]

    return Fold(*part(rows), *part(held), held)


def fit(data: Labelled, fold: Fold, encoder: OnnxEncoder) -> Fitted:
    """The product's own fit on the rows of a fold."""
    names = sorted({label for row in fold.labels for label in row})
    named = dict(zip(names, models.vectors(encoder, [label_words(name) for name in names]), strict=True))
    labels: Any = fold.labels if data.several else [row[0] for row in fold.labels]
    training = TrainingData(fold.texts, labels, fold.vectors, encoder.digest, named)
    return fit_classifier(training, FitOptions(multi_label=data.several))


def _ours(data: Labelled, fold: Fold, encoder: OnnxEncoder) -> dict[str, list[Labels]]:
    classifier = fit(data, fold, encoder).classifier
    pairs = zip(fold.held_texts, fold.held_vectors, strict=True)
    return {
        OURS: [classifier.score_vector(text, vector).prediction.labels for text, vector in pairs],
        "rightsized, n-gram rung": [classifier.score_text(text).prediction.labels for text in fold.held_texts],
    }


def _svm(data: Labelled, fold: Fold, encoder: OnnxEncoder) -> dict[str, list[Labels]]:
    """Word and character TF-IDF with a linear SVM, at scikit-learn's defaults."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    train, held = features.fit_transform(fold.texts), features.transform(fold.held_texts)
    return {"TF-IDF + linear SVM": _linear(data, fold, train, held)}


def _linear(data: Labelled, fold: Fold, train: Any, held: Any) -> list[Labels]:
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import MultiLabelBinarizer
    from sklearn.svm import LinearSVC

    if not data.several:
        model = LinearSVC(random_state=0).fit(train, [row[0] for row in fold.labels])
        return [(str(label),) for label in model.predict(held)]
    binary = MultiLabelBinarizer()
    many = OneVsRestClassifier(LinearSVC(random_state=0)).fit(train, binary.fit_transform(fold.labels))
    return [tuple(row) for row in binary.inverse_transform(many.predict(held))]


def _zero_shot(data: Labelled, fold: Fold, encoder: OnnxEncoder) -> dict[str, list[Labels]]:
    """The label whose words are nearest to the text; one a text, since no example says where several would begin."""
    names = sorted(data.words)
    named = models.vectors(encoder, [data.words[name] for name in names])
    said: list[Labels] = [(names[best],) for best in (fold.held_vectors @ named.T).argmax(axis=1)]
    return {"label names alone (zero labels)": said}


METHODS: tuple[Callable[[Labelled, Fold, OnnxEncoder], dict[str, list[Labels]]], ...] = (_ours, _svm, _zero_shot)


def predictions(data: Labelled, folds: Sequence[Fold], encoder: OnnxEncoder) -> dict[str, Answers]:
    """What each method answers on every judged row, each row by models that never saw it; ours stands first."""
    true = data.held_labels or data.labels
    said: dict[str, list[Labels]] = {}
    for method in METHODS:
        for count, fold in enumerate(folds, 1):
            note(f"{data.name}: {method.__name__.strip('_')}, fold {count} of {len(folds)}")
            for name, answered in method(data, fold, encoder).items():
                rows = said.setdefault(name, [()] * len(true))
                for row, labels in zip(fold.held.tolist(), answered, strict=True):
                    rows[row] = labels
    return {name: Answers.of(rows, true, [*data.names, *data.words]) for name, rows in said.items()}


class Tuned(NamedTuple):
    """SetFit's answers and what the fit took."""

    answers: Answers
    facts: dict[str, Any]


def setfit(data: Labelled, fold: Fold, steps: int) -> Tuned | dict[str, Any]:
    """SetFit on one fold, after so many batches of 16 pairs; a dict that says why where it could not take part."""
    peer = Peer("setfit", SETFIT, "setfit_peer.py", {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})
    labels: Any = [list(row) for row in fold.labels] if data.several else [row[0] for row in fold.labels]
    try:
        with peer:
            found = peer.call("answer", texts=fold.texts, labels=labels, held_texts=fold.held_texts, steps=steps)
        versions = peer.versions()
    except PeerUnavailable as error:
        return peer.unavailable(error)
    answers = Answers.of([tuple(row) for row in found["labels"]], fold.held_labels, [*data.names, *data.words])
    facts = {"train_cpu_s": found["train_cpu_s"], "versions": {name: versions.get(name) for name in SETFIT_NAMES}}
    return Tuned(answers, facts)

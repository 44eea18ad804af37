"""How well out-of-scope messages are told apart (figure 2).

AUROC of in scope against out of scope, and the share of out-of-scope messages recognised where 95% of the in-scope
ones are accepted. Statistics: the one chosen while fitting (on left-out labels, never on out-of-scope rows), and each
of the usual ones beside it. Out-of-scope rows here trained nothing and chose nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness, models
from benchmarks.harness import note
from rightsized.engines.classifier import Classifier
from rightsized.engines.linear import Floats
from rightsized.engines.readout import Raw
from rightsized.tune.classifier import fit_classifier
from rightsized.tune.training import TrainingData

ACCEPTED = 0.95  # share of in-scope messages accepted
UNKNOWN = "NO_NODES_DETECTED"  # curekart's mark of a message that no label fits
PLAIN = ("energy", "softmax", "probability", "nearest")
Rows = tuple[list[str], list[str]]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """Train rows, in-scope texts that were not trained on, and out-of-scope texts by kind."""

    name: str
    train: Rows
    inside: list[str]
    outside: dict[str, list[str]]


def cases(data: Path, quick: bool) -> list[Case]:
    """curekart alone in a quick run."""
    folder = data / "triage"
    curekart_train = harness.texts_and_labels(folder / "hint3_curekart_train.csv.gz")
    test = harness.texts_and_labels(folder / "hint3_curekart_test.csv.gz")
    found = [
        Case(
            "curekart",
            _known(curekart_train),
            _known(test)[0],
            {"no label fits": [text for text, label in zip(*test, strict=True) if label == UNKNOWN]},
        )
    ]
    if quick:
        return found
    clinc = Case(
        "clinc150",
        harness.clinc150(data, "train"),
        harness.clinc150(data, "val")[0],
        {"oos": harness.clinc150(data, "oos_val")[0] + harness.clinc150(data, "oos_train")[0]},
    )
    return [clinc, *_banking77(data), *found]


def _known(rows: Rows) -> Rows:
    pairs = [(text, label) for text, label in zip(*rows, strict=True) if label != UNKNOWN]
    return [text for text, _ in pairs], [label for _, label in pairs]


def _banking77(data: Path) -> list[Case]:
    """id-oos rows stem from labels of banking77: a label most of whose rows are among them is left out of training."""
    folder = data / "triage"
    near = harness.texts_and_labels(folder / "banking77_id-oos_valid.csv.gz")[0]
    far = harness.texts_and_labels(folder / "banking77_ood-oos_valid.csv.gz")[0]
    outside = {_key(text) for text in [*near, *harness.texts_and_labels(folder / "banking77_id-oos_train.csv.gz")[0]]}
    texts, labels = harness.banking77(data, "train")
    touched, total = Counter(k for t, k in zip(texts, labels, strict=True) if _key(t) in outside), Counter(labels)
    gone = {label for label, count in touched.items() if count > 0.5 * total[label]}
    note(f"banking77: {len(gone)} labels left out because id-oos rows stem from them")
    pairs = zip(texts, labels, strict=True)
    kept = [(text, label) for text, label in pairs if label not in gone and _key(text) not in outside]
    held = zip(*harness.banking77(data, "test"), strict=True)
    inside = [text for text, label in held if label not in gone and _key(text) not in outside]
    rows = [text for text, _ in kept], [label for _, label in kept]
    return [Case(f"banking77, {len(total) - len(gone)} labels", rows, inside, {"id-oos": near, "ood-oos": far})]


def _key(text: str) -> str:
    return " ".join(text.lower().split())


def measure(case: Case) -> dict[str, Any]:
    """Fit, then every statistic on every kind of out-of-scope text, for both rungs."""
    encoder = models.encoder(sessions=1)
    try:
        vectors = {
            text: vector for texts in (case.inside, *case.outside.values()) for text, vector in _pairs(encoder, texts)
        }
        train = models.vectors(encoder, case.train[0])
        fitted = fit_classifier(TrainingData(*case.train, train, encoder.digest))
    finally:
        encoder.close()
    inside = _values(fitted.classifier, case.inside, vectors)
    kinds = {}
    for kind, texts in case.outside.items():
        outside = _values(fitted.classifier, texts, vectors)
        kinds[kind] = {"n": len(texts)} | {name: compare(inside[name], outside[name]) for name in inside}
    tried = {name: value for name, value in fitted.tried.items() if name.startswith(("ngram:", "head:"))}
    return {
        "n_train": len(case.train[0]),
        "labels": len(set(case.train[1])),
        "n_in_scope": len(case.inside),
        "chosen": fitted.chosen["out-of-scope statistics"],
        "auroc_on_left_out_labels": tried,
        "kinds": kinds,
    }


def _pairs(encoder: Any, texts: list[str]) -> list[tuple[str, Floats]]:
    return list(zip(texts, models.vectors(encoder, texts), strict=True))


def _values(classifier: Classifier, texts: list[str], vectors: dict[str, Floats]) -> dict[str, Scores]:
    """Out-of-scope values (high: outside) by rung and statistic, float64 (n,)."""
    found: dict[str, list[float]] = {}
    for text in texts:
        raw = classifier.raw(text, vectors[text])
        for rung, readout, given in (
            ("n-gram", classifier.ngram_readout, Raw(raw.margins)),
            ("encoder", classifier.head_readout, raw),
        ):
            evidence = readout.evidence(given)
            scored = readout.read(given)
            found.setdefault(f"{rung}: chosen", []).append(scored.prediction.out_of_scope)
            found.setdefault(f"{rung}: confidence s(x)", []).append(-scored.score)
            for name in PLAIN:
                if rung == "encoder" or name != "nearest":
                    found.setdefault(f"{rung}: {name}", []).append(-evidence.statistics[name])
    return {name: np.array(values) for name, values in found.items()}


def compare(inside: Scores, outside: Scores) -> dict[str, float]:
    """AUROC (ties count half), and recall of out-of-scope where 95% of in-scope texts are accepted."""
    ordered = np.sort(inside)
    below = np.searchsorted(ordered, outside, side="left") + np.searchsorted(ordered, outside, side="right")
    limit = float(np.quantile(inside, ACCEPTED, method="higher"))
    return {"auroc": float(below.mean() / (2 * len(inside))), "recall_at_95": float((outside > limit).mean())}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every case."""
    given = harness.options("out_of_scope", __doc__ or "", arguments=arguments)
    result = {}
    for case in cases(given.data, given.quick):
        note(f"{case.name}: {len(case.train[0])} train rows")
        result[case.name] = measure(case)
    return harness.finish(given, {"out_of_scope": result}, _lines(result))


def _lines(result: dict[str, Any]) -> list[str]:
    lines = []
    for name, found in result.items():
        lines.append(f"{name}   chosen: {found['chosen']}")
        for kind, values in found["kinds"].items():
            lines += [
                f"  {kind:14s} {statistic:24s} AUROC {v['auroc']:.3f}   recall {v['recall_at_95']:.3f}"
                for statistic, v in values.items()
                if statistic != "n"
            ]
    return lines


if __name__ == "__main__":
    raise SystemExit(main())

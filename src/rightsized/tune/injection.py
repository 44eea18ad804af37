"""Fits the score of injected instructions: `python -m rightsized.tune.injection --data FOLDER --out FOLDER`.

Attacks come from our own phrases alone (`injection_texts`), so that public attacks can be reported on: none of theirs
is learned from. Benign texts are our own phrases, the sample messages of this package, and documents of BIPIA (MIT).
The threshold is the score that few benign texts reach that were not learned from, NotInject's first file (MIT) among
them; its second and third files are left for the report.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import random
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from rightsized import data
from rightsized.engines.injection import CARD, WEIGHTS, InjectionCard, InjectionModel, squashed, windows
from rightsized.engines.ngrams import NgramModel, NgramSpec
from rightsized.tune.injection_texts import attacks, benign
from rightsized.tune.ngrams import NgramTable

SEED = 20261128
ATTACKS, BENIGN = 6000, 6000  # texts made of our own phrases
SPEC = NgramSpec(char_sizes=(3, 4), word_sizes=(1, 2))
STRENGTH = 1.0  # of the SVM; 0.1 finds fewer attacks at as many false alarms
FOLDS = 5
ERRS_PUBLIC = 0.02  # share of public benign texts that may reach the threshold
ERRS_OWN = 0.01  # the same for phrases of our own, by models that saw nothing like them
HELD_OUT_DOCUMENTS = 10  # of BIPIA's, the last ones: not learned from
SMALLEST = 3  # weights of absolute int8 value below this on every label are dropped
SAMPLES = ("support_train.csv", "support_calibrate.csv")
SOURCES = (
    "phrases written for this project (Apache-2.0)",
    "sample messages of this package (Apache-2.0)",
    "BIPIA, email documents, (c) Microsoft Corporation, MIT: benign texts",
    "NotInject (InjecGuard), first file, (c) 2024 Hao Li, MIT: the threshold only",
)


def documents(folder: Path) -> list[str]:
    """The documents of BIPIA's training file."""
    lines = (folder / "train.jsonl").read_text("utf-8").splitlines()
    return [str(json.loads(line)["context"]) for line in lines if line.strip()]


def notinject(folder: Path) -> list[str]:
    """Benign prompts full of words that attacks use: NotInject's first file."""
    return [str(row["prompt"]) for row in json.loads((folder / "NotInject_one.json").read_text("utf-8"))]


def fit(folder: Path) -> tuple[NgramModel, InjectionCard]:
    """The model and its card. The same folder gives the same bytes."""
    dice = random.Random(SEED)  # noqa: S311 - makes texts, not secrets
    ours, innocent = attacks(ATTACKS, dice), benign(BENIGN, dice)
    longer = [part for text in (*_messages(), *documents(folder)[:-HELD_OUT_DOCUMENTS]) for part in windows(text)]
    texts = [text for _, text in (*ours, *innocent)] + longer
    groups = [group for group, _ in (*ours, *innocent)] + [f"longer {k % FOLDS}" for k in range(len(longer))]
    hostile = np.arange(len(texts)) < len(ours)
    table = NgramTable(texts, SPEC)
    margins = _out_of_fold(table, texts, groups, hostile, dice)
    slope, offset = _logistic(margins, hostile)
    model = _pruned(_fitted(table, np.arange(len(texts)), hostile))
    bare = InjectionModel(model, InjectionCard(SPEC, slope, offset, 1.0, SOURCES))
    unseen = [bare.margin(text) for text in (*notinject(folder), *documents(folder)[-HELD_OUT_DOCUMENTS:])]
    reached = max(_reached_by(np.array(unseen), ERRS_PUBLIC), _reached_by(margins[~hostile], ERRS_OWN))
    return model, InjectionCard(SPEC, slope, offset, round(squashed(slope * reached + offset), 4), SOURCES)


def _messages() -> list[str]:
    found = []
    for name in SAMPLES:
        with data.path(name).open(encoding="utf-8", newline="") as file:
            found += [str(row["text"]) for row in csv.DictReader(file)]
    return found


def _fitted(table: NgramTable, rows: NDArray[np.intp], hostile: NDArray[np.bool_]) -> NgramModel:
    return table.fit(rows, hostile[rows][:, None], strength=STRENGTH, balanced=True)


def _out_of_fold(
    table: NgramTable, texts: list[str], groups: list[str], hostile: NDArray[np.bool_], dice: random.Random
) -> NDArray[np.float64]:
    """Margins by models that saw nothing of a text's family or phrase."""
    names = sorted(set(groups))
    dice.shuffle(names)
    fold_of = {name: k % FOLDS for k, name in enumerate(names)}
    folds = np.array([fold_of[group] for group in groups])
    margins = np.zeros(len(texts))
    for fold in range(FOLDS):
        model = _fitted(table, np.flatnonzero(folds != fold), hostile)
        for row in np.flatnonzero(folds == fold).tolist():
            margins[row] = float(model.margins(texts[row]).values[0])
    return margins


def _logistic(margins: NDArray[np.float64], hostile: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset from margin to score, attacks and benign texts weighed alike."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(class_weight="balanced").fit(margins[:, None], hostile)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def _reached_by(margins: NDArray[np.float64], share: float) -> float:
    """The least margin that at most this share of these reach."""
    ordered = np.sort(margins)[::-1]
    return float(np.nextafter(ordered[int(share * len(ordered))], np.inf))


def _pruned(model: NgramModel) -> NgramModel:
    """Without the n-grams that hardly count: most of the file, and none of the score."""
    size = np.abs(model.weights.astype(np.float32) * model.scales[:, None]).max(axis=1) * model.idf
    kept = np.flatnonzero(size >= size.max() * SMALLEST / 127)
    vocabulary = list(model.index)
    names = [vocabulary[row] for row in kept.tolist()]
    return NgramModel(names, model.idf[kept], model.weights[kept], model.scales[kept], model.bias, model.spec)


def write(model: NgramModel, card: InjectionCard, out: Path) -> InjectionCard:
    """Write both files, and return the card with the digest of the weights."""
    raw = save({name: np.ascontiguousarray(array) for name, array in model.to_arrays().items()})
    card = msgspec.structs.replace(card, digest=f"sha256:{hashlib.sha256(raw).hexdigest()}")
    out.mkdir(parents=True, exist_ok=True)
    (out / WEIGHTS).write_bytes(raw)
    (out / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n")
    return card


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with BIPIA's and NotInject's files")
    parser.add_argument("--out", type=Path, default=data.folder("injection"), help="where the model is written")
    given: Any = parser.parse_args(arguments)
    model, card = fit(given.data)
    card = write(model, card, given.out)
    sys.stdout.write(f"{len(model.index):,} n-grams, threshold {card.threshold}, {card.digest}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

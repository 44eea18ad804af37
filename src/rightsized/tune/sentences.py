"""Fits the reader of sentences: `python -m rightsized.tune.sentences --out FOLDER`.

It learns from the hand-labelled threads of the sample mailbox.
The second stage is fitted on margins that the first gave to threads it had not seen, so that it trusts them as far as
they deserve. The same labels give the same bytes. How good it is on threads held out: benchmarks/triage_summary.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from rightsized import data
from rightsized.engines.ngrams import NgramSpec
from rightsized.engines.sentence_kinds import (
    CARD,
    KINDS,
    NGRAMS,
    ROLES,
    WEIGHTS,
    Floats,
    Placed,
    SentenceCard,
    SentenceModel,
    kind_features,
    place_features,
    role_features,
    softmax,
)
from rightsized.tune.ngrams import NgramTable

SPEC = NgramSpec(char_sizes=(3, 4), word_sizes=(1, 2))
STRENGTH = 0.3  # of the SVM behind the words
KIND_STRENGTH, ROLE_STRENGTH = 1.0, 1.0  # of the logistic regressions
FOLDS = 5
SOURCES = ("hand-labelled threads of the sample mailbox of this package (Apache-2.0)",)


class Thread(NamedTuple):
    """A labelled conversation: its sentences, kinds as numbers of KINDS, and roles bool (n, 2)."""

    name: str
    sentences: tuple[Placed, ...]
    kinds: NDArray[np.intp]
    roles: NDArray[np.bool_]


def threads(folder: Path) -> list[Thread]:
    """The labelled threads of a mailbox."""
    messages = {one["id"]: one for one in _lines(folder / "labels.jsonl")}
    return [_thread(one, messages) for one in _lines(folder / "threads.jsonl")]


def fit(labelled: Sequence[Thread], folds: int = FOLDS) -> SentenceModel:
    """The model of these threads."""
    texts = [one.text for thread in labelled for one in thread.sentences]
    kinds = np.concatenate([thread.kinds for thread in labelled])
    group = np.concatenate([np.full(len(thread.sentences), at) for at, thread in enumerate(labelled)])
    table, targets = NgramTable(texts, SPEC), kinds[:, None] == np.arange(len(KINDS))
    margins = np.zeros((len(texts), len(KINDS)))
    for fold in range(folds):
        held = np.flatnonzero(group % folds == fold)
        rest = np.flatnonzero(group % folds != fold)
        model = table.fit(rest, targets[rest], strength=STRENGTH, balanced=True)
        margins[held] = [model.margins(texts[row]).values for row in held]
    whole = table.fit(np.arange(len(texts)), targets, strength=STRENGTH, balanced=True)
    arrays = _second_stage(labelled, margins, kinds)
    return SentenceModel(whole, arrays, SentenceCard(SPEC, SOURCES))


def _second_stage(labelled: Sequence[Thread], margins: Floats, kinds: NDArray[np.intp]) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression

    placed = [place_features(thread.sentences) for thread in labelled]
    first = kind_features(margins, np.vstack(placed))
    told = LogisticRegression(C=KIND_STRENGTH, max_iter=2_000).fit(first, kinds)
    arrays = {"kind_weights": told.coef_.T.astype(np.float32), "kind_bias": told.intercept_.astype(np.float32)}
    said = softmax(first @ told.coef_.T + told.intercept_)
    rows, start = list[Floats](), 0
    for thread, form in zip(labelled, placed, strict=True):
        end = start + len(thread.sentences)
        rows.append(role_features(said[start:end], form, thread.sentences))
        start = end
    second, roles = np.vstack(rows), np.vstack([thread.roles for thread in labelled])
    fitted = [LogisticRegression(C=ROLE_STRENGTH, max_iter=2_000).fit(second, roles[:, at]) for at in range(len(ROLES))]
    arrays["role_weights"] = np.column_stack([one.coef_[0] for one in fitted]).astype(np.float32)
    arrays["role_bias"] = np.array([one.intercept_[0] for one in fitted], np.float32)
    return arrays


def write(model: SentenceModel, out: Path) -> SentenceCard:
    """Write both files, and return the card with the digest of the weights."""
    arrays = {f"{NGRAMS}{name}": np.ascontiguousarray(one) for name, one in model.ngrams.to_arrays().items()}
    arrays |= {name: np.ascontiguousarray(one) for name, one in model.arrays.items()}
    raw = save(arrays)
    card = msgspec.structs.replace(model.card, digest=f"sha256:{hashlib.sha256(raw).hexdigest()}")
    out.mkdir(parents=True, exist_ok=True)
    (out / WEIGHTS).write_bytes(raw)
    (out / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n")
    return card


def _thread(one: dict[str, Any], messages: dict[str, dict[str, Any]]) -> Thread:
    rows, order = one["sentences"], one["messages"]
    totals = {name: sum(row["message"] == name for row in rows) for name in order}
    found, seen = list[Placed](), dict.fromkeys(order, 0)
    for row in rows:
        name = row["message"]
        message = messages[name]
        line = " ".join(row["text"].split())
        found.append(
            Placed(
                line, seen[name], totals[name], order.index(name), len(order), message["outgoing"], message["subject"]
            )
        )
        seen[name] += 1
    kinds = np.array([KINDS.index(row["kind"]) for row in rows], np.intp)
    return Thread(one["thread"], tuple(found), kinds, np.array([[row[role] for role in ROLES] for row in rows]))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    given = parser.parse_args(arguments)
    labelled = threads(data.folder("mailbox"))
    card = write(fit(labelled), given.out)
    sys.stdout.write(
        f"{len(labelled)} threads, {sum(len(one.sentences) for one in labelled)} sentences: {card.digest}\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

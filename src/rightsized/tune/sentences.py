"""Fits the reader of sentences: `python -m rightsized.tune.sentences --out FOLDER`.

It learns from the hand-labelled threads of the sample mailbox. The second stage is fitted on margins that the first
gave to threads it had not seen, so that it trusts them as far as they deserve. Settings and bars are chosen by folds of
the threads given, and of nothing else: who holds threads out measures the choice as well
(benchmarks/triage_summary.py). The same labels give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from rightsized import data
from rightsized.engines.ngrams import NgramModel, NgramSpec
from rightsized.engines.sentence_features import Floats, Placed, kind_features, place_features, role_features
from rightsized.engines.sentence_kinds import (
    CARD,
    KINDS,
    NGRAMS,
    ROLES,
    WEIGHTS,
    Bars,
    Scores,
    SentenceCard,
    SentenceModel,
    Strengths,
    softmax,
)
from rightsized.tune.ngrams import NgramTable

SPEC = NgramSpec(char_sizes=(3, 4), word_sizes=(1, 2))
FOLDS = 5  # of the threads, for the margins that the second stage learns from
CHOOSING = 3  # folds within the threads given, by which settings are chosen
WORDS, KIND_STRENGTHS, RARE, ROLE_STRENGTHS = (0.1, 0.3, 1.0), (0.1, 0.3, 1.0), (0.0, 0.5), (0.03, 0.1, 0.3, 1.0)
STEPS = tuple(round(0.02 * step, 2) for step in range(1, 41))  # bars that are tried
BETA = 2.0  # of F-beta, by which the bar of action is chosen: recall weighs twice as much as precision
MOST = 3  # sentences of a summary; two always, the third from its bar on
SOURCES = ("hand-labelled threads of the sample mailbox of this package (Apache-2.0)",)


class Thread(NamedTuple):
    """A labelled conversation: its sentences, kinds as numbers of KINDS, and roles bool (n, ROLES)."""

    name: str
    sentences: tuple[Placed, ...]
    kinds: NDArray[np.intp]
    roles: NDArray[np.bool_]


def threads(folder: Path) -> list[Thread]:
    """The labelled threads of a mailbox."""
    messages = {one["id"]: one for one in _lines(folder / "labels.jsonl")}
    return [_thread(one, messages) for one in _lines(folder / "threads.jsonl")]


class _Words:
    """N-gram models of the sentences of some threads, fitted once for each strength and set of threads."""

    def __init__(self, labelled: Sequence[Thread]) -> None:
        self.labelled = labelled
        self.texts = [one.text for thread in labelled for one in thread.sentences]
        self.group = np.concatenate([np.full(len(one.sentences), at) for at, one in enumerate(labelled)])
        self._targets = np.concatenate([one.kinds for one in labelled])[:, None] == np.arange(len(KINDS))
        self._table = NgramTable(self.texts, SPEC)

    def model(self, rows: NDArray[np.intp], strength: float) -> NgramModel:
        return self._table.fit(rows, self._targets[rows], strength=strength, balanced=True)

    def margins(self, model: NgramModel, rows: NDArray[np.intp]) -> Floats:
        return np.array([model.margins(self.texts[row]).values for row in rows], np.float64).reshape(-1, len(KINDS))

    def unseen(self, rows: NDArray[np.intp], strength: float, folds: int) -> Floats:
        """Margins of these rows, each by a model that saw none of its fold."""
        place = {group: at for at, group in enumerate(np.unique(self.group[rows]).tolist())}
        fold = np.array([place[group] % folds for group in self.group[rows].tolist()])
        found = np.zeros((len(rows), len(KINDS)))
        for one in range(folds):
            held = fold == one
            found[held] = self.margins(self.model(rows[~held], strength), rows[held])
        return found


def fit(labelled: Sequence[Thread], strengths: Strengths | None = None, bars: Bars | None = None) -> SentenceModel:
    """The model of these threads. Settings and bars that are not given are chosen by folds of them."""
    words = _Words(labelled)
    if strengths is None or bars is None:
        strengths, bars = _chosen(words)
    rows = np.arange(len(words.texts))
    arrays = _second_stage(labelled, words.unseen(rows, strengths.words, FOLDS), strengths)
    return SentenceModel(words.model(rows, strengths.words), arrays, SentenceCard(SPEC, SOURCES, strengths, bars))


def _chosen(words: _Words) -> tuple[Strengths, Bars]:
    """Settings by macro F1 of the kinds, then log-loss of the roles; then bars; all on threads that were held out."""
    parts = np.arange(len(words.labelled)) % CHOOSING
    margins = {strength: list(_split_margins(words, parts, strength)) for strength in WORDS}
    tried = [Strengths(*one[:2], 0.3, one[2]) for one in itertools.product(WORDS, KIND_STRENGTHS, RARE)]
    best = max(tried, key=lambda one: _macro_f1(words.labelled, _held(words, parts, margins[one.words], one)))
    told = {
        strength: _held(words, parts, margins[best.words], msgspec.structs.replace(best, roles=strength))
        for strength in ROLE_STRENGTHS
    }
    roles = min(told, key=lambda strength: _log_loss(words.labelled, told[strength]))
    return msgspec.structs.replace(best, roles=roles), chosen_bars(words.labelled, told[roles])


def _split_margins(words: _Words, parts: NDArray[np.intp], strength: float) -> Iterator[tuple[Floats, Floats]]:
    """For each fold: margins of the other threads by models that had not seen them, and of its own by one of them."""
    for part in range(CHOOSING):
        held = parts[words.group] == part
        rest = np.flatnonzero(~held)
        model = words.model(rest, strength)
        yield words.unseen(rest, strength, CHOOSING), words.margins(model, np.flatnonzero(held))


def _held(
    words: _Words, parts: NDArray[np.intp], margins: Sequence[tuple[Floats, Floats]], strengths: Strengths
) -> list[list[Scores]]:
    """What each thread is said to be by second stages that saw none of its fold."""
    found: dict[int, list[Scores]] = {}
    for part, (seen, unseen) in enumerate(margins):
        rest = [one for one, at in zip(words.labelled, parts, strict=True) if at != part]
        arrays = _second_stage(rest, seen, strengths)
        start = 0
        for at in np.flatnonzero(parts == part).tolist():
            thread = words.labelled[at]
            end = start + len(thread.sentences)
            found[at] = _scores(arrays, unseen[start:end], thread.sentences)
            start = end
    return [found[at] for at in range(len(words.labelled))]


def _scores(arrays: dict[str, Any], margins: Floats, sentences: Sequence[Placed]) -> list[Scores]:
    placed = place_features(sentences)
    kinds = softmax(kind_features(margins, placed) @ arrays["kind_weights"] + arrays["kind_bias"])
    roles = 1 / (1 + np.exp(-(role_features(kinds, placed, sentences) @ arrays["role_weights"] + arrays["role_bias"])))
    return [Scores(*map(float, kind), *map(float, role)) for kind, role in zip(kinds, roles, strict=True)]


def _second_stage(labelled: Sequence[Thread], margins: Floats, strengths: Strengths) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression

    placed = [place_features(thread.sentences) for thread in labelled]
    ends = np.cumsum([0, *(len(one.sentences) for one in labelled)])
    kinds = np.concatenate([thread.kinds for thread in labelled])
    pairs = list(itertools.pairwise(ends.tolist()))
    first = np.vstack([kind_features(margins[a:b], form) for (a, b), form in zip(pairs, placed, strict=True)])
    counts = np.maximum(1, np.bincount(kinds, minlength=len(KINDS)))
    weights = (len(kinds) / (len(KINDS) * counts)) ** strengths.rare
    told = LogisticRegression(C=strengths.kinds, max_iter=3_000).fit(first, kinds, sample_weight=weights[kinds])
    said = softmax(first @ told.coef_.T + told.intercept_)
    rows = [
        role_features(said[a:b], form, thread.sentences)
        for (a, b), form, thread in zip(pairs, placed, labelled, strict=True)
    ]
    second, roles = np.vstack(rows), np.vstack([thread.roles for thread in labelled])
    fitted = [
        LogisticRegression(C=strengths.roles, max_iter=3_000).fit(second, roles[:, at]) for at in range(len(ROLES))
    ]
    return {
        "kind_weights": told.coef_.T.astype(np.float32),
        "kind_bias": told.intercept_.astype(np.float32),
        "role_weights": np.column_stack([one.coef_[0] for one in fitted]).astype(np.float32),
        "role_bias": np.array([one.intercept_[0] for one in fitted], np.float32),
    }


def chosen_bars(labelled: Sequence[Thread], told: Sequence[Sequence[Scores]]) -> Bars:
    """Bars by F1 of key sentences over threads, F-beta of action and F1 of complaints over sentences."""
    roles = np.vstack([one.roles for one in labelled])
    scores = np.array([one[len(KINDS) :] for some in told for one in some])
    return Bars(
        key=max(STEPS, key=lambda bar: np.mean([_key_f1(*one, bar) for one in zip(labelled, told, strict=True)])),
        action=max(STEPS, key=lambda bar: f_score(scores[:, 1] >= bar, roles[:, 1], BETA)),
        complaint=max(STEPS, key=lambda bar: f_score(scores[:, 2] >= bar, roles[:, 2])),
    )


def _key_f1(thread: Thread, told: Sequence[Scores], bar: float) -> float:
    ranked = sorted(range(len(told)), key=lambda at: (-told[at].key, at))[:MOST]
    shown = {at for place, at in enumerate(ranked) if place < MOST - 1 or told[at].key >= bar}
    key = set(np.flatnonzero(thread.roles[:, 0]).tolist())
    return 2 * len(shown & key) / (len(shown) + len(key))


def f_score(said: NDArray[np.bool_], true: NDArray[np.bool_], beta: float = 1.0) -> float:
    """F-beta (van Rijsbergen 1979): recall weighs beta times as much as precision."""
    weight = beta**2
    return float((1 + weight) * (said & true).sum() / max(1.0, weight * true.sum() + said.sum()))


def _macro_f1(labelled: Sequence[Thread], told: Sequence[Sequence[Scores]]) -> float:
    said = np.array([one[: len(KINDS)] for some in told for one in some]).argmax(axis=1)
    true = np.concatenate([one.kinds for one in labelled])
    return float(np.mean([f_score(said == at, true == at) for at in range(len(KINDS))]))


def _log_loss(labelled: Sequence[Thread], told: Sequence[Sequence[Scores]]) -> float:
    roles = np.vstack([one.roles for one in labelled])
    scores = np.clip(np.array([one[len(KINDS) :] for some in told for one in some]), 1e-6, 1 - 1e-6)
    return float(-np.where(roles, np.log(scores), np.log1p(-scores)).mean())


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
        f"{len(labelled)} threads, {sum(len(one.sentences) for one in labelled)} sentences, {card.strengths},"
        f" {card.bars}: {card.digest}\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

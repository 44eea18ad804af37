"""Fits the linear model of `engines.token_fields` on texts whose fields are marked.

The mean of two linear models: multinomial logistic regression over words, with an L2 penalty that is chosen by log-loss
on texts held out, and a conditional random field over whole texts (`token_sequences`). One alone is 2 to 4 points of F1
worse (dev/LOG.md). scikit-learn is loaded here only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from rightsized.core.errors import DataError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.onnx import TOKENIZER_FILE
from rightsized.engines.tagger_words import BUCKETS, SLOTS, Words
from rightsized.engines.token_fields import (
    GRAPH_FILE,
    SETTINGS_FILE,
    WEIGHTS_FILE,
    Floats,
    States,
    TokenFieldSettings,
    TokenHead,
)
from rightsized.store import atomic
from rightsized.tune.token_sequences import Sequences, fit_chain

LEAST_EXAMPLES = 20  # texts with at least one field
PENALTIES = (0.3, 1.0, 3.0)  # inverse strength C, on standardised states
HELD_OUT = 0.2  # share of the texts on which the penalty is chosen
ORDER_WEIGHT = 0.5  # of what follows what, beside what each word says; 0 loses 3 points of F1, 1 loses 5
CHAIN_STRENGTH = 1.0  # inverse penalty of the conditional random field


class MarkedSpan(Frozen, frozen=True):
    """`text[start:end]` is a field of this name."""

    name: str
    start: int
    end: int


class MarkedText(Frozen, frozen=True):
    """A text with its fields; one that has none teaches as well."""

    text: str
    spans: tuple[MarkedSpan, ...] = ()


class _Rows(NamedTuple):
    """All words of some texts, one after the other. `first`: where each text begins."""

    states: Floats
    written: NDArray[np.int64]
    tags: NDArray[np.int64]
    first: NDArray[np.int64] = np.zeros(1, dtype=np.int64)


def tags_of(examples: Sequence[MarkedText]) -> tuple[str, ...]:
    """O, then B- and I- of each field. Raises DataError where too few texts have any."""
    names = sorted({span.name for one in examples for span in one.spans})
    marked = sum(bool(one.spans) for one in examples)
    if marked < LEAST_EXAMPLES:
        raise DataError(
            f"Only {marked} texts have a field that is marked.",
            fix=f"Mark at least {LEAST_EXAMPLES}; some hundred help.",
        )
    return ("O", *(f"{kind}-{name}" for name in names for kind in "BI"))


def word_tags(words: Words, spans: Sequence[MarkedSpan], tags: Sequence[str]) -> NDArray[np.int64]:
    """The number of each word's tag. A word belongs to a field that covers its first character."""
    found = np.zeros(len(words.first), dtype=np.int64)
    for span in spans:
        inside = [n for n, (start, _) in enumerate(words.places) if span.start <= start < span.end]
        for place, number in enumerate(inside):
            found[number] = tags.index(f"{'I' if place else 'B'}-{span.name}")
    return found


def fit_head(
    examples: Sequence[MarkedText],
    states: States,
    tags: Sequence[str],
    *,
    progress: Progress = no_progress,
    seed: int = 0,
) -> TokenHead:
    """The head for these tags. Raises DataError (a span lies outside its text)."""
    read = []
    for done, one in enumerate(examples):
        if any(not 0 <= span.start < span.end <= len(one.text) for span in one.spans):
            raise DataError(f"A span lies outside its text: {one.text[:60]!r}.")
        words, found = states(one.text)
        read.append(_Rows(found, words.features, word_tags(words, one.spans, tags)))
        progress("read", done + 1, len(examples))
    order = np.random.default_rng(seed).permutation(len(read))
    held = max(1, int(HELD_OUT * len(read)))
    chosen = _best_penalty([read[n] for n in order[held:]], [read[n] for n in order[:held]], len(tags), progress)
    progress("fit", len(PENALTIES), len(PENALTIES) + 1)
    rows = _together(read)
    return _mean(_fitted(rows, chosen, len(tags)), _chained(rows, tuple(tags)))


def write(folder: Path, head: TokenHead, graph: bytes, tokenizer: bytes, settings: TokenFieldSettings) -> None:
    """Write a model where `engines.token_fields` opens it: its files first, then what names them. Raises StoreError."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(one) for name, one in head.arrays.items()}
    content = {WEIGHTS_FILE: save(arrays), GRAPH_FILE: graph, TOKENIZER_FILE: tokenizer}
    for name, data in content.items():
        atomic.write(folder / name, data)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    atomic.write(folder / SETTINGS_FILE, msgspec.json.encode(msgspec.structs.replace(settings, sha256=digests)))


def _best_penalty(train: list[_Rows], held: list[_Rows], tags: int, progress: Progress) -> float:
    losses = []
    rows = _together(held)
    for number, penalty in enumerate(PENALTIES):
        progress("fit", number, len(PENALTIES) + 1)
        head = _fitted(_together(train), penalty, tags)
        words = Words(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 2), np.int64), rows.written)
        logs = head(words, rows.states)
        losses.append((float(-logs[np.arange(len(rows.tags)), rows.tags].mean()), penalty))
    return min(losses)[1]


def _together(read: Sequence[_Rows]) -> _Rows:
    filled = [one for one in read if len(one.tags)]
    return _Rows(
        np.concatenate([one.states for one in filled]),
        np.concatenate([one.written for one in filled]),
        np.concatenate([one.tags for one in filled]),
        np.cumsum([0, *(len(one.tags) for one in filled)])[:-1],
    )


def _fitted(rows: _Rows, penalty: float, tags: int) -> TokenHead:
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    scale, (columns, written) = _Scale.of(rows), _written(rows)
    features = hstack([csr_matrix(scale(rows.states)), written], format="csr")
    model = LogisticRegression(C=penalty, max_iter=200, tol=1e-3)
    model.fit(features, rows.tags)
    weights, bias = _all_tags(model.coef_, model.intercept_, model.classes_, tags)
    return _head(weights.T, bias, _what_follows(rows, tags), scale, columns)


def _chained(rows: _Rows, tags: tuple[str, ...]) -> TokenHead:
    """The head of a conditional random field."""
    scale, (columns, written) = _Scale.of(rows), _written(rows)
    lengths = np.diff(np.append(rows.first, len(rows.tags)))
    dense = scale(rows.states).astype(np.float32)
    found = fit_chain(Sequences(dense, written, rows.tags, lengths), tags, CHAIN_STRENGTH)
    return _head(found.weights, found.bias, found.between, scale, columns)


def _mean(one: TokenHead, other: TokenHead) -> TokenHead:
    """The head whose scores are the mean of both. What is the same for all tags of a word says nothing: it goes."""
    arrays: dict[str, Floats] = {
        name: ((_centred(a, name) + _centred(other.arrays[name], name)) / 2).astype(np.float32)
        for name, a in one.arrays.items()
    }
    return TokenHead(arrays["states"], arrays["written"], arrays["bias"], arrays["between"])


def _centred(array: Floats, name: str) -> Floats:
    return array if name == "between" else array - array.mean(axis=-1, keepdims=True)


class _Scale(NamedTuple):
    """Brings each column of the states to mean 0 and variance 1."""

    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, rows: _Rows) -> _Scale:
        return cls(rows.states.mean(axis=0), rows.states.std(axis=0) + 1e-6)

    def __call__(self, states: Floats) -> Floats:
        scaled: Floats = (states - self.mean) / self.spread
        return scaled


def _written(rows: _Rows) -> tuple[NDArray[np.int64], Any]:
    """The rows of the feature table that occur, and which of them each word has (SciPy CSR)."""
    from scipy.sparse import csr_matrix

    columns, inverse = np.unique(rows.written, return_inverse=True)
    count = len(rows.tags)
    starts = np.arange(0, count * SLOTS + 1, SLOTS)
    ones = np.ones(count * SLOTS, dtype=np.float32)
    return columns, csr_matrix((ones, inverse.reshape(-1), starts), shape=(count, len(columns)))


def _head(
    weights: NDArray[np.float64],
    bias: NDArray[np.float64],
    between: NDArray[Any],
    scale: _Scale,
    columns: NDArray[np.int64],
) -> TokenHead:
    """The head of weights (scaled states, then columns; tags)."""
    width, tags = len(scale.mean), len(bias)
    states = weights[:width] / scale.spread[:, None]
    table = np.zeros((BUCKETS, tags), dtype=np.float32)
    table[columns] = weights[width:]
    shifted = (bias - scale.mean @ states).astype(np.float32)
    return TokenHead(states.astype(np.float32), table, shifted, between.astype(np.float32))


def _what_follows(rows: _Rows, tags: int) -> Floats:
    """log P(tag | tag before) - log P(tag), from counts smoothed by a tenth, weighted. Before a text stands O."""
    counts = np.full((tags, tags), 0.1)
    before = np.concatenate(([0], rows.tags[:-1]))
    before[rows.first] = 0
    np.add.at(counts, (before, rows.tags), 1.0)
    likely = np.log(counts / counts.sum(axis=1, keepdims=True)) - np.log(counts.sum(axis=0) / counts.sum())
    between: Floats = (ORDER_WEIGHT * likely).astype(np.float32)
    return between


def _all_tags(
    weights: NDArray[np.float64], bias: NDArray[np.float64], classes: NDArray[np.int64], tags: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of every tag; one that no example has is never taken. Two classes have one row in scikit-learn."""
    if len(classes) == 2 and len(weights) == 1:
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    whole, most = np.zeros((tags, weights.shape[1])), np.full(tags, -1e4)
    whole[classes], most[classes] = weights, bias
    return whole, most

"""Marks fields in running text by a linear model on the states of an encoder's first layers: fitted on a few hundred
texts whose fields are marked, by `tune.token_fields`.

ONNX Runtime and NumPy only. Each word gets scores from its state, its neighbours' and how it is written; the best
sequence of B-, I- and O tags is taken. What is marked is a function of the text alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import onnxruntime
from msgspec import field
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load
from tokenizers import Tokenizer

from rightsized.core.errors import IntegrityError
from rightsized.core.frozen import Frozen
from rightsized.engines.onnx import TOKENIZER_FILE
from rightsized.engines.tagger import windows
from rightsized.engines.tagger_words import BUCKETS, SLOTS, Words, split
from rightsized.engines.viterbi import best_path, marginals, transitions

SETTINGS_FILE, WEIGHTS_FILE, GRAPH_FILE = "fields.json", "fields.safetensors", "states.onnx"
FILES = (WEIGHTS_FILE, GRAPH_FILE, TOKENIZER_FILE)
AROUND = 1  # words on each side whose states are read too

Floats = NDArray[np.float32]


class Marked(NamedTuple):
    """`text[start:end]` is a field of this name; `score` the mean probability of its words' tags, over all ways to tag
    the text."""

    name: str
    start: int
    end: int
    score: float


class TokenFieldSettings(Frozen, frozen=True, forbid_unknown_fields=False):
    """What a folder of a fitted model says of itself.

    Args:
        tags: names of the columns of the scores; the first is O.
        encoder: digest of the encoder's card.
        examples: texts it was fitted on.
        sha256: of its other files.
        least: fields whose score is lower are not given.
    """

    tags: tuple[str, ...]
    encoder: str
    examples: int
    sha256: dict[str, str] = field(default_factory=dict)
    least: float = 0.0


class States:
    """The states of words: what fitting and serving read of a text."""

    def __init__(self, graph: bytes, tokenizer: bytes) -> None:
        """`graph`: input `input_ids` (1, tokens), output `states` (tokens, dimension). Raises IntegrityError."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a call runs in its caller's thread
        options.log_severity_level = 3  # errors only
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            self._tokenizer = Tokenizer.from_str(tokenizer.decode("utf-8"))
        except Exception as error:  # noqa: BLE001 - the libraries' exceptions share no base of their own
            raise IntegrityError(f"The model of fields cannot be read: {error}.") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        framed = self._tokenizer.encode("").ids
        self._opening, self._closing = framed[0], framed[-1]

    def __call__(self, text: str) -> tuple[Words, Floats]:
        """The words of a text, and each word's state with its neighbours': (words, dimension * (2 AROUND + 1))."""
        words = split(self._tokenizer, text)
        if not len(words.first):
            return words, np.zeros((0, 0), dtype=np.float32)
        parts = []
        for window in windows(words):
            skipped = window.first - window.start
            found = self._run(words, window.start, window.end)
            parts.append(found[skipped : skipped + window.last - window.first])
        own = np.concatenate(parts)
        padded = np.pad(own, ((AROUND, AROUND), (0, 0)))
        return words, np.concatenate([padded[at : at + len(own)] for at in range(2 * AROUND + 1)], axis=1)

    def _run(self, words: Words, start: int, end: int) -> Floats:
        """The mean state of the pieces of each word."""
        bounds = np.append(words.first, len(words.pieces))[start : end + 1]
        pieces = words.pieces[bounds[0] : bounds[-1]]
        ids = np.concatenate(([self._opening], pieces, [self._closing])).astype(np.int64)[None, :]
        states = self._session.run(["states"], {"input_ids": ids})[0][1:-1]
        sums = np.add.reduceat(states, bounds[:-1] - bounds[0], axis=0)
        mean: Floats = (sums / np.diff(bounds)[:, None]).astype(np.float32)
        return mean


class TokenHead:
    """Linear scores of tags: from states, and from hashed features of how a word is written.

    Args:
        states: float32 (dimension * (2 AROUND + 1), tags).
        written: float32 (BUCKETS, tags).
        bias: float32 (tags,).
        between: float32 (tags, tags), added for going from a tag (row) to a tag (column).
    """

    def __init__(self, states: Floats, written: Floats, bias: Floats, between: Floats) -> None:
        tags = len(bias)
        fits = states.ndim == 2 and states.shape[1] == tags and between.shape == (tags, tags)
        if written.shape != (BUCKETS, tags) or not fits:
            raise IntegrityError(f"The weights of fields have shapes {states.shape}, {written.shape}, {bias.shape}.")
        self.arrays = {"states": states, "written": written, "bias": bias, "between": between}

    def __call__(self, words: Words, states: Floats) -> Floats:
        """Log-probabilities of the tags, float32 (words, tags)."""
        arrays = self.arrays
        scores = states @ arrays["states"] + arrays["bias"]
        for slot in range(SLOTS):
            scores = scores + arrays["written"][words.features[:, slot]]
        shifted = scores - scores.max(axis=1, keepdims=True)
        logs: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return logs


class TokenFields:
    """A fitted model, open. May be called by many threads at once."""

    def __init__(self, states: States, head: TokenHead, settings: TokenFieldSettings) -> None:
        self._states, self._head, self.settings = states, head, settings
        self._between = transitions(settings.tags) + head.arrays["between"]

    def mark(self, text: str) -> list[Marked]:
        """The fields of a text, in its order, none on another."""
        words, states = self._states(text)
        if not len(words.first):
            return []
        logs = self._head(words, states)
        path, chances = best_path(logs, self._between), marginals(logs, self._between)
        return [one for one in spans(words, path, chances, self.settings.tags) if one.score >= self.settings.least]


def spans(words: Words, path: NDArray[np.intp], chances: Floats, tags: Sequence[str]) -> Iterator[Marked]:
    """The stretches that a sequence of tags marks."""
    word, count = 0, len(path)
    while word < count:
        name = tags[path[word]][2:]
        stop = word + 1
        while name and stop < count and tags[path[stop]] == f"I-{name}":
            stop += 1
        if name:
            score = float(chances[np.arange(word, stop), path[word:stop]].mean())
            yield Marked(name, int(words.places[word, 0]), int(words.places[stop - 1, 1]), round(score, 4))
        word = stop


def open_token_fields(folder: Path) -> TokenFields:
    """The model in a folder; every file is hashed as it is read. Raises IntegrityError."""
    try:
        settings = msgspec.json.decode((folder / SETTINGS_FILE).read_bytes(), type=TokenFieldSettings)
        content = {name: (folder / name).read_bytes() for name in FILES}
        for name, data in content.items():
            if hashlib.sha256(data).hexdigest() != settings.sha256.get(name):
                raise IntegrityError(f"{folder / name} was altered: its sha256 is not the one beside it.", fix=_FIX)
        arrays = load(content[WEIGHTS_FILE])
        head = TokenHead(arrays["states"], arrays["written"], arrays["bias"], arrays["between"])
    except (OSError, KeyError, SafetensorError, msgspec.MsgspecError) as error:
        raise IntegrityError(f"The model of fields in {folder} cannot be read: {error}.", fix=_FIX) from None
    if len(settings.tags) != len(arrays["bias"]):
        raise IntegrityError(f"The model of fields in {folder} has other tags than weights.", fix=_FIX)
    return TokenFields(States(content[GRAPH_FILE], content[TOKENIZER_FILE]), head, settings)


_FIX = "Fit it again: rightsized triage fields fit FILE."

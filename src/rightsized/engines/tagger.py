"""Marks people, organisations and places in running text: our own small network on the default encoder's first layers.

ONNX Runtime and NumPy only. A long text is read in overlapping windows, one a call, and decoded as a whole; a word
takes its scores from the window where it stands farther from the edge. The tags are a function of the text alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import field
from numpy.typing import NDArray
from tokenizers import Tokenizer

from rightsized.core.errors import IntegrityError
from rightsized.core.frozen import Frozen
from rightsized.core.pii import Finding
from rightsized.engines.onnx import TOKENIZER_FILE, checked_file, open_session
from rightsized.engines.tagger_words import SLOTS, Words, handles, split
from rightsized.engines.viterbi import NEVER, best_path, transitions
from rightsized.store.cards import Card

ENGINE = "tagger"
MODEL_FILE, SETTINGS_FILE = "model.int8.onnx", "names.json"
SOURCE = "tagger"
_WINDOW = 192  # word pieces of one call
_CONTEXT = 32  # pieces at each edge of a window whose scores are taken from the neighbouring window


_ABBREVIATED = 4  # letters of the longest word whose dot is taken for that of an abbreviation
_HANDLE_ODDS = 3.0  # how much more probable another kind must be before a user name counts as that
_HANDLE_SCORE = np.float32(np.log(0.9))


class TaggerSettings(Frozen, frozen=True, forbid_unknown_fields=False):
    """What the weights were fitted for, as `dev/names` wrote it.

    Args:
        tags: names of the columns of the scores; the first is O.
        frozen: layers of the encoder below ours.
        own: our layers.
        encoder: name of the encoder in the store.
        encoder_weights: sha256 of its weights.
        sha256: of the file of our weights.
        bias: added to the scores of a kind's tags, by kind: the operating point, chosen on rows held out of the train
            files.
    """

    tags: tuple[str, ...]
    frozen: int
    own: int
    encoder: str
    encoder_weights: str
    sha256: str
    bias: dict[str, float] = field(default_factory=dict)


def built_from(weights: Path, encoder: Card) -> str:
    """What a tagger's card names as its source: the encoder and our settings, which name the digest of our weights."""
    settings = weights.with_name(SETTINGS_FILE).read_bytes()
    return f"built:{encoder.digest}+sha256:{hashlib.sha256(settings).hexdigest()}"


class _Window(NamedTuple):
    """Words [start, end) are read; those in [first, last) take their scores from here."""

    start: int
    end: int
    first: int
    last: int


class OnnxTagger:
    """An installed tagger, open. Implements `core.pii.Tagger`; may be called by many threads at once."""

    def __init__(self, folder: Path, card: Card) -> None:
        """Open a model folder; every file is hashed as it is read.

        Raises:
            IntegrityError: a file is not what the card says.
        """
        self.card = card
        content = checked_file(folder, SETTINGS_FILE, card).read_bytes()
        try:
            self.settings = msgspec.json.decode(content, type=TaggerSettings)
            self._tokenizer = Tokenizer.from_file(str(checked_file(folder, TOKENIZER_FILE, card)))
        except Exception as error:  # noqa: BLE001 - the tokenizer library raises bare Exception
            raise IntegrityError(f"The tagger in {folder} cannot be read: {error}.") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        framed = self._tokenizer.encode("").ids
        self._opening, self._closing = framed[0], framed[-1]
        self._session = open_session(checked_file(folder, MODEL_FILE, card), card)
        self._between = transitions(self.settings.tags)
        self._bias = np.array([self.settings.bias.get(tag[2:], 0.0) for tag in self.settings.tags], dtype=np.float32)
        self._inside = [i for i, tag in enumerate(self.settings.tags) if tag.startswith("I-")]
        self._digest = "sha256:" + hashlib.sha256(card.digest.encode()).hexdigest()

    @property
    def digest(self) -> str:
        """`sha256:...` over graph, tokenizer and settings."""
        return self._digest

    def tag(self, text: str, expired: Callable[[], bool] = lambda: False) -> list[Finding]:
        """See `core.pii.Tagger`."""
        words = split(self._tokenizer, text)
        if not len(words.first):
            return []
        scores = self._log_probabilities(text, words, expired)
        path = best_path(scores, self._between)
        return list(_spans(text, words, path, np.exp(scores), self.settings.tags))

    def word_scores(self, text: str) -> tuple[Words, NDArray[np.float32]]:
        """Words and log-probabilities of their tags, the bias included: for fitting and benchmarks."""
        words = split(self._tokenizer, text)
        return words, self._log_probabilities(text, words, lambda: False)

    def _log_probabilities(self, text: str, words: Words, expired: Callable[[], bool]) -> NDArray[np.float32]:
        scores = np.empty((len(words.first), len(self.settings.tags)), dtype=np.float32)
        for window in windows(words):
            if expired():
                raise TimeoutError
            skipped = window.first - window.start
            found = self._run(words, window)
            scores[window.first : window.last] = found[skipped : skipped + window.last - window.first]
        scores += self._bias
        shifted = scores - scores.max(axis=1, keepdims=True)
        normed: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        for first, last in handles(text, words):
            normed[first:last] = self._handle(normed[first:last])
            if last < len(normed):
                normed[last, self._inside] = NEVER
        return normed

    def _handle(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """A user name is somebody's, so it is one name: of a person, unless another kind is much more probable."""
        kinds = [tag[2:] for tag in self.settings.tags if tag.startswith("B-")]
        masses = {k: np.exp(scores[:, [t[2:] == k for t in self.settings.tags]]).sum(axis=1).mean() for k in kinds}
        kind = max(kinds, key=lambda k: (float(masses[k]) * (1.0 if k != "person" else _HANDLE_ODDS), k))
        forced = np.full_like(scores, NEVER)
        forced[0, self.settings.tags.index(f"B-{kind}")] = _HANDLE_SCORE
        forced[1:, self.settings.tags.index(f"I-{kind}")] = _HANDLE_SCORE
        return forced

    def _run(self, words: Words, window: _Window) -> NDArray[np.float32]:
        """Raw scores (words, tags) of the words of a window."""
        bounds = np.append(words.first, len(words.pieces))[window.start : window.end + 1]
        pieces = words.pieces[bounds[0] : bounds[-1]]
        ids = np.concatenate(([self._opening], pieces, [self._closing])).astype(np.int64)[None, :]
        features = np.zeros((ids.shape[1], SLOTS), dtype=np.int64)
        features[1:-1] = np.repeat(words.features[window.start : window.end], np.diff(bounds), axis=0)
        scores: NDArray[np.float32] = self._session.run(["scores"], {"input_ids": ids, "features": features})[0]
        return np.asarray(scores[1 + bounds[:-1] - bounds[0]], dtype=np.float32)


def windows(words: Words) -> Iterator[_Window]:
    """Windows of at most `_WINDOW` pieces, each word's scores taken from exactly one."""
    bounds = np.append(words.first, len(words.pieces))
    count, start, first = len(words.first), 0, 0
    while first < count:
        end = max(int(np.searchsorted(bounds, bounds[start] + _WINDOW, side="right")) - 1, start + 1)
        last = end if end >= count else max(int(np.searchsorted(bounds, bounds[end] - _CONTEXT)), first + 1)
        yield _Window(start, end, first, last)
        first = last
        start = min(max(int(np.searchsorted(bounds, bounds[min(last, count)] - _CONTEXT)), start + 1), first)


def _spans(
    text: str, words: Words, path: NDArray[np.intp], probabilities: NDArray[np.float32], tags: tuple[str, ...]
) -> Iterator[Finding]:
    word, count = 0, len(path)
    while word < count:
        kind = tags[path[word]][2:]
        stop = word + 1
        while kind and stop < count and tags[path[stop]] == f"I-{kind}":
            stop += 1
        if kind:
            columns = [i for i, tag in enumerate(tags) if tag[2:] == kind]
            score = float(probabilities[word:stop, columns].sum(axis=1).mean())
            start, end = _trimmed(text, *_whole(text, int(words.places[word, 0]), int(words.places[stop - 1, 1])))
            if start < end:
                yield Finding(start, end, kind, round(min(score, 1.0), 4), SOURCE)
        word = stop


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with the rest of a name that its words are only pieces of, such as `anna_k92`."""
    while start > 0 and _joins(text[start - 1]) and _joins(text[start]):
        start -= 1
    while end < len(text) and _joins(text[end]) and _joins(text[end - 1]):
        end += 1
    return start, end


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without marks at its ends; the dot of `J.`, `Jr.` or `Ltd.` belongs to the name, and so does `@`."""
    while start < end and not (text[start].isalnum() or text[start] in "@#_"):
        start += 1
    while end > start and not (text[end - 1].isalnum() or text[end - 1] == "_"):
        word = text[start : end - 1].rpartition(" ")[2]
        if text[end - 1] == "." and 0 < len(word) <= _ABBREVIATED and word.isalpha():
            break
        end -= 1
    return start, end if text[start:end] not in ("@", "#") else start


def _joins(character: str) -> bool:
    return character == "_" or (character.isascii() and character.isalnum())

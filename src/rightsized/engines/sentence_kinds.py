"""Reads the sentences of a conversation: request, commitment, fact or none of these, and which ones matter.

Two small linear models behind an n-gram model: words and place in the conversation say the kind; kind, place and what
the sentence shares with the subject and the others say whether a summary must hold it, and whether somebody still has
to act on it. No encoder: a message is read in well under a millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from rightsized.core.errors import IntegrityError
from rightsized.core.frozen import Frozen
from rightsized.engines.ngrams import NgramModel, NgramSpec
from rightsized.parsers.stopwords import STOPWORDS

CARD, WEIGHTS = "sentences.json", "sentences.safetensors"
KINDS = ("request", "commitment", "fact", "other")
ROLES = ("key", "action")
NGRAMS = "ngrams."  # prefix of the n-gram model's arrays
Floats = NDArray[np.float64]
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d")
_MONEY = re.compile(r"[€$£]|\b(?:eur|usd|gbp|euro)\b", re.IGNORECASE)
_WE = re.compile(r"\b(?:we|our|us|wir|nous|nosotros)\b", re.IGNORECASE)
_I = re.compile(r"\b(?:i|my|me|ich|mein\w*|je|mon|ma|yo|mi)\b", re.IGNORECASE)
_PLEASE = re.compile(r"\b(?:please|could|can|would|bitte|s'il|por favor|pourriez|könnten|können)\b", re.IGNORECASE)
_WHEN = re.compile(
    r"\b(?:today|tomorrow|monday|tuesday|wednesday|thursday|friday|saturday|sunday|by|until|asap)\b", re.IGNORECASE
)


class Placed(NamedTuple):
    """A sentence in its conversation.

    `at` of `total` in its message; the message is number `message` of `messages`, from 0. `ours`: written by our side.
    """

    text: str
    at: int
    total: int
    message: int
    messages: int
    ours: bool
    subject: str


class Scores(NamedTuple):
    """Probabilities of the kinds, which sum to 1, and of the roles."""

    request: float
    commitment: float
    fact: float
    other: float
    key: float
    action: float


class SentenceCard(Frozen, frozen=True):
    """What is known of the model. `digest`: `sha256:...` of the weights. `sources`: what it was fitted on."""

    spec: NgramSpec
    sources: tuple[str, ...]
    digest: str = ""


class SentenceModel:
    """The model.

    Args:
        ngrams: margins of KINDS.
        arrays: `kind_weights` float (features, 4), `kind_bias` (4,), `role_weights` (features, 2), `role_bias` (2,).
    """

    def __init__(self, ngrams: NgramModel, arrays: dict[str, NDArray[np.float32]], card: SentenceCard) -> None:
        self.ngrams, self.arrays, self.card = ngrams, arrays, card
        self._kind = arrays["kind_weights"].astype(np.float64), arrays["kind_bias"].astype(np.float64)
        self._role = arrays["role_weights"].astype(np.float64), arrays["role_bias"].astype(np.float64)

    def read(self, conversation: Sequence[Placed]) -> list[Scores]:
        """Scores of every sentence of one conversation, in its order."""
        if not conversation:
            return []
        margins = np.array([self.ngrams.margins(one.text).values for one in conversation], np.float64)
        placed = place_features(conversation)
        kinds = softmax(kind_features(margins, placed) @ self._kind[0] + self._kind[1])
        roles = 1.0 / (1.0 + np.exp(-(role_features(kinds, placed, conversation) @ self._role[0] + self._role[1])))
        return [Scores(*map(float, kind), *map(float, role)) for kind, role in zip(kinds, roles, strict=True)]

    @classmethod
    def open(cls, folder: Path) -> SentenceModel:
        """Read the model. Raises IntegrityError where a file is absent or is not what the card says."""
        from hashlib import sha256

        try:
            card = msgspec.json.decode((folder / CARD).read_bytes(), type=SentenceCard)
            raw = (folder / WEIGHTS).read_bytes()
            if f"sha256:{sha256(raw).hexdigest()}" != card.digest:
                raise IntegrityError(f"{folder / WEIGHTS} is not the file that {CARD} describes.")
            arrays = load(raw)
            words = {name.removeprefix(NGRAMS): array for name, array in arrays.items() if name.startswith(NGRAMS)}
            return cls(NgramModel.from_arrays(words, card.spec), arrays, card)
        except (OSError, msgspec.DecodeError, SafetensorError, KeyError) as error:
            raise IntegrityError(f"The model in {folder} cannot be read: {error}.") from None


def place_features(conversation: Sequence[Placed]) -> Floats:
    """What place and outer form say of each sentence, float64 (n, 17)."""
    return np.array([_form(one) for one in conversation], np.float64)


def _form(one: Placed) -> list[float]:
    words = _WORD.findall(one.text)
    last = one.messages - 1 - one.message
    return [
        one.at == 0,
        one.at == one.total - 1,
        one.at / max(1, one.total - 1),
        one.message == 0,
        last == 0,
        last == 1,
        min(last, 5) / 5,
        one.ours,
        one.ours and last == 0,
        "?" in one.text,
        bool(_NUMBER.search(one.text)),
        bool(_MONEY.search(one.text)),
        bool(_WHEN.search(one.text)),
        bool(_PLEASE.search(one.text)),
        bool(_WE.search(one.text)),
        bool(_I.search(one.text)),
        np.log1p(len(words)) / 3,
    ]


def kind_features(margins: Floats, placed: Floats) -> Floats:
    """What tells the kind, float64 (n, 21)."""
    return np.hstack([margins, placed])


def role_features(kinds: Floats, placed: Floats, conversation: Sequence[Placed]) -> Floats:
    """What tells the roles, float64 (n, 32): kinds, place, both together, and shared words."""
    request, ours = kinds[:, :1], placed[:, 7:8]
    last = placed[:, 4:5]
    both = np.hstack([request * last, request * ours, kinds[:, 1:2] * last, kinds[:, 1:2] * ours, request * (1 - ours)])
    return np.hstack([kinds, placed, both, _shared(conversation), _firsts(kinds, placed, conversation)])


def _shared(conversation: Sequence[Placed]) -> Floats:
    """The share of a sentence's words that the subject has, and that other sentences have, float64 (n, 2)."""
    bags = [_content(one.text) for one in conversation]
    subjects = [_content(one.subject) for one in conversation]
    found = []
    for at, bag in enumerate(bags):
        others = set().union(*(bags[:at] + bags[at + 1 :])) if len(bags) > 1 else set()
        size = max(1, len(bag))
        found.append([len(bag & subjects[at]) / size, len(bag & others) / size])
    return np.array(found, np.float64)


def _firsts(kinds: Floats, placed: Floats, conversation: Sequence[Placed]) -> Floats:
    """Whether it is the first request of the conversation, its likeliest, the first fact and the likeliest of its
    message, float64 (n, 4)."""
    best = kinds.argmax(axis=1)
    found = np.zeros((len(conversation), 4))
    for column, kind in ((0, 0), (2, 2)):
        rows = np.flatnonzero(best == kind)
        if len(rows):
            found[rows[0], column] = 1.0
    found[int(kinds[:, 0].argmax()), 1] = 1.0
    messages = np.array([one.message for one in conversation])
    for message in np.unique(messages):
        rows = np.flatnonzero(messages == message)
        found[rows[int((1 - kinds[rows, 3]).argmax())], 3] = 1.0
    return found


def softmax(margins: Floats) -> Floats:
    """Rows that sum to 1, float64 (n, k)."""
    raised = np.exp(margins - margins.max(axis=1, keepdims=True))
    found: Floats = raised / raised.sum(axis=1, keepdims=True)
    return found


def _content(text: str) -> set[str]:
    return {word for word in (found[0].lower() for found in _WORD.finditer(text)) if word not in STOPWORDS}

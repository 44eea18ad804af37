"""A fitted classifier from plain arrays: its files, its digest, and the two rungs it serves.

`classifier.json` holds labels and settings and the sha256 of `classifier.safetensors`; nothing is ever unpickled.
Fitting is elsewhere (`tune.classifier`); so are thresholds and the choice between rungs (`cascade`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rightsized.core.errors import DataError, IntegrityError, NotFoundError
from rightsized.core.protocols import Encoder, Rung, Scored
from rightsized.core.types import TIER_TASK, Frozen
from rightsized.engines.linear import Arrays, Floats, LinearHead
from rightsized.engines.ngrams import Margins, NgramModel, NgramSpec
from rightsized.engines.readout import Raw, Readout, ReadoutSettings

FORMAT = 2  # 1 added n-grams up over the whole text
JSON_FILE, ARRAYS_FILE = "classifier.json", "classifier.safetensors"
NGRAM_RUNG, ENCODER_RUNG = "ngram", "head"
KEPT_TEXTS, KEPT_CHARS = 256, 4_000  # n-gram scores kept for the encoder rung's turn: at most 256 short texts


class ClassifierSettings(Frozen, frozen=True):
    """Everything of a classifier that is not an array. `encoder` is the digest the head was fitted on."""

    labels: tuple[str, ...]
    multi_label: bool
    encoder: str
    spec: NgramSpec
    ngram: ReadoutSettings
    head: ReadoutSettings


class _File(Frozen, frozen=True):
    format: int
    settings: ClassifierSettings
    arrays_sha256: str
    digest: str


class Classifier:
    """The n-gram model, the head on an encoder's vector, and how to read their scores."""

    def __init__(self, settings: ClassifierSettings, ngram_model: NgramModel, head: LinearHead) -> None:
        if not len(settings.labels) == len(ngram_model.bias) == len(head.bias):
            raise IntegrityError(f"The classifier names {len(settings.labels)} labels but its models do not fit them.")
        self.settings, self.ngram_model, self.head = settings, ngram_model, head
        self.ngram_readout = Readout(settings.labels, settings.ngram)
        self.head_readout = Readout(settings.labels, settings.head)
        self._margins: dict[str, Margins] = {}  # of texts that the n-gram rung has just scored
        packed = save(self.to_arrays())
        self.size_bytes = len(packed)  # of the arrays on disk
        self.digest = _digest(settings, hashlib.sha256(packed).hexdigest())

    @property
    def labels(self) -> tuple[str, ...]:
        return self.settings.labels

    def score_text(self, text: str) -> Scored:
        """The n-gram rung's prediction and score of one text."""
        margins = self.ngram_model.margins(text)
        if len(text) <= KEPT_CHARS:
            if len(self._margins) >= KEPT_TEXTS:
                self._margins.clear()
            self._margins[text] = margins
        return self.ngram_readout.read(Raw(margins), margins.truncated)

    def score_vector(self, text: str, vector: Floats, truncated: bool = False) -> Scored:
        """The encoder rung's prediction and score of one text, from its vector float32 (dimension,).

        Raises:
            DataError: the vector has another length than the head, or is not finite.
        """
        return self.head_readout.read(self.raw(text, vector), truncated)

    def raw(self, text: str, vector: Floats) -> Raw:
        """All raw scores of one text, as the encoder rung reads them."""
        if vector.shape != (self.head.dimension,) or not np.isfinite(vector).all():
            raise DataError(
                f"A vector of shape {vector.shape} was given; the head needs {self.head.dimension} finite numbers."
            )
        logits, cosine = self.head.logits(vector)
        # Taken out, not looked up: what the n-gram rung passed on is asked for once more, and then never again.
        margins = self._margins.pop(text, None)
        return Raw(self.ngram_model.margins(text) if margins is None else margins, logits, cosine)

    def to_arrays(self) -> Arrays:
        """All arrays by name."""
        return {**self.ngram_model.to_arrays(), **self.head.to_arrays()}

    def save(self, folder: Path) -> None:
        """Write `classifier.json` and `classifier.safetensors` into `folder`. Install the folder by one rename."""
        folder.mkdir(parents=True, exist_ok=True)
        packed = save(self.to_arrays())
        arrays_sha256 = hashlib.sha256(packed).hexdigest()
        (folder / ARRAYS_FILE).write_bytes(packed)
        document = msgspec.json.encode(_File(FORMAT, self.settings, arrays_sha256, self.digest))
        (folder / JSON_FILE).write_bytes(msgspec.json.format(document))

    @classmethod
    def open(cls, folder: Path) -> Classifier:
        """Read what `save` wrote.

        Raises:
            NotFoundError: there is no classifier in this folder.
            IntegrityError: a file is truncated, altered, or of another format.
        """
        document, packed = _read(folder / JSON_FILE), _read(folder / ARRAYS_FILE)
        try:
            file = msgspec.json.decode(document, type=_File)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise IntegrityError(f"{folder / JSON_FILE} cannot be read: {error}.", fix="Fit the task again.") from None
        if file.format != FORMAT:
            raise IntegrityError(
                f"{folder / JSON_FILE} has format {file.format}; this version reads {FORMAT}.",
                fix="Fit the task again.",
            )
        actual = hashlib.sha256(packed).hexdigest()
        if actual != file.arrays_sha256:
            raise IntegrityError(f"{folder / ARRAYS_FILE} is not the file that was saved.", fix="Fit the task again.")
        if _digest(file.settings, actual) != file.digest:
            raise IntegrityError(f"{folder / JSON_FILE} was altered after it was saved.", fix="Fit the task again.")
        try:
            arrays: Arrays = load(packed)
            ngram = NgramModel.from_arrays(arrays, file.settings.spec)
        except SafetensorError as error:
            raise IntegrityError(
                f"{folder / ARRAYS_FILE} cannot be read: {error}.", fix="Fit the task again."
            ) from None
        return cls(file.settings, ngram, LinearHead.from_arrays(arrays))


class NgramRung:
    """The first rung: n-gram model alone, in the calling thread (well under a millisecond for a message)."""

    name, tier, cost = NGRAM_RUNG, TIER_TASK, 0.0

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.model = _rung_digest(NGRAM_RUNG, classifier.digest)

    async def score(self, text: str) -> Scored:
        return self._classifier.score_text(text)


class EncoderRung:
    """The second rung: the encoder's vector through the head, averaged with the n-gram model where that helped."""

    name, tier, cost = ENCODER_RUNG, TIER_TASK, 0.0

    def __init__(self, classifier: Classifier, encoder: Encoder) -> None:
        self._classifier, self._encoder = classifier, encoder
        self.model = _rung_digest(ENCODER_RUNG, classifier.digest, encoder.digest)

    async def score(self, text: str) -> Scored:
        encoded = await self._encoder.encode(text)
        return self._classifier.score_vector(text, encoded.vector, encoded.truncated)


def open_rungs(classifier: Classifier, encoder: Encoder) -> list[Rung]:
    """The rungs of a classifier in order of cost.

    Raises:
        IntegrityError: the classifier was fitted on another encoder than this one.
    """
    fitted_on = classifier.settings.encoder
    if fitted_on and fitted_on != encoder.digest:
        raise IntegrityError(
            f"The classifier was fitted on the encoder {fitted_on}, but {encoder.digest} is installed.",
            fix="Fit the task again, or install that encoder.",
        )
    return [NgramRung(classifier), EncoderRung(classifier, encoder)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"There is no {path.name} in {path.parent}.", fix="Fit the task first.") from None


def _digest(settings: ClassifierSettings, arrays_sha256: str) -> str:
    body = msgspec.json.encode(settings) + arrays_sha256.encode() + str(FORMAT).encode()
    return "sha256:" + hashlib.sha256(body).hexdigest()


def _rung_digest(*parts: str) -> str:
    return "sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()

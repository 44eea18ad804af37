"""The verifier from plain arrays: how likely a tier's answer is right, before it is asked for and after it is given.

`before(prompt)` is the uplift expected of the bigger tier, in [-1, 1]; `after(prompt, answer)` the calibrated
probability that this tier's answer is right. Both are functions of the texts alone. `verifier.json` holds the settings
and the digest of `verifier.safetensors`; nothing is unpickled. Fitting is in `tune.verifier` and `tune.uplift`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rightsized.core.errors import IntegrityError, NotFoundError
from rightsized.core.protocols import Encoder
from rightsized.core.types import Frozen
from rightsized.engines.fusion import DomainHead, Floats, Head, HeadSettings
from rightsized.engines.signals import catalogue
from rightsized.engines.signals.signal import Exchange
from rightsized.engines.trees import Arrays

FORMAT = 1
JSON_FILE, ARRAYS_FILE = "verifier.json", "verifier.safetensors"


class VerifierSettings(Frozen, frozen=True):
    """All of a verifier that is not an array. `encoder` is the digest of the encoder read, empty where none is."""

    tier: str
    prompt_features: tuple[str, ...]
    answer_features: tuple[str, ...]
    encoder: str
    domains: tuple[str, ...]
    after: HeadSettings
    own: HeadSettings
    better: HeadSettings | None = None


class _File(Frozen, frozen=True):
    format: int
    settings: VerifierSettings
    arrays_sha256: str
    digest: str


class Features:
    """Turns texts into the rows of numbers that heads read; fitting and serving both come through here."""

    def __init__(
        self, prompt_features: tuple[str, ...], answer_features: tuple[str, ...], domains: DomainHead | None = None
    ) -> None:
        self.prompt_features, self.answer_features, self.domains = prompt_features, answer_features, domains
        self._prompt, self._answer = catalogue.named(prompt_features), catalogue.named(answer_features)

    def prompt_row(self, prompt: str, vector: NDArray[np.float32] | None) -> Floats:
        """Signals of the prompt, its vector, and its likeness to each domain."""
        return self.joined(catalogue.read(self._prompt, Exchange(prompt)), vector)

    def joined(self, signals: Floats, vector: NDArray[np.float32] | None) -> Floats:
        """A prompt's row from its signals and vector."""
        if vector is None:
            return signals
        wide = vector.astype(np.float64)
        likeness = [self.domains.probabilities(wide)] if self.domains else []
        return np.concatenate([signals, wide, *likeness])

    def answer_row(self, exchange: Exchange, prompt_row: Floats) -> Floats:
        """The row of an exchange: signals of its answer, then the prompt's row."""
        return np.concatenate([catalogue.read(self._answer, exchange), prompt_row])


class TierVerifier(Protocol):
    """What a cascade needs of a tier's verifier."""

    def before(self, prompt: str) -> float: ...

    def after(self, prompt: str, answer: str, logprobs: tuple[float, ...] | None = None) -> float: ...


class Verifier:
    """One tier's verifier, ready to serve.

    Args:
        settings: names and fusions.
        features: how texts become rows.
        after: probability that the answer is right, from an exchange's row.
        own: the same from the prompt's row alone.
        better: probability that the last tier's answer is right, from the prompt's row; None without a bigger tier.
        encoder: gives the prompt's vector; None where the verifier was fitted without one.
    """

    def __init__(
        self,
        settings: VerifierSettings,
        features: Features,
        after: Head,
        own: Head,
        better: Head | None,
        encoder: Encoder | None,
    ) -> None:
        installed = encoder.digest if encoder is not None else ""
        if settings.encoder and settings.encoder != installed:
            raise IntegrityError(
                f"The verifier of {settings.tier!r} was fitted on the encoder {settings.encoder}, but"
                f" {installed or 'none'} is installed.",
                fix="Install that encoder, or calibrate again: rightsized calibrate chat --data FILE",
            )
        self.settings, self.features = settings, features
        self._after, self._own, self._better = after, own, better
        self._encoder = encoder if settings.encoder else None
        self._packed = save(self.to_arrays())
        self.digest = _digest(settings, hashlib.sha256(self._packed).hexdigest())

    @property
    def needs_vector(self) -> bool:
        """Whether the prompt's vector is read: a caller that has it saves an encoder pass by giving it."""
        return self._encoder is not None

    def before(self, prompt: str, vector: NDArray[np.float32] | None = None) -> float:
        """How much better the last tier is expected to do on this prompt than this one, in [-1, 1]."""
        if self._better is None:
            return 0.0
        row = self._row(prompt, vector)
        return self._better.probability(row) - self._own.probability(row)

    def after(
        self,
        prompt: str,
        answer: str,
        logprobs: tuple[float, ...] | None = None,
        vector: NDArray[np.float32] | None = None,
    ) -> float:
        """s(x): the probability that this answer is right, in [0, 1]."""
        return self.judge(Exchange(prompt, answer, logprobs or ()), vector)

    def judge(self, exchange: Exchange, vector: NDArray[np.float32] | None = None) -> float:
        """The same for an exchange with all that is known of it (schema asked for, why it ended, samples)."""
        row = self.features.answer_row(exchange, self._row(exchange.prompt, vector))
        return self._after.probability(row)

    def safe(self, exchange: Exchange, vector: NDArray[np.float32] | None = None) -> float:
        """The probability that nothing is lost by answering here: 1 less that of wrong here and right in the last tier.

        Taken as if the two were independent given the texts. Raises nothing; without a bigger tier it is `judge`.
        """
        after, _, better = self.predict(exchange, vector)
        return lost_nothing(after, better) if self._better is not None else after

    def predict(self, exchange: Exchange, vector: NDArray[np.float32] | None = None) -> tuple[float, float, float]:
        """All three probabilities: right given the answer, right from the prompt alone, the last tier right.

        The last is 0 where there is no bigger tier.
        """
        row = self._row(exchange.prompt, vector)
        better = self._better.probability(row) if self._better is not None else 0.0
        answered = self._after.probability(self.features.answer_row(exchange, row))
        return answered, self._own.probability(row), better

    def _row(self, prompt: str, vector: NDArray[np.float32] | None) -> Floats:
        if self._encoder is not None and vector is None:
            vector = self._encoder.encode_now(prompt).vector
        return self.features.prompt_row(prompt, vector if self._encoder is not None else None)

    def to_arrays(self) -> Arrays:
        """All arrays by name."""
        heads = {"after": self._after, "own": self._own, "better": self._better}
        arrays: Arrays = {}
        for name, head in heads.items():
            arrays |= head.to_arrays(name) if head is not None else {}
        domains = self.features.domains
        return arrays | ({"domains.weights": domains.weights, "domains.bias": domains.bias} if domains else {})

    def save(self, folder: Path) -> None:
        """Write `verifier.json` and `verifier.safetensors`. Install the folder by one rename."""
        folder.mkdir(parents=True, exist_ok=True)
        sha = hashlib.sha256(self._packed).hexdigest()
        (folder / ARRAYS_FILE).write_bytes(self._packed)
        document = msgspec.json.encode(_File(FORMAT, self.settings, sha, self.digest))
        (folder / JSON_FILE).write_bytes(msgspec.json.format(document))


def lost_nothing(after: float, better: float) -> float:
    """1 - P(wrong here) P(right in the last tier)."""
    return 1.0 - (1.0 - after) * better


def read_settings(folder: Path) -> VerifierSettings:
    """The settings of a saved verifier. Raises NotFoundError, IntegrityError."""
    return _read(folder)[0].settings


def open_verifier(folder: Path, encoder: Encoder | None) -> Verifier:
    """Read what `Verifier.save` wrote.

    Raises:
        NotFoundError: there is no verifier in this folder.
        IntegrityError: a file was altered, or the encoder is another one.
    """
    file, packed = _read(folder)
    settings = file.settings
    try:
        arrays: Arrays = load(packed)
        domains = (
            DomainHead(arrays["domains.weights"].astype(np.float64), arrays["domains.bias"].astype(np.float64))
            if settings.domains
            else None
        )
    except (SafetensorError, KeyError) as error:
        raise IntegrityError(f"{folder / ARRAYS_FILE} cannot be read: {error}.", fix=_AGAIN) from None
    better = Head.from_arrays(settings.better, arrays, "better") if settings.better else None
    features = Features(settings.prompt_features, settings.answer_features, domains)
    after, own = Head.from_arrays(settings.after, arrays, "after"), Head.from_arrays(settings.own, arrays, "own")
    return Verifier(settings, features, after, own, better, encoder)


_AGAIN = "Calibrate again: rightsized calibrate chat --data FILE"


def _read(folder: Path) -> tuple[_File, bytes]:
    try:
        document, packed = (folder / JSON_FILE).read_bytes(), (folder / ARRAYS_FILE).read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"There is no verifier in {folder}.", fix=_AGAIN) from None
    try:
        file = msgspec.json.decode(document, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{folder / JSON_FILE} cannot be read: {error}.", fix=_AGAIN) from None
    sha = hashlib.sha256(packed).hexdigest()
    if file.format != FORMAT or file.arrays_sha256 != sha or file.digest != _digest(file.settings, sha):
        raise IntegrityError(f"The verifier in {folder} is not the one that was saved.", fix=_AGAIN)
    return file, packed


def _digest(settings: VerifierSettings, arrays_sha256: str) -> str:
    body = msgspec.json.encode(settings) + arrays_sha256.encode() + str(FORMAT).encode()
    return "sha256:" + hashlib.sha256(body).hexdigest()

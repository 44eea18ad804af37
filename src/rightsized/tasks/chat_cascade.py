"""A calibrated cascade on disk: written by `chat_calibration`, opened here for the gateway.

gateways/<name>/<version>/   cascade.json, certificate.json, reference.json, verifier-<tier>/
gateways/<name>/current      the version in force
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.cascade.certificate import public_key, verify_certificate, why_void
from rightsized.cascade.generate import ALWAYS, Calibrated
from rightsized.cascade.reference import Reference, why_drifted
from rightsized.core.generation import Completion, Generation
from rightsized.core.types import Certificate, Frozen, Loss
from rightsized.engines.onnx import OnnxEncoder
from rightsized.engines.onnx import runtime as onnx_runtime
from rightsized.engines.signals.signal import Exchange
from rightsized.engines.verifier import Verifier, open_verifier
from rightsized.store.home import Home
from rightsized.tasks.chat_exchange import completion, exchange_of
from rightsized.tasks.identity import SIGNING_SECRET
from rightsized.tasks.opened import Encoders
from rightsized.tasks.versions import TaskStore

KEPT_VECTORS = 256  # vectors of prompts between the prediction and the check of one request


class CascadeFile(Frozen, frozen=True):
    """`cascade.json`: tiers in order of cost, thresholds and skips (None: never answers, never skipped).

    `logprobs`: tiers whose check reads the log probabilities of what they wrote.
    """

    names: tuple[str, ...]
    thresholds: tuple[float | None, ...]
    skips: tuple[float | None, ...]
    encoder: str
    label_kind: str
    loss: Loss = "error"
    logprobs: tuple[str, ...] = ()


class ReferenceRow(Frozen, frozen=True):
    """One exchange of the reference: the request, and each tier's answer."""

    body: dict[str, Any]
    answers: dict[str, str]
    logprobs: dict[str, tuple[float, ...]]


class ChatVerifier:
    """All tiers' verifiers behind one face. Implements `cascade.generate.Verifier`.

    Both scores are functions of the texts alone. The prompt's vector is computed once for all tiers, in the encoder's
    bounded pool.
    """

    def __init__(
        self,
        tiers: dict[str, Verifier],
        encoder: OnnxEncoder | None,
        loss: Loss = "error",
        logprobs: frozenset[str] = frozenset(),
    ) -> None:
        self.tiers, self.logprobs, self._encoder, self._loss = tiers, logprobs, encoder, loss
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    async def before(self, tier: str, generation: Generation) -> float:
        """1 less the gain expected of moving up, in [0, 1]. Raises BusyError where the encoder's queue is full."""
        prompt = exchange_of(generation).prompt
        return likely(self.tiers[tier].before(prompt, await self._vector(prompt)))

    async def after(self, tier: str, generation: Generation, completion: Completion) -> float:
        """The probability that this answer is right (under `regret`: that nothing is lost by it), in [0, 1].

        Raises BusyError.
        """
        exchange = exchange_of(generation, completion)
        if tier not in self.logprobs:
            exchange = replace(exchange, logprobs=())  # the client's own wish; the check was not made with them
        elif not exchange.logprobs:
            return math.nan  # the check cannot be made as it was calibrated: up the ladder
        return score_of(self.tiers[tier], exchange, await self._vector(exchange.prompt), self._loss)

    async def _vector(self, prompt: str) -> NDArray[np.float32] | None:
        if self._encoder is None:
            return None
        found = self._vectors.get(prompt)
        if found is None:
            found = (await self._encoder.encode(prompt)).vector
            self._vectors[prompt] = found
            while len(self._vectors) > KEPT_VECTORS:
                self._vectors.popitem(last=False)
        return found


def likely(uplift: float) -> float:
    """An uplift in [-1, 1] as a score in [0, 1] that is low where the bigger tier would do better."""
    return min(max(1.0 - uplift, 0.0), 1.0)


@dataclass(frozen=True)
class OpenedCascade:
    """A version in force, ready to be served.

    `void` says in words why the certificate is not in force (digests, drift of the reference, expiry); empty: it is.
    `drifted` says the same of the reference alone, `texts` how many exchanges it holds.
    """

    name: str
    version: str
    folder: Path
    certificate: Certificate
    calibrated: Calibrated
    digests: dict[str, str]
    void: str
    drifted: str
    texts: int


def gateways(home: Home) -> TaskStore:
    """The versions of calibrated cascades, kept as those of tasks are."""
    return TaskStore(home, Path(home.path) / "gateways", noun="cascade", fix=_CALIBRATE)


_CALIBRATE = "Calibrate it: rightsized calibrate chat --data FILE --name {name}"


def open_calibrated(
    home: Home, name: str, encoders: Encoders, *, serving: dict[str, str] | None = None, now: float, requests: int = 0
) -> OpenedCascade:
    """Open the calibrated cascade `name`.

    Args:
        encoders: opens encoders, shared with tasks.
        serving: digests of what will answer, such as `tier.small`; the certificate's others are computed here.
        now: seconds since the epoch; requests: those answered under the certificate before.
    Raises:
        NotFoundError: nothing of that name was calibrated.
        IntegrityError, CertificateError: a file was altered.
    """
    store = gateways(home)
    version = store.current(name)
    folder = store.folder(name, version)
    record = store.read(name, "cascade.json", CascadeFile, version)
    certificate = store.read(name, "certificate.json", Certificate, version)
    verify_certificate(certificate, public_key(home.secret(SIGNING_SECRET)))
    encoder = encoders.get(record.encoder) if record.encoder else None
    verifiers = {
        tier: open_verifier(verifier_folder(folder, tier), encoder) for tier in record.names[: len(record.thresholds)]
    }
    logprobs = frozenset(record.logprobs)
    verifier = ChatVerifier(verifiers, encoder, record.loss, logprobs)
    reference = store.read(name, "reference.json", Reference, version)
    digests = (serving or {}) | cascade_digests(verifiers, encoder) | {"reference": reference.digest}
    skips = tuple(ALWAYS if skip is None else skip for skip in record.skips)
    calibrated = Calibrated(record.names, certificate.thresholds, skips, verifier, logprobs)
    void = why_void(without_data(certificate), now=now, requests=requests, digests=digests)
    drifted = why_drifted(reference, rescored(verifiers, reference, record.loss), certificate.thresholds)
    return OpenedCascade(
        name, version, folder, certificate, calibrated, digests, void or drifted, drifted, len(reference.texts)
    )


def verifier_folder(folder: Path, tier: str) -> Path:
    """Where a tier's verifier lies."""
    return folder / f"verifier-{tier}"


def cascade_digests(verifiers: dict[str, Verifier], encoder: OnnxEncoder | None) -> dict[str, str]:
    """Digests of what the scores depend on."""
    own = {f"verifier.{tier}": verifier.digest for tier, verifier in verifiers.items()}
    return own | {"encoder": encoder.digest if encoder else "none", "runtime": onnx_runtime()}


def score_of(verifier: Verifier, exchange: Exchange, vector: NDArray[np.float32] | None, loss: Loss) -> float:
    """s(x) under a loss: what thresholds are compared with, in calibrating and in serving."""
    return verifier.safe(exchange, vector) if loss == "regret" else verifier.judge(exchange, vector)


def rescored(verifiers: dict[str, Verifier], reference: Reference, loss: Loss) -> tuple[tuple[float, ...], ...]:
    """The reference exchanges' scores now, by the code that serves."""
    found = []
    for text in reference.texts:
        row = msgspec.json.decode(text, type=ReferenceRow)
        generation = Generation("chat", row.body)
        scores = []
        for tier, verifier in verifiers.items():
            exchange = exchange_of(generation, completion(row.answers[tier], row.logprobs.get(tier, ())))
            scores.append(score_of(verifier, exchange, None, loss))
        found.append(tuple(scores))
    return tuple(found)


def without_data(certificate: Certificate) -> Certificate:
    """The certificate with the digests that can be compared with what serves: those of the data name past rows."""
    kept = {name: digest for name, digest in certificate.digests.items() if not name.startswith("data.")}
    return msgspec.structs.replace(certificate, digests=kept)

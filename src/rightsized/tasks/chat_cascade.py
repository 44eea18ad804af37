"""A calibrated cascade on disk: written by `chat_calibration`, opened here for the gateway.

gateways/<name>/<version>/   cascade.json, certificate.json, reference.json, verifier-<tier>/, domain.safetensors
gateways/<name>/current      the version in force
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import field

from rightsized.cascade.certificate import public_key, verify_certificate, why_void
from rightsized.cascade.generate import ALWAYS, Calibrated
from rightsized.cascade.parameters import UNSAID
from rightsized.cascade.reference import Reference, why_drifted
from rightsized.cascade.samples import SamplePlan
from rightsized.core.generation import Generation, RunResult
from rightsized.core.types import Certificate, Frozen, Loss
from rightsized.engines.domain import Domain, open_domain
from rightsized.engines.onnx import OnnxEncoder
from rightsized.engines.onnx import runtime as onnx_runtime
from rightsized.engines.verifier import Verifier, open_verifier
from rightsized.store.home import Home
from rightsized.tasks.chat_exchange import compared, completion, exchange_of, said
from rightsized.tasks.chat_verifier import ChatVerifier, score_of
from rightsized.tasks.identity import SIGNING_SECRET
from rightsized.tasks.opened import Encoders
from rightsized.tasks.versions import TaskStore


class CascadeFile(Frozen, frozen=True):
    """`cascade.json`: tiers in order of cost, thresholds and skips (None: never answers, never skipped).

    `logprobs`: tiers whose check reads the log probabilities of what they wrote. `samples`: those whose check reads
    further samples. `domain`: prompts too far from those learned from are passed up. `parameters`: those of the rows
    that were tested, such as `{"temperature":0}`.
    """

    names: tuple[str, ...]
    thresholds: tuple[float | None, ...]
    skips: tuple[float | None, ...]
    encoder: str
    label_kind: str
    loss: Loss = "error"
    logprobs: tuple[str, ...] = ()
    samples: dict[str, SamplePlan] = field(default_factory=dict)
    domain: bool = False
    parameters: tuple[str, ...] = (UNSAID,)

    @property
    def digest(self) -> str:
        """Of all the rules but the thresholds, which the certificate holds itself."""
        rules = msgspec.to_builtins(msgspec.structs.replace(self, thresholds=()))
        if self.parameters == (UNSAID,):  # as it is of cascades from before there were any
            del rules["parameters"]
        return "sha256:" + hashlib.sha256(msgspec.json.encode(rules, order="deterministic")).hexdigest()


class ReferenceRow(Frozen, frozen=True):
    """One exchange of the reference: the request, and each tier's answer with what its tests came to."""

    body: dict[str, Any]
    answers: dict[str, str]
    logprobs: dict[str, tuple[float, ...]]
    samples: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tested: dict[str, RunResult] = field(default_factory=dict)


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
    domain = open_domain(folder) if record.domain else None
    verifier = ChatVerifier(verifiers, encoder, record.loss, logprobs=logprobs, samples=record.samples, domain=domain)
    reference = store.read(name, "reference.json", Reference, version)
    digests = (serving or {}) | cascade_digests(verifiers, encoder, domain)
    digests |= {"reference": reference.digest, "rules": record.digest}
    skips = tuple(ALWAYS if skip is None else skip for skip in record.skips)
    calibrated = Calibrated(
        record.names,
        certificate.thresholds,
        skips,
        verifier,
        logprobs,
        record.samples,
        afresh=certificate.promise == "selective_error",
        parameters=record.parameters,
    )
    void = why_void(without_data(certificate), now=now, requests=requests, digests=digests)
    again = rescored(verifiers, encoder, reference, record.loss)
    drifted = why_drifted(reference, again, certificate.thresholds)
    return OpenedCascade(
        name, version, folder, certificate, calibrated, digests, void or drifted, drifted, len(reference.texts)
    )


def verifier_folder(folder: Path, tier: str) -> Path:
    """Where a tier's verifier lies."""
    return folder / f"verifier-{tier}"


def cascade_digests(
    verifiers: dict[str, Verifier], encoder: OnnxEncoder | None, domain: Domain | None
) -> dict[str, str]:
    """Digests of what the scores depend on."""
    own = {f"verifier.{tier}": verifier.digest for tier, verifier in verifiers.items()}
    own |= {"domain": domain.digest} if domain is not None else {}
    return own | {"encoder": encoder.digest if encoder else "none", "runtime": onnx_runtime()}


def rescored(
    verifiers: dict[str, Verifier], encoder: OnnxEncoder | None, reference: Reference, loss: Loss
) -> tuple[tuple[float, ...], ...]:
    """The reference exchanges' scores now, by the code that serves."""
    found = []
    for text in reference.texts:
        row = msgspec.json.decode(text, type=ReferenceRow)
        generation = Generation("chat", row.body)
        scores = []
        for tier, verifier in verifiers.items():
            answer = completion(row.answers[tier], row.logprobs.get(tier, ()), row.tested.get(tier))
            samples = [completion(text, ()) for text in row.samples.get(tier, ())]
            exchange = exchange_of(generation, answer, samples)
            if encoder is not None:
                exchange = compared(exchange, [encoder.encode_now(text).vector for text in said(exchange)])
            scores.append(score_of(verifier, exchange, None, loss))
        found.append(tuple(scores))
    return tuple(found)


def without_data(certificate: Certificate) -> Certificate:
    """The certificate with the digests that can be compared with what serves: those of the data name past rows."""
    kept = {name: digest for name, digest in certificate.digests.items() if not name.startswith("data.")}
    return msgspec.structs.replace(certificate, digests=kept)

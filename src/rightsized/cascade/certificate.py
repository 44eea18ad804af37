"""Makes, signs and checks certificates.

A certificate is signed with Ed25519 (RFC 8032) by a key derived from the home's secret. Its id is the SHA-256 of its
canonical content: JSON with sorted keys, without `id` and `signature`, and without fields at their default, so that a
field added later does not break older certificates. Reading and writing files is left to the caller.
"""

from __future__ import annotations

import msgspec
from msgspec import field

from rightsized.cascade import sentence as wording
from rightsized.cascade import signing
from rightsized.cascade.plan import Calibration
from rightsized.cascade.signing import public_key as public_key
from rightsized.core.errors import CertificateError, DataError
from rightsized.core.types import Certificate, Frozen, Loss

DAY_S = 86_400
EXPIRES_DAYS = 90  # a convention: a promise rests on traffic staying as it was, and nobody knows for how long
EXPIRES_REQUESTS = 100_000  # the same convention in requests
_KIND = b"rightsized certificate v1\n"


class CertificateFacts(Frozen, frozen=True):
    """What a certificate says beyond the figures that calibration found.

    Args:
        task: the task's name.
        rungs: names of all rungs in order, the last included (`person` where a person stands last).
        sampling: how the calibration rows were drawn, to follow "the 1,840 messages": "sampled at random from
            support-mail, 3 to 28 October".
        digests: `sha256:...` of all that the scores depend on, and the runtime and instruction set by name.
        created: seconds since the epoch, UTC.
        label_kind: `people`, `exact match`, `executed tests`, `judge NAME`, or `judge NAME, checked by people`.
        loss: what counts as an error (see Certificate).
        out_of_scope_rows: calibration rows that no label fits; `outside`: what they are, in words; empty: not said.
        unit: what the rows are, several of them; `row`: one of them.
        rests_on: what the promise depends on that no digest can pin, in words; empty where there is nothing.
        group_unit: what a row stands for where calibration took one a group.
        segment_by: what divides the traffic into segments: PREDICTED_LABEL, or a property of the request.
    """

    task: str
    rungs: tuple[str, ...]
    sampling: str
    digests: dict[str, str]
    created: float
    code_version: str
    label_kind: str = "people"
    loss: Loss = "error"
    out_of_scope_rows: int = 0
    unit: str = "messages"
    row: str = "message"
    outside: str = "out of scope"
    rests_on: str = ""
    group_unit: str = "conversations"
    segment_by: str = ""
    expires_days: float = EXPIRES_DAYS
    expires_requests: int = field(default=EXPIRES_REQUESTS)


def make_certificate(calibration: Calibration, facts: CertificateFacts, secret: bytes) -> Certificate:
    """Turn what calibration found into a signed certificate, its sentence included.

    Args:
        secret: 32 bytes known to this home only.
    Raises:
        DataError: a certified result whose facts cannot carry a true sentence.
    """
    _check_facts(calibration, facts)
    plain = _unsigned(calibration, facts)
    said = msgspec.structs.replace(plain, sentence=wording.sentence(plain))
    return sign(said, secret)


def _check_facts(calibration: Calibration, facts: CertificateFacts) -> None:
    if len(facts.rungs) != len(calibration.thresholds) + 1:
        raise DataError(f"{len(facts.rungs)} rungs were named for {len(calibration.thresholds)} and the last.")
    if calibration.state != "certified":
        return
    if not facts.sampling.strip():
        raise DataError(
            "A promise holds for traffic like the sample, and how the sample was drawn was not said.",
            fix="Give `sampling`, such as 'sampled at random from support-mail, 3 to 28 October'.",
        )
    if not facts.digests:
        raise DataError("A promise holds for the models that were tested, and no digest of any was given.")


def _unsigned(calibration: Calibration, facts: CertificateFacts) -> Certificate:
    own = {f: getattr(calibration, f) for f in Certificate.__struct_fields__ if hasattr(calibration, f)}
    said = {f: getattr(facts, f) for f in Certificate.__struct_fields__ if hasattr(facts, f)}
    return Certificate(
        **own,
        **said
        | {
            "id": "",
            "sentence": "",
            "unit": facts.group_unit if calibration.grouped else facts.unit,
            "expires": facts.created + DAY_S * facts.expires_days,
        },
    )


def canonical(certificate: Certificate) -> bytes:
    """The bytes that the id digests and the signature covers."""
    values = msgspec.to_builtins(certificate)
    defaults = {f.name: f.default for f in msgspec.structs.fields(Certificate)}
    kept = {k: v for k, v in values.items() if k not in ("id", "signature") and not _is_default(v, defaults[k])}
    return msgspec.json.encode(kept, order="deterministic")


def _is_default(value: object, default: object) -> bool:
    return value == (list(default) if isinstance(default, tuple) else default)


def sign(certificate: Certificate, secret: bytes) -> Certificate:
    """Fill in public key, id and signature."""
    keyed = msgspec.structs.replace(certificate, public_key=public_key(secret), id="", signature="")
    content = canonical(keyed)
    return msgspec.structs.replace(
        keyed, id=signing.digest(content), signature=signing.signature(secret, _KIND, content)
    )


def verify_certificate(certificate: Certificate, trusted_key: str = "") -> None:
    """Check id, signature and sentence. Says nothing of expiry or of models; see `why_void`.

    Args:
        trusted_key: the public key the reader trusts, base64; empty trusts the one in the certificate.
    Raises:
        CertificateError: the certificate was altered, or another key signed it.
    """
    if trusted_key and certificate.public_key != trusted_key:
        raise CertificateError(
            f"The certificate of {certificate.task!r} was signed by another key than the trusted one.",
            fix="Run the fit on this home again, or ask for the signer's public key.",
        )
    content = canonical(certificate)
    if certificate.id != signing.digest(content) or not signing.is_signed(
        certificate.public_key, certificate.signature, _KIND, content
    ):
        raise CertificateError(
            f"The certificate of {certificate.task!r} was altered after it was signed.",
            fix=f"Fit the task again: rightsized fit FILE --task {certificate.task}",
        )


def why_void(certificate: Certificate, *, now: float, requests: int, digests: dict[str, str]) -> str:
    """Why the certificate is not in force, in words; empty where it is.

    Args:
        now: seconds since the epoch.
        requests: requests answered under this certificate so far.
        digests: what is about to serve, keyed as in the certificate.
    """
    for name, digest in sorted(certificate.digests.items()):
        if digests.get(name, "absent") != digest:
            return f"{name} is {digests.get(name, 'absent')}, and the certificate is about {digest}"
    return why_expired(certificate.expires, certificate.expires_requests, now=now, requests=requests)


def why_expired(expires: float, expires_requests: int, *, now: float, requests: int) -> str:
    """Why the certificate has run out, in words; empty where it has not."""
    if now >= expires:
        return f"the certificate expired on {wording.day(expires)}"
    if requests >= expires_requests:
        return f"the certificate was for {expires_requests:,} requests"
    return ""

"""Is a certificate in force here and now? Signature, digests, expiry, and the reference texts scored again.

Asked at every load and by `rightsized certificate verify`. What follows from the answer is decided in `snapshot`.
"""

from __future__ import annotations

import time

import msgspec

from rightsized.cascade.certificate import public_key, verify_certificate, why_expired, why_void
from rightsized.cascade.reference import why_drifted
from rightsized.core.config import Config
from rightsized.core.errors import CertificateError
from rightsized.core.types import Certificate, Frozen
from rightsized.store.home import Home
from rightsized.tasks.identity import SIGNING_SECRET, serving_digests
from rightsized.tasks.opened import OpenedTask, rescore


class Check(Frozen, frozen=True):
    """One thing examined."""

    name: str
    ok: bool
    detail: str


class Standing(Frozen, frozen=True):
    """All that was examined; `ok` where nothing failed."""

    task: str
    certificate: str
    state: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    @property
    def failure(self) -> str:
        """The first failure in words; empty where there is none."""
        return next((f"{check.name}: {check.detail}" for check in self.checks if not check.ok), "")


async def examine(home: Home, opened: OpenedTask, requests: int) -> Standing:
    """Examine the certificate of an opened task. `requests`: answered under it so far."""
    certificate = opened.certificate
    checks = (
        _signature(home, certificate),
        _digests(opened),
        _expiry(certificate, requests),
        await _reference(opened),
    )
    return Standing(certificate.task, certificate.id, certificate.state, checks)


async def verify_task(config: Config, task: str) -> Standing:
    """Examine the certificate of a task of this home."""
    from rightsized.tasks.service import open_service

    async with open_service(config, purpose="verify", record=False) as service:
        return service.loaded(task).standing


def _signature(home: Home, certificate: Certificate) -> Check:
    try:
        verify_certificate(certificate, public_key(home.secret(SIGNING_SECRET)))
    except CertificateError as error:
        return Check("signature", False, error.message)
    return Check("signature", True, f"signed by this home's key {certificate.public_key[:12]}...")


def _digests(opened: OpenedTask) -> Check:
    certificate = opened.certificate
    serving = serving_digests(opened.classifier.digest, opened.encoder) | {"reference": opened.reference.digest}
    # The data are not here to be hashed again; the certificate's own words on them are covered by its signature.
    serving |= {name: digest for name, digest in certificate.digests.items() if name.startswith("data.")}
    far = msgspec.structs.replace(certificate, expires=float("inf"))
    void = why_void(far, now=time.time(), requests=0, digests=serving)
    return Check("digests", not void, void or f"{len(serving)} digests are those of the certificate")


def _expiry(certificate: Certificate, requests: int) -> Check:
    void = why_expired(certificate.expires, certificate.expires_requests, now=time.time(), requests=requests)
    left = max(0, round((certificate.expires - time.time()) / 86_400))
    return Check(
        "expiry", not void, void or f"{left} days and {certificate.expires_requests - requests:,} requests left"
    )


async def _reference(opened: OpenedTask) -> Check:
    again = await rescore(opened.rungs, opened.reference.texts)
    drifted = why_drifted(opened.reference, again, opened.certificate.thresholds)
    return Check("reference texts", not drifted, drifted or f"{len(again)} texts score as they did")

"""Is a certificate in force here and now? Alarms, signature, digests, expiry, and the reference texts scored again.

Asked at every load and by `rightsized certificate verify`. What follows from the answer is decided in `snapshot`.
"""

from __future__ import annotations

import time

import msgspec

from rightsized.cascade.certificate import public_key, verify_certificate, why_expired, why_void
from rightsized.cascade.reference import why_drifted
from rightsized.core.config import Config
from rightsized.core.errors import CertificateError
from rightsized.core.types import Certificate, Frozen, State
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks.audits import alarm_over, alarms_of
from rightsized.tasks.counts import version_counts
from rightsized.tasks.identity import SIGNING_SECRET, serving_digests
from rightsized.tasks.opened import OpenedTask, rescore
from rightsized.tasks.versions import TaskStore

ALARM = "alarm"
FILE = "certificate.json"


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
    def broken(self) -> bool:
        """Whether something failed beside an alarm, which suspends a promise that was in order."""
        return not all(check.ok for check in self.checks if check.name != ALARM)

    @property
    def failure(self) -> str:
        """The first failure in words; empty where there is none."""
        return next((f"{check.name}: {check.detail}" for check in self.checks if not check.ok), "")


async def examine(home: Home, opened: OpenedTask, requests: int, alarm: str = "") -> Standing:
    """Examine the certificate of an opened task. `requests`: answered under it so far; `alarm`: what one said of it."""
    certificate = opened.certificate
    checks = (
        Check(ALARM, not alarm, alarm or "none has sounded"),
        signature_check(home, certificate),
        _digests(opened),
        expiry_check(certificate, requests),
        await _reference(opened),
    )
    return Standing(certificate.task, certificate.id, certificate.state, checks)


async def verify_task(config: Config, task: str) -> Standing:
    """Examine the certificate of a task of this home."""
    from rightsized.tasks.service import open_service

    async with open_service(config, purpose="verify", record=False) as service:
        return service.loaded(task).standing


def standing_alarm_of(store: TaskStore, reader: LedgerReader | None, certificate: Certificate) -> str:
    """What the alarm over this certificate says; empty where none stands."""
    if reader is None or not alarms_of(reader, certificate.task):
        return ""
    kept = [store.read(certificate.task, FILE, Certificate, v) for v in store.versions(certificate.task)]
    alarm = alarm_over(reader, certificate, {c.id: c.created for c in kept})
    return alarm.detail if alarm else ""


def known_state(home: Home, certificate: Certificate, version: str) -> tuple[State, str]:
    """The state of a promise as far as it can be told without opening a model, and why it is not in force.

    What only the models can tell (digests, reference texts) is left to `examine`.
    """
    signature = signature_check(home, certificate)
    if not signature.ok:
        return "none", signature.detail
    requests = 0
    if home.decisions.is_file():
        with LedgerReader(home.decisions) as reader:
            alarm = standing_alarm_of(TaskStore(home), reader, certificate)
            requests = version_counts(reader, certificate, version).requests
        if alarm:
            return "suspended", alarm
    expiry = expiry_check(certificate, requests)
    return (certificate.state, "") if expiry.ok else ("none", expiry.detail)


def signature_check(home: Home, certificate: Certificate) -> Check:
    """Whether this home signed the certificate, and nothing in it was altered since."""
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


def expiry_check(certificate: Certificate, requests: int) -> Check:
    """Whether its time or its number of requests has run out."""
    if certificate.state != "certified":
        return Check("expiry", True, "nothing is promised, so nothing runs out")
    void = why_expired(certificate.expires, certificate.expires_requests, now=time.time(), requests=requests)
    left = max(0, round((certificate.expires - time.time()) / 86_400))
    return Check(
        "expiry", not void, void or f"{left} days and {certificate.expires_requests - requests:,} requests left"
    )


async def _reference(opened: OpenedTask) -> Check:
    again = await rescore(opened.rungs, opened.reference.texts)
    drifted = why_drifted(opened.reference, again, opened.certificate.thresholds)
    return Check("reference texts", not drifted, drifted or f"{len(again)} texts score as they did")

"""Is a calibrated cascade's certificate in force here and now? Asked by `rightsized certificate`.

The same checks as for a task (tasks/standing.py); the digests are those of tiers, verifiers, encoder and runtime.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

import msgspec

from rightsized.cascade.certificate import why_void
from rightsized.core.config import Config
from rightsized.core.errors import RightsizedError
from rightsized.core.types import Certificate, State
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks.chat_admission import ROUTING, routing_digests
from rightsized.tasks.chat_cascade import OpenedCascade, gateways, open_calibrated, without_data
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.counts import version_counts
from rightsized.tasks.opened import Encoders
from rightsized.tasks.standing import (
    ALARM,
    FILE,
    Check,
    Standing,
    expiry_check,
    signature_check,
    standing_alarm_of,
)
from rightsized.tasks.versions import TaskStore

UNPINNED = "; the rules of tiers are not among them: its rows were not held against any"


def is_cascade(home: Home, name: str) -> bool:
    """Whether a calibrated cascade goes by that name, and no task."""
    return name in gateways(home).names() and name not in TaskStore(home).names()


def cascade_certificate(home: Home, name: str) -> tuple[Certificate, State, str]:
    """The certificate, its state as far as it can be told without opening a model, and why it is not in force.

    Raises NotFoundError, IntegrityError.
    """
    store = gateways(home)
    certificate = store.read(name, FILE, Certificate)
    signature = signature_check(home, certificate)
    if not signature.ok:
        return certificate, "none", signature.detail
    requests, alarm = _recorded(home, certificate, store.current(name))
    if alarm:
        return certificate, "suspended", alarm
    expiry = expiry_check(certificate, requests)
    return (certificate, certificate.state, "") if expiry.ok else (certificate, "none", expiry.detail)


def verify_cascade(config: Config, name: str) -> Standing:
    """Examine a cascade's certificate: alarm, signature, digests, expiry, and the reference exchanges scored again.

    Raises NotFoundError, IntegrityError.
    """
    home = Home(config.home)
    store = gateways(home)
    certificate = store.read(name, FILE, Certificate)
    requests, alarm = _recorded(home, certificate, store.current(name))
    signature = signature_check(home, certificate)
    checks = [Check(ALARM, not alarm, alarm or "none has sounded"), signature]
    if signature.ok:
        checks += _scored_again(config, name)
    checks.append(expiry_check(certificate, requests))
    return Standing(name, certificate.id, certificate.state, tuple(checks))


def _scored_again(config: Config, name: str) -> list[Check]:
    with ExitStack() as stack:
        encoders = Encoders(config)
        stack.callback(encoders.close)
        try:
            serving = serving_tiers(config) | routing_digests(config)
            opened = open_calibrated(Home(config.home), name, encoders, serving=serving, now=time.time())
        except RightsizedError as error:
            return [Check("digests", False, str(error))]
        return [_digests(config, opened), _reference(opened)]


def _digests(config: Config, opened: OpenedCascade) -> Check:
    names = {tier.name for tier in config.tiers}
    absent = [tier for tier in opened.calibrated.names if tier not in names]
    if absent:
        return Check("digests", False, f"the settings name no tier {absent[0]!r}, which it was calibrated with")
    far = msgspec.structs.replace(without_data(opened.certificate), expires=float("inf"))
    void = why_void(far, now=time.time(), requests=0, digests=opened.digests)
    pinned = "" if ROUTING in far.digests else UNPINNED
    return Check("digests", not void, void or f"{len(far.digests)} digests are those of the certificate{pinned}")


def _reference(opened: OpenedCascade) -> Check:
    return Check(
        "reference exchanges", not opened.drifted, opened.drifted or f"{opened.texts} exchanges score as they did"
    )


def _recorded(home: Home, certificate: Certificate, version: str) -> tuple[int, str]:
    """Requests answered under the certificate, and what an alarm said of it."""
    if not home.decisions.is_file():
        return 0, ""
    with LedgerReader(home.decisions) as reader:
        alarm = standing_alarm_of(gateways(home), reader, certificate)
        return version_counts(reader, certificate, version).requests, alarm

"""Which calibrated cascade is in force for the tiers that are served, and why none is, in words."""

from __future__ import annotations

import time
from collections.abc import Mapping

from msgspec import Struct

from rightsized.cascade.generate import Calibrated
from rightsized.cascade.promise import Promise
from rightsized.core.config import Config
from rightsized.core.errors import NotFoundError, RightsizedError
from rightsized.core.generation import Generator
from rightsized.core.types import Certificate
from rightsized.guard.policy.store import PolicyStore
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks.chat_admission import routing_digests
from rightsized.tasks.chat_cascade import gateways, open_calibrated
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.counts import version_counts
from rightsized.tasks.opened import Encoders
from rightsized.tasks.standing import standing_alarm_of


class InForce(Struct, frozen=True):
    """What `auto` is served by. `note` says why no promise holds; empty where one does, or nothing was calibrated."""

    promise: Promise
    calibrated: Calibrated | None = None
    certificate: Certificate | None = None
    version: str = ""
    note: str = ""


def version_in_force(config: Config) -> str:
    """The version of the calibrated cascade that the settings name; empty where there is none."""
    try:
        return gateways(Home(config.home)).current(config.gateway.cascade)
    except NotFoundError:
        return ""


def in_force(
    config: Config,
    encoders: Encoders,
    reader: LedgerReader | None,
    generators: Mapping[str, Generator] | None = None,
    policy: PolicyStore | None = None,
) -> InForce:
    """Open and judge the cascade that the settings name. Never raises: a broken one is no promise, with the reason.

    Args:
        generators: the tiers' engines, where they are open already.
        policy: the one in force; None reads that of the home.
    """
    version = version_in_force(config)
    if not version:
        return InForce(Promise("none"))
    try:
        serving = serving_tiers(config, generators) | routing_digests(config, policy)
        return _judged(config, encoders, reader, version, serving)
    except RightsizedError as error:
        return InForce(Promise("none"), version=version, note=str(error))


def _judged(
    config: Config, encoders: Encoders, reader: LedgerReader | None, version: str, serving: dict[str, str]
) -> InForce:
    home, name = Home(config.home), config.gateway.cascade
    served = {tier.name for tier in config.tiers}
    opened = open_calibrated(home, name, encoders, serving=serving, now=time.time())
    certificate = opened.certificate
    absent = [tier for tier in opened.calibrated.names if tier not in served]
    if absent:
        note = f"it was calibrated with the tier {absent[0]!r}, which the settings do not name"
        return InForce(Promise("none"), None, certificate, version, note)
    if opened.void:
        return InForce(Promise("none"), None, certificate, version, opened.void)
    counts = version_counts(reader, certificate, version) if reader else None
    promise = Promise(
        certificate.state,
        certificate.id,
        expires=certificate.expires,
        expires_requests=certificate.expires_requests,
        requests=counts.requests if counts else 0,
    )
    alarm = standing_alarm_of(gateways(home), reader, certificate)
    if alarm:
        promise.suspend(alarm)
    return InForce(promise, opened.calibrated, certificate, version, promise.void)

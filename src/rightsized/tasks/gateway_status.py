"""How the gateway stands, as a record: each tier, and the promise under which `auto` is answered.

The same record whether a server has the tiers open or a command looks at a home at rest; then no engine is started and
no model server is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from rightsized.core.config import Config
from rightsized.core.errors import RightsizedError
from rightsized.core.generation import DATA_CLASSES, EngineStatus, Generator
from rightsized.core.tiers import GatewayConfig, TierConfig
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks.audits import by_kind, monitor_plan, monitor_status, outcomes_of, with_missing
from rightsized.tasks.chat_identity import open_tier
from rightsized.tasks.chat_standing import InForce, in_force
from rightsized.tasks.gateway_protocol import GatewayStatus, TierStatus
from rightsized.tasks.opened import Encoders
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.records import MonitorStatus
from rightsized.tasks.regret import rules_of
from rightsized.tasks.shadows import missing

UNCALIBRATED = "Nothing was calibrated for these tiers. Begin: rightsized calibrate chat --data FILE --name {name}"
NO_TIERS = "The settings name no tier that writes: add [[tiers]] to rightsized.toml."


def tier_status(
    config: TierConfig, generator: Generator | None, status: EngineStatus | None, wrong: str = ""
) -> TierStatus:
    """A tier's record. `generator` is None where it cannot be opened, `status` where it is not running here."""
    here = generator.on_premises if generator is not None else None
    known = set(config.operations) & generator.operations if generator is not None else set(config.operations)
    return TierStatus(
        name=config.name,
        tier=config.tier,
        engine=config.engine,
        model=config.model,
        url=config.url,
        digest=generator.digest if generator is not None else "",
        on_premises=here,
        operations=tuple(operation for operation in config.operations if operation in known),
        data_classes=tuple(one for one in DATA_CLASSES if config.allows(one, on_premises=bool(here))),
        region=config.region,
        languages=config.languages,
        context=config.context,
        price_in=config.price_in,
        price_out=config.price_out,
        fallback=config.fallback,
        ready=False if wrong else status.ready if status else None,
        in_flight=status.in_flight if status else 0,
        detail=wrong or (status.detail if status else ""),
        pseudonymised=config.pseudonymise,
    )


def gateway_status(
    config: GatewayConfig,
    tiers: Sequence[TierStatus],
    force: InForce,
    *,
    monitor: MonitorStatus | None = None,
    waiting: int = 0,
) -> GatewayStatus:
    """The whole record. Says why nothing is promised wherever nothing is."""
    note = force.promise.void or force.note
    if not note and force.certificate is None:
        note = UNCALIBRATED.format(name=config.cascade) if tiers else NO_TIERS
    return GatewayStatus(
        cascade=config.cascade,
        tiers=tuple(tiers),
        state=force.promise.state,
        version=force.version,
        certificate=force.certificate,
        note=note,
        monitor=monitor,
        uncertified_tier=config.uncertified_tier,
        waiting=waiting,
        data_class=config.data_class,
    )


def status_at_rest(config: Config) -> GatewayStatus:
    """The record of a home that nobody serves. Opens engines without starting them; one that fails says why."""
    engines: dict[str, Generator] = {}
    tiers = [_opened(tier, config, engines) for tier in config.tiers]
    home = Home(config.home)
    with ExitStack() as stack:
        encoders = Encoders(config)
        stack.callback(encoders.close)
        reader = stack.enter_context(LedgerReader(home.decisions)) if home.decisions.is_file() else None
        force = in_force(config, encoders, reader, engines)
        monitor = _monitor(config, force, reader) if reader is not None else None
        waiting = ReviewQueue(reader).count(config.gateway.cascade) if reader is not None else 0
        return gateway_status(config.gateway, tiers, force, monitor=monitor, waiting=waiting)


def prices(tier: TierStatus) -> str:
    """Both prices in words; where neither is set, `free` on the premises and `not set` elsewhere."""
    if not tier.price_in and not tier.price_out:
        return "free" if tier.on_premises else "not set"
    return f"{tier.price_in:g} in, {tier.price_out:g} out"


def _opened(tier: TierConfig, config: Config, engines: dict[str, Generator]) -> TierStatus:
    try:
        engines[tier.name] = open_tier(tier, config)
        return tier_status(tier, engines[tier.name], None)
    except RightsizedError as error:
        return tier_status(tier, None, None, str(error))


def _monitor(config: Config, force: InForce, reader: LedgerReader) -> MonitorStatus | None:
    plan = monitor_plan(force.certificate, config.audit) if force.certificate is not None else None
    if plan is None or force.certificate is None:
        return None
    certificate = force.certificate
    found = ReviewQueue(reader).audit_outcomes(certificate.task)
    status = monitor_status(plan, outcomes_of(found, certificate))
    if certificate.loss != "regret":
        return status
    lost = missing(reader, by_kind(found, certificate), certificate, rules_of(reader, certificate.id))
    return with_missing(status, lost)

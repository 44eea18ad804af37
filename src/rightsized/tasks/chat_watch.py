"""The watch over a cascade's promise in service: audits, what may answer after an alarm, shadow calls for regret."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from rightsized.cascade.generate import Ladder
from rightsized.core.config import AuditConfig
from rightsized.core.generation import Piece
from rightsized.core.protocols import Answerer
from rightsized.core.streams import closing
from rightsized.core.types import Begun, Certificate, Reply, Request
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.recorded import Coin
from rightsized.tasks.audits import AuditWatch, monitor_plan, standing_alarm
from rightsized.tasks.chat_fallback import ChatFallback
from rightsized.tasks.chat_standing import InForce
from rightsized.tasks.regret import Regret


class Noted(Answerer):
    """A recorded answerer whose audited requests leave their rules for a shadow call."""

    def __init__(self, inner: Answerer, regret: Regret) -> None:
        self._inner, self._regret = inner, regret

    async def answer(self, request: Request) -> Reply:
        """As the answerer inside."""
        reply = await self._inner.answer(request)
        await self._regret.note(request, reply)
        return reply

    async def stream(self, request: Request) -> AsyncGenerator[Begun | Piece | Reply, None]:
        """As the answerer inside, in pieces."""
        async with closing(self._inner.stream(request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    await self._regret.note(request, piece)
                yield piece


@dataclass(frozen=True)
class Watched:
    """The audits' watch, and what belongs to a promise of regret; `coin` is to be thrown for each request."""

    audits: AuditWatch | None
    coin: Coin
    regret: Regret | None = None

    def around(self, recorded: Answerer) -> Answerer:
        """The answerer to serve by."""
        return recorded if self.regret is None else Noted(recorded, self.regret)


def watched(
    ledger: SqliteLedger, force: InForce, audit: AuditConfig, ladder: Ladder, ruled: Answerer, coin: Coin
) -> Watched:
    """The watch over what is in force; none where nothing was calibrated.

    Args:
        ladder: told what may answer after an alarm.
        ruled: answers shadow calls, policy included; not recorded.
    """
    certificate = force.certificate
    if certificate is None or force.calibrated is None:
        return Watched(None, coin)
    wanted = certificate.loss == "regret" and monitor_plan(certificate, audit) is not None
    regret = Regret(ruled, ledger, certificate, coin) if wanted else None
    audits = AuditWatch(
        ledger,
        certificate,
        audit,
        on_alarm=force.promise.suspend,
        fallback=_fallback(ledger, force, certificate, audit, ladder),
        regret=regret,
    )
    return Watched(audits, regret.coin if regret is not None else coin, regret)


def _fallback(
    ledger: SqliteLedger, force: InForce, certificate: Certificate, audit: AuditConfig, ladder: Ladder
) -> ChatFallback | None:
    """What may answer after an alarm. Nothing may where the promise was ended by a later certificate's alarm."""
    if audit.after_alarm != "loosest" or monitor_plan(certificate, audit) is None or force.calibrated is None:
        return None
    if force.promise.state == "suspended":
        own = standing_alarm(ledger.reader, certificate.id)
        if own is None or own.detail != force.promise.void:
            return None
    checked = force.calibrated.names[: len(certificate.thresholds)]
    return ChatFallback(ledger, certificate, checked, ladder.fall_back)

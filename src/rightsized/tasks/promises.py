"""Promises of applications about what is no task, such as answers from documents: decisions with the audit coin, and
the watch over each promise.

An application gives an answerer and the certificate behind it. Coin, record, monitor and alarm are those of tasks; what
follows from an alarm is the application's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from rightsized.core.config import AuditConfig, Config
from rightsized.core.errors import HomeLockedError
from rightsized.core.protocols import Answerer
from rightsized.core.types import Certificate, Reply, Request
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.recorded import Coin, Recorded, no_coin
from rightsized.store.home import Home, WriterLock
from rightsized.store.secrets import SecretFolder
from rightsized.tasks.audits import AuditWatch, standing_alarm
from rightsized.tasks.coins import coin_of
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.records import PromiseStatus

Void = Callable[[], str]  # why a promise is not in force now, in words; empty where it is


@dataclass(frozen=True)
class _Promised:
    certificate: Certificate
    audits: AuditWatch | None
    void: Void


class Promises:
    """The promises that applications make in this process, each under its certificate's task.

    Args:
        ledger: where decisions go; None where nothing is recorded here.
        reader: what was recorded, where this process records nothing: alarms hold for it too.
        trouble: why what should be recorded cannot be, in words; then nothing may be promised.
    """

    def __init__(
        self,
        audit: AuditConfig,
        ledger: SqliteLedger | None = None,
        reader: LedgerReader | None = None,
        *,
        coin: Coin = no_coin,
        trouble: str = "",
    ) -> None:
        self._audit, self.trouble = audit, trouble
        self._promised: dict[str, _Promised] = {}
        self._owed: set[asyncio.Task[None]] = set()  # ends of requests that were cancelled, still to be written
        self.open(ledger, reader, coin)

    def open(self, ledger: SqliteLedger | None, reader: LedgerReader | None, coin: Coin) -> None:
        """Record from now on; before anything is watched."""
        self._ledger, self._coin = ledger, coin
        self._reader = ledger.reader if ledger is not None else reader

    def audited(self, inner: Answerer, version: str) -> Answerer:
        """What answers one request, on record and with the audit coin; as it is where nothing is recorded."""
        if self._ledger is None:
            return inner
        return _Audited(Recorded(inner, self._ledger, coin=self._coin, version=version), self._owed)

    def watch(self, certificate: Certificate, *, on_alarm: Callable[[str], None], void: Void) -> None:
        """Watch a promise from now on, in place of an earlier one of the same task.

        Args:
            on_alarm: told, in words, that an alarm has sounded; at once where it had before.
            void: why the promise is not in force for another reason.
        """
        audits = None
        if self._ledger is not None:
            audits = AuditWatch(self._ledger, certificate, self._audit, on_alarm=on_alarm)
        elif self._reader is not None and (alarm := standing_alarm(self._reader, certificate.id)) is not None:
            on_alarm(alarm.detail)
        self._promised[certificate.task] = _Promised(certificate, audits, void)

    def forget(self, task: str) -> None:
        """Watch no more: what the promise was about is gone."""
        self._promised.pop(task, None)

    def watches(self) -> dict[str, AuditWatch]:
        """What looks at the audits, by task."""
        return {task: one.audits for task, one in self._promised.items() if one.audits is not None}

    async def refresh(self) -> None:
        """Look at all audits again; raises where they cannot be read."""
        for audits in self.watches().values():
            await audits.refresh()

    def all(self) -> list[PromiseStatus]:
        """How each promise stands, by task."""
        return [self._status(task) for task in sorted(self._promised)]

    def _status(self, task: str) -> PromiseStatus:
        certificate, audits, void = (one := self._promised[task]).certificate, one.audits, one.void()
        alarmed = self._reader is not None and standing_alarm(self._reader, certificate.id) is not None
        return PromiseStatus(
            task=task,
            state="suspended" if alarmed else "none" if void else certificate.state,
            certificate=certificate,
            waiting=ReviewQueue(self._reader).count(task) if self._reader is not None else 0,
            monitor=audits.status if audits is not None else None,
            note=void,
        )

    async def drain(self) -> None:
        """Wait until the ends of requests that were cancelled are written."""
        while self._owed:
            await asyncio.wait(self._owed)


class _Audited(Answerer):
    """One request on record; `owed` keeps what is still to be written once whoever asked has gone."""

    def __init__(self, recorded: Recorded, owed: set[asyncio.Task[None]]) -> None:
        self._recorded, self._owed = recorded, owed

    async def answer(self, request: Request) -> Reply:
        """Raises as `Recorded.answer`."""
        try:
            return await self._recorded.answer(request)
        except asyncio.CancelledError:
            rest = asyncio.ensure_future(self._recorded.drain())
            self._owed.add(rest)
            rest.add_done_callback(self._owed.discard)
            raise


@contextmanager
def recording(config: Config, purpose: str) -> Iterator[Promises]:
    """The promises of a home for a command that answers by itself, as its writer.

    Where another process writes, nothing can be put on record, and nothing may be promised.
    """
    home = Home(config.home)
    with ExitStack() as stack:
        if not config.record.enabled:
            there = home.decisions.is_file()
            yield Promises(config.audit, None, stack.enter_context(LedgerReader(home.decisions)) if there else None)
            return
        try:
            stack.enter_context(WriterLock(home, purpose))
        except HomeLockedError as error:
            yield Promises(config.audit, trouble=f"it cannot be put on record: {error.message.rstrip('.')}")
            return
        kept = config.record
        ledger = stack.enter_context(
            SqliteLedger(
                home.decisions,
                group_ms=kept.group_ms,
                secrets=SecretFolder(home.secrets),
                tenants=kept.subject == "tenant",
            )
        )
        yield Promises(config.audit, ledger, coin=coin_of(config, ledger.reader))

"""The audit coin of a home: its secret, its rate, and which conversations had an audit before."""

from __future__ import annotations

from rightsized.cascade.coin import AuditCoin
from rightsized.core.config import Config
from rightsized.ledger.reader import LedgerReader, Search
from rightsized.ledger.recorded import audited_as
from rightsized.store.home import Home

COIN_SECRET = "audit-coin"  # noqa: S105 - the name of a secret, not one
AUDITED = 100_000  # most recent audits whose conversations get no second one


def coin_of(config: Config, reader: LedgerReader) -> AuditCoin:
    """The coin that every decision of this home is thrown."""
    audited = [audited_as(one.task, one.conversation) for one in reader.search(Search(audit=True), limit=AUDITED)]
    return AuditCoin(Home(config.home).secret(COIN_SECRET), config.audit.rate, filter(None, audited))

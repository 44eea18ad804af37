"""What keys may still ask: requests and tokens a minute, and money a day or month. Binds on every route, streams too.

Money is set aside before a request is asked, by the most it may cost, and settled by what it did cost: many requests
at a time cannot spend the same dollar. What was spent before this process began is read from the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rightsized.core.errors import RateLimitError
from rightsized.ledger.reader import LedgerReader
from rightsized.store.keys import ApiKey, Period

MINUTE, DAY = 60.0, 86_400.0

_SPENT = """SELECT coalesce(sum(coalesce(json_extract(CAST(e.record AS TEXT), '$.reply.cost'), (
                SELECT sum(json_extract(a.value, '$.cost'))
                FROM json_each(CAST(e.record AS TEXT), '$.attempts') a))), 0.0)
            FROM starts s JOIN ends e ON e.id = s.id
            WHERE s.started >= ? AND json_extract(CAST(s.record AS TEXT), '$.key') = ?"""


@dataclass
class _Account:
    """One key's use: what is left of this minute's requests and tokens, and the money of this period."""

    requests: float = 0.0
    tokens: float = 0.0
    at: float = 0.0
    period: float = 0.0  # start of the period, seconds since the epoch
    day: float = -1.0  # for which that was worked out, days since the epoch
    counts: Period | None = None  # and for which kind of period
    spent: float = 0.0
    set_aside: float = 0.0


@dataclass
class Reservation:
    """Money set aside for one request, and the tokens it may use. `settle` says what it did cost and use; unsettled,
    the whole of both counts."""

    most: float
    most_tokens: int = 0
    cost: float | None = None
    tokens: int = 0

    def settle(self, cost: float, tokens: int = 0) -> None:
        """What the request cost, US dollars, and the tokens it used."""
        self.cost, self.tokens = cost, tokens


@dataclass
class Spending:
    """The use of all keys by this process, and before it by the ledger.

    Args:
        reader: the ledger of this home; None where nothing is recorded.
        clock: seconds since the epoch.
    """

    reader: LedgerReader | None = None
    clock: Callable[[], float] = time.time
    _accounts: dict[str, _Account] = field(default_factory=dict)

    def admit(self, key: ApiKey) -> None:
        """Take one request from the key's minute. Raises RateLimitError, which says when to ask again."""
        limits, account = key.limits, self._refreshed(key)
        if limits.tokens_per_minute and account.tokens <= 0:
            raise _too_many(key, "tokens", limits.tokens_per_minute, -account.tokens + 1)
        if limits.requests_per_minute:
            if account.requests < 1:
                raise _too_many(key, "requests", limits.requests_per_minute, 1 - account.requests)
            account.requests -= 1

    @contextmanager
    def reserved(self, key: ApiKey | None, most: float, most_tokens: int = 0) -> Iterator[Reservation]:
        """Set aside `most` US dollars for a request. Raises RateLimitError where the budget does not hold them."""
        reservation = Reservation(most, most_tokens)
        if key is None:
            yield reservation
            return
        account = self._refreshed(key)
        budget, period = key.limits.budget_usd, key.limits.budget_period
        if budget and account.spent + account.set_aside + most > budget:
            left = max(budget - account.spent - account.set_aside, 0.0)
            raise RateLimitError(
                f"The key {key.name!r} has {left:.4f} of its {budget:.2f} US dollars a {period} left; this request may "
                f"cost {most:.4f}.",
                fix="Ask for fewer tokens (max_tokens), or raise the budget of the key.",
                retry_after=_next(account.period, period) - self.clock(),
            )
        account.set_aside += most
        try:
            yield reservation
        finally:
            account.set_aside -= most
            account.spent += most if reservation.cost is None else reservation.cost
            account.tokens -= most_tokens if reservation.cost is None else reservation.tokens

    def spent(self, key: ApiKey) -> float:
        """US dollars spent in this period."""
        return self._refreshed(key).spent

    def _refreshed(self, key: ApiKey) -> _Account:
        now, limits = self.clock(), key.limits
        account = self._accounts.get(key.id)
        if account is None:
            account = _Account(limits.requests_per_minute, limits.tokens_per_minute, now, -1.0)
            self._accounts[key.id] = account
        minutes = max(now - account.at, 0.0) / MINUTE
        account.at = now
        account.requests = min(limits.requests_per_minute, account.requests + minutes * limits.requests_per_minute)
        account.tokens = min(limits.tokens_per_minute, account.tokens + minutes * limits.tokens_per_minute)
        if now // DAY != account.day or limits.budget_period != account.counts:
            account.day, account.counts = now // DAY, limits.budget_period
            start = _start(now, limits.budget_period)
            if start != account.period:
                account.period, account.spent = start, self._recorded(key, start)
        return account

    def _recorded(self, key: ApiKey, since: float) -> float:
        if self.reader is None or not key.limits.budget_usd:
            return 0.0
        return float(self.reader.query(_SPENT, (since, key.id))[0][0])


def _too_many(key: ApiKey, what: str, limit: int, short: float) -> RateLimitError:
    return RateLimitError(
        f"The key {key.name!r} may use {limit:,} {what} a minute.",
        fix="Ask again later, or raise the limit of the key.",
        retry_after=max(short / limit * MINUTE, 0.1),
    )


def _start(now: float, period: Period) -> float:
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day if period == "day" else day.replace(day=1)).timestamp()


def _next(start: float, period: Period) -> float:
    """When the period after the one that began at `start` begins."""
    begun = datetime.fromtimestamp(start, UTC)
    longer = begun + timedelta(days=1 if period == "day" else 31)
    return (longer if period == "day" else longer.replace(day=1)).timestamp()

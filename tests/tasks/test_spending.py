"""Limits of keys: requests and tokens a minute, budgets that many requests at a time cannot overspend."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from test_gateway import TWO, chat, settings

from rightsized.core.errors import RateLimitError, UpstreamError
from rightsized.core.generation import Caller, Delta
from rightsized.core.types import Attempt, Decision
from rightsized.ledger.log import SqliteLedger
from rightsized.store.home import Home
from rightsized.store.keys import ApiKey, KeyStore, Limits
from rightsized.tasks.gateway import LocalGateway
from rightsized.tasks.spending import Spending

NOON = 1_790_000_000.0  # 2026-09-21, 14:13:20 UTC
PRICED = TWO.replace('model = "tiny"', 'model = "tiny"\nprice_in = 100000.0\nprice_out = 100000.0')  # 0.10 a token


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def key(tmp_path: Path, **limits: object) -> ApiKey:
    return KeyStore(Home(tmp_path / "home")).create("bot", limits=Limits(**limits))[0]  # type: ignore[arg-type]


def test_requests_a_minute(tmp_path: Path) -> None:
    clock = Clock()
    spending, bot = Spending(clock=clock), key(tmp_path, requests_per_minute=3)
    for _ in range(3):
        spending.admit(bot)
    with pytest.raises(RateLimitError, match="3 requests a minute") as caught:
        spending.admit(bot)
    assert caught.value.retry_after == pytest.approx(20.0)
    clock.now += 20
    spending.admit(bot)
    with pytest.raises(RateLimitError):
        spending.admit(bot)


def test_tokens_a_minute_are_paid_back_before_the_next_request(tmp_path: Path) -> None:
    clock = Clock()
    spending, bot = Spending(clock=clock), key(tmp_path, tokens_per_minute=60)
    spending.admit(bot)
    with spending.reserved(bot, 0.0) as reservation:
        reservation.settle(0.0, tokens=90)
    with pytest.raises(RateLimitError, match="60 tokens a minute"):
        spending.admit(bot)
    clock.now += 31
    spending.admit(bot)


def test_money_is_set_aside_before_it_is_spent(tmp_path: Path) -> None:
    spending, bot = Spending(clock=Clock()), key(tmp_path, budget_usd=1.0)
    with spending.reserved(bot, 0.6) as first:
        with pytest.raises(RateLimitError, match=r"0\.4000 of its 1\.00"), spending.reserved(bot, 0.6):
            pass
        first.settle(0.1)
    assert spending.spent(bot) == pytest.approx(0.1)
    with spending.reserved(bot, 0.6):
        pass  # not settled, as where a stream broke off: all of it counts
    assert spending.spent(bot) == pytest.approx(0.7)


def test_a_budget_begins_anew_with_its_period(tmp_path: Path) -> None:
    clock = Clock()
    spending, bot = Spending(clock=clock), key(tmp_path, budget_usd=1.0, budget_period="day")
    with spending.reserved(bot, 1.0):
        pass
    with pytest.raises(RateLimitError) as caught, spending.reserved(bot, 0.1):
        pass
    assert caught.value.retry_after == pytest.approx(35_200)  # until midnight UTC
    clock.now += 35_200
    with spending.reserved(bot, 1.0):
        pass


def test_the_budget_binds_streams_and_survives_a_restart(tmp_path: Path) -> None:
    bot = key(tmp_path, budget_usd=2.0)
    caller = Caller(key=bot.id)
    asked = chat("one", model="small", stream=True)
    asked.body["max_tokens"] = 10

    async def main(expected: int) -> None:
        with SqliteLedger(tmp_path / "decisions.sqlite") as ledger:
            gateway = LocalGateway(settings(tmp_path, PRICED), ledger)
            await gateway.start()
            for _ in range(expected):
                async for _piece in gateway.stream(asked, caller):
                    pass
            with pytest.raises(RateLimitError, match="left"):
                async for _piece in gateway.stream(asked, caller):
                    pass
            with pytest.raises(RateLimitError, match="left"):
                await gateway.generate(asked, caller)
            await gateway.close()

    asyncio.run(main(4))  # each costs 1 + 2 tokens, 0.30; 1.10 are set aside: 4 * 0.30 + 1.10 > 2
    asyncio.run(main(0))  # a new process: what was spent is read from the ledger


def test_leaving_a_stream_does_not_save_tokens(tmp_path: Path) -> None:
    bot = key(tmp_path, tokens_per_minute=8)
    asked = chat("one", model="small", stream=True)
    asked.body["max_tokens"] = 10
    clock = Clock()

    async def main() -> None:
        gateway = LocalGateway(settings(tmp_path, TWO), spending=(spending := Spending(clock=clock)))
        await gateway.start()
        spending.admit(bot)
        pieces = gateway.stream(asked, Caller(key=bot.id))
        async for piece in pieces:
            if isinstance(piece, Delta | tuple):
                break
        await pieces.aclose()
        with pytest.raises(RateLimitError, match="8 tokens a minute"):
            spending.admit(bot)
        clock.now += 60
        spending.admit(bot)
        await gateway.close()

    asyncio.run(main())


def test_what_failed_before_it_wrote_costs_nothing(tmp_path: Path) -> None:
    bot = key(tmp_path, budget_usd=2.0)
    failing = PRICED.replace('answer = "small says"', 'fail = "away"')

    async def main() -> None:
        gateway = LocalGateway(settings(tmp_path, failing))
        asked = chat("one", model="small")
        asked.body["max_tokens"] = 10
        for _ in range(5):
            with pytest.raises(UpstreamError, match="away"):
                await gateway.generate(asked, Caller(key=bot.id))

    asyncio.run(main())


def test_attempts_of_a_failed_request_count_after_a_restart_too(tmp_path: Path) -> None:
    bot = key(tmp_path, budget_usd=1.0)
    draft = Attempt("small", 2, "sha256:a", 0.2, 0.9, False, cost=0.25)
    begun = Decision("d1", "chat", "", NOON, "ab", "started", False, 0.0, key=bot.id)
    failed = msgspec.structs.replace(begun, phase="failed", ended=NOON, error="away", attempts=(draft, draft))

    async def main() -> None:
        with SqliteLedger(tmp_path / "home" / "decisions.sqlite") as ledger:
            await asyncio.gather(ledger.begin(begun, "{}"), ledger.finish(failed))
            assert Spending(ledger.reader, Clock()).spent(bot) == pytest.approx(0.5)

    asyncio.run(main())

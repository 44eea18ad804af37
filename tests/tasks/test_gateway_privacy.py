"""Pseudonymising and safety rules through the gateway: what upstreams are sent, clients read, and records keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from privacy_gateway import MAIL, NAME, TIER, WARD, Detector, chat, settings, with_upstream
from rightsized.core.errors import ConfigError, ForbiddenError, NotFoundError
from rightsized.core.generation import Burst, Delta
from rightsized.core.types import Reply
from rightsized.ledger.log import SqliteLedger
from rightsized.tasks import pseudonyms
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.gateway import LocalGateway
from tests.engines.upstream import Upstream


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> None:
    pseudonyms._shared.cache_clear()
    monkeypatch.setattr(pseudonyms, "open_detector", lambda store, config: Detector())


@pytest.mark.usefixtures("detector")
def test_values_do_not_leave_and_come_back(tmp_path: Path) -> None:
    async def work(gateway: LocalGateway, ledger: SqliteLedger, upstream: Upstream) -> None:
        asked = f"Write to {NAME} at {MAIL}, then to {NAME}."
        reply = await gateway.generate(chat(asked), WARD)
        assert reply.completion is not None
        assert reply.completion.text == asked
        arguments = reply.completion.body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
        assert json.loads(arguments) == {"text": asked}
        pieces = [p async for p in gateway.stream(msgspec.structs.replace(chat(asked), stream=True), WARD)]
        flat = [one for p in pieces for one in (p if isinstance(p, Burst) else (p,))]
        assert "".join(one.text for one in flat if isinstance(one, Delta)) == asked
        assert isinstance(pieces[-1], Reply)
        assert len(upstream.seen) == 2
        sent = b"".join(one.raw for one in upstream.seen).decode()
        assert NAME not in sent
        assert "M\\u00fc" not in sent
        assert MAIL not in sent
        for one in (reply, pieces[-1]):
            decision = ledger.get(one.id)
            assert decision is not None
            assert decision.reply is not None
            kept = decision.reply.attempts[-1].completion
            assert kept is not None
            assert kept.replaced == {"email": 1, "person": 1}
            assert NAME not in msgspec.json.encode(decision).decode()

    with_upstream(tmp_path, work)


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize(("data_class", "may"), [("internal", True), ("personal", True), ("health", False)])
def test_personal_data_may_go_where_internal_data_may(tmp_path: Path, data_class: Any, may: bool) -> None:
    async def work(gateway: LocalGateway, ledger: SqliteLedger, upstream: Upstream) -> None:
        asked = msgspec.structs.replace(chat(NAME), data_class=data_class)
        if may:
            assert (await gateway.generate(asked, WARD)).status == "answered"
        else:
            with pytest.raises(ForbiddenError):
                await gateway.generate(asked, WARD)
            assert upstream.seen == []

    with_upstream(tmp_path, work)


@pytest.mark.usefixtures("detector")
def test_what_cannot_be_hidden_goes_to_the_next_tier_and_not_out(tmp_path: Path) -> None:
    local = '\n[[tiers]]\nname = "here"\nengine = "fake"\noptions = {{answer = "from here"}}\n'

    async def work(gateway: LocalGateway, ledger: SqliteLedger, upstream: Upstream) -> None:
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
        reply = await gateway.generate(chat({"role": "user", "content": [image]}), WARD)
        assert [(a.rung, a.accepted) for a in reply.attempts] == [("cloud", False), ("here", True)]
        assert "image_url cannot be pseudonymised" in reply.attempts[0].reason
        assert upstream.seen == []

    toml = TIER + 'fallback = ["here"]\n' + local + '\n[gateway]\nuncertified_tier = "cloud"\n'
    with_upstream(tmp_path, work, toml=toml)


def test_without_a_detector_nothing_starts_and_nothing_leaves(tmp_path: Path) -> None:
    pseudonyms._shared.cache_clear()

    async def work(gateway: LocalGateway, ledger: SqliteLedger, upstream: Upstream) -> None:
        pytest.fail("the gateway started")

    with pytest.raises(NotFoundError, match="minilm"):  # the encoder that the tagger stands on is not installed
        with_upstream(tmp_path, work)


@pytest.mark.usefixtures("detector")
def test_a_pseudonymised_tier_is_another_model(tmp_path: Path) -> None:
    plain = serving_tiers(settings(tmp_path, TIER.format(port=9).replace("pseudonymise = true\n", "")))
    hidden = serving_tiers(settings(tmp_path, TIER.format(port=9)))
    kept = serving_tiers(settings(tmp_path, TIER.format(port=9) + 'pseudonyms = {keep = ["email"]}\n'))
    assert len({plain["tier.cloud"], hidden["tier.cloud"], kept["tier.cloud"]}) == 3


def test_the_detector_of_a_home(home: Path, tmp_path: Path) -> None:
    """The real one: patterns, validated numbers, and the tagger of names over the encoder."""
    pseudonyms._shared.cache_clear()

    async def work(gateway: LocalGateway, ledger: SqliteLedger, upstream: Upstream) -> None:
        asked = "Please write to Angela Merkel, angela@example.org, card 4111 1111 1111 1111, in Berlin."
        reply = await gateway.generate(chat(asked), WARD)
        assert reply.completion is not None
        assert reply.completion.text == asked
        sent = upstream.seen[0].raw.decode()
        assert not any(value in sent for value in ("Merkel", "angela@", "4111"))
        assert {"email", "payment_card", "person"} <= reply.completion.replaced.keys()

    (tmp_path / "home").symlink_to(home) if not (tmp_path / "home").exists() else None
    with_upstream(tmp_path, work)


def test_how_without_whether_is_a_slip(tmp_path: Path) -> None:
    toml = TIER.format(port=9).replace("pseudonymise = true", 'pseudonyms = {keep = ["place"]}')
    with pytest.raises(ConfigError, match="pseudonymise is not"):
        settings(tmp_path, toml)

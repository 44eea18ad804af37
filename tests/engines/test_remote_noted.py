"""A connection of a remote tier is noted before anything is sent, with the decision it was opened for."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from upstream import ask, serving, whole

from rightsized.core.egress import DECISION, Egress, read_journal
from rightsized.core.errors import EgressDeniedError
from rightsized.core.tiers import TierConfig
from rightsized.engines.remote import RemoteGenerator
from rightsized.engines.remote.connect import Address
from rightsized.engines.remote.settings import read_settings


async def here(host: str, port: int) -> list[Address]:
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]


async def asked(home: Path, times: int) -> None:
    async with serving(whole()) as server:
        tier = TierConfig("cloud", url=f"http://models.example:{server.port}/v1", model="m", retries=0)
        egress = Egress.at(home, ["models.example"])
        generator = RemoteGenerator(read_settings(tier), egress, resolver=here)
        await generator.start()
        for number in range(times):
            DECISION.set(f"d-{number}")
            await generator.generate(ask())
        await generator.close()


def test_one_line_a_connection_with_the_decision_that_opened_it(tmp_path: Path) -> None:
    asyncio.run(asked(tmp_path, 3))
    lines = read_journal(tmp_path / "egress.jsonl")
    assert {(one.kind, one.destination, one.purpose) for one in lines} == {
        ("opened", "models.example", "The tier 'cloud'")
    }
    assert lines[0].decision == "d-0"


def test_where_it_cannot_be_noted_nothing_is_sent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EgressDeniedError, match="cannot be written"):
        asyncio.run(asked(tmp_path / "file", 1))

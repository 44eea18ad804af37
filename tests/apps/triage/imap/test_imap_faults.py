"""What networks and servers do to a mailbox: each message is had once and unchanged, and none is marked unrecorded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest

from benchmarks.fault_proxy import Fault, FaultProxy, Kind, proxied
from rightsized.apps.triage.imap import reader, wire
from rightsized.apps.triage.imap.reader import PART
from rightsized.core.errors import DownloadError
from tests.apps.triage.imap.mailboxes import Mailbox, Memory, message, run
from tests.apps.triage.imap.scripted import BODY, HEAD, Scripted, scripted

pytestmark = pytest.mark.needs_imap
SENT = [message(1), message(2, 30_000), message(3, 2 * PART + 5), message(4), message(5)]


@pytest.fixture
def proxy(mailbox: Mailbox) -> Iterator[FaultProxy]:
    with proxied("127.0.0.1", mailbox.server.plain) as started:
        yield started


async def check(mailbox: Mailbox, proxy: FaultProxy, **options: object) -> Memory:
    """All that was sent comes through the proxy, in order, once, and is marked."""
    memory = Memory()
    source = mailbox.open(memory, mailbox.address(port=proxy.port), seen=True, **options)
    found = await run(source, memory)
    assert [one.data for one in found] == SENT
    assert len(memory.handed) == len(set(memory.handed))
    return memory


@pytest.mark.parametrize("kind", ["cut", "reset", "garbage", "bye", "hang"])
async def test_a_connection_that_breaks(mailbox: Mailbox, proxy: FaultProxy, kind: Kind) -> None:
    """While it is greeted, opens the folder, has a literal half, and has a large message half."""
    mailbox.put(*SENT)
    places = ((b"", 0), (b"SELECT", 3), (b"BODY.PEEK", 20), (b"BODY.PEEK", 20_000), (b"BODY.PEEK", PART + 40_000))
    proxy.faults.extend(Fault(kind, when, after) for when, after in places)
    await check(mailbox, proxy, timeout_s=0.5 if kind in ("hang", "garbage") else 20.0)
    assert proxy.connections >= len(places)
    assert all(one == {"\\Seen"} for one in mailbox.flags().values())


async def test_a_slow_server_is_waited_for_and_one_that_stalls_is_not(
    mailbox: Mailbox, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox.put(message(1))
    proxy.faults.append(Fault("drip", b"EXAMINE"))  # byte by byte, never silent for long
    memory = Memory()
    assert len(await run(mailbox.open(memory, mailbox.address(port=proxy.port)), memory)) == 1
    assert proxy.connections == 1
    monkeypatch.setattr(wire, "COMMAND_S", 0.2)  # and a whole answer has its time too
    proxy.faults.append(Fault("drip", b"EXAMINE"))
    again = Memory()
    assert len(await run(mailbox.open(again, mailbox.address(port=proxy.port)), again)) == 1
    assert proxy.connections == 3


async def test_a_large_message_goes_on_where_it_broke_off(mailbox: Mailbox, proxy: FaultProxy) -> None:
    large = message("large", 8 * PART)
    mailbox.put(large)
    step = PART + PART // 2  # each connection brings one part, and dies in the second
    proxy.faults.extend(Fault("reset", b"BODY.PEEK", step) for _ in range(7))
    memory = Memory()
    found = await run(mailbox.open(memory, mailbox.address(port=proxy.port)), memory)
    assert [one.data for one in found] == [large]
    assert proxy.connections == 8, "eight parts and a bit: one more a connection"


async def test_many_breaks_at_random(mailbox: Mailbox, proxy: FaultProxy) -> None:
    chance = random.Random(6)
    kinds: list[Kind] = ["cut", "reset", "garbage", "bye", "refuse", "hang"]
    places = [b"AUTHENTICATE", b"SELECT", b"SEARCH", b"RFC822.SIZE", b"BODY.PEEK", b"STORE", b"IDLE", b"DONE"]
    for _ in range(16):
        proxy.faults.append(Fault(chance.choice(kinds), chance.choice(places), chance.choice([0, 1, 10, 100, 400])))
    memory, sent = Memory(), []
    source = mailbox.open(memory, mailbox.address(port=proxy.port), seen=True, timeout_s=0.3, idle_s=0.2, retry_s=0.001)
    waiting = asyncio.ensure_future(run(source, memory, wait=True))
    while proxy.faults or len(memory.arrived) < len(sent):
        if proxy.faults:
            sent.append(message(len(sent), chance.choice([0, 500, 20_000])))
            await asyncio.to_thread(mailbox.put, sent[-1])
        await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert sorted(one.data for one in memory.arrived.values()) == sorted(sent)
    assert len(memory.handed) == len(sent)
    assert set(mailbox.flags()) == set(range(1, len(sent) + 1))


async def test_a_drop_while_it_waits(mailbox: Mailbox, proxy: FaultProxy) -> None:
    """The news of a message is cut off; the next connection has the message."""
    proxy.faults.extend([Fault("cut", b"IDLE", 12), Fault("reset", b"IDLE", 12), Fault("bye", b"IDLE", 12)])
    memory = Memory()
    source = mailbox.open(memory, mailbox.address(port=proxy.port))
    arrivals = source.arrivals(wait=True)
    for number in range(4):
        following = asyncio.ensure_future(anext(arrivals))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(mailbox.put, message(number))
        one = await asyncio.wait_for(following, 20)
        assert one.data == message(number)
        await source.recorded(one)
    await source.close()
    assert proxy.connections == 4


async def test_the_same_message_twice_is_two_places(mailbox: Mailbox) -> None:
    """Which of them is read is the store's to say, by the Message-ID."""
    mailbox.put(message(1), message(1))
    memory = Memory()
    found = await run(mailbox.open(memory), memory)
    assert [one.data for one in found] == [message(1)] * 2
    assert len(memory.arrived) == 2


async def test_a_server_that_never_answers_is_told_after_five_tries(mailbox: Mailbox, proxy: FaultProxy) -> None:
    proxy.faults.extend(Fault("refuse") for _ in range(9))
    memory = Memory()
    with pytest.raises(DownloadError, match="5 times in a row"):
        await run(mailbox.open(memory, mailbox.address(port=proxy.port)), memory)
    assert proxy.connections == 5


async def taken(server: Scripted, monkeypatch: pytest.MonkeyPatch, **options: object) -> list[tuple[str, bytes, str]]:
    monkeypatch.setenv("MAIL_PASSWORD", "x")
    memory = Memory()
    mailbox = Mailbox(None, "anna")  # type: ignore[arg-type]  # it is not asked
    source = mailbox.open(memory, mailbox.address(port=server.port), **options)  # type: ignore[arg-type]
    found = await run(source, memory)
    return [(one.place, one.data, one.error) for one in found]


WHOLE = [("7/1", b"hello", ""), ("7/2", b"hello", "")]


async def test_answers_that_are_allowed_and_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    quoted = b'* 1 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH (BODY[]<0> "hello" UID 2)\r\n* 9 EXISTS\r\n' + BODY % 1
    whole = b"* 1 FETCH (UID 1 BODY[] {5}\r\nhello)\r\n" + BODY % 2  # a server that knows no parts
    for answer in (quoted, whole):
        with scripted(**{"FETCH_1_2_(BODY": [answer + b"TAG OK done\r\n"]}) as server:
            assert await taken(server, monkeypatch) == WHOLE


@pytest.mark.parametrize(
    "answer",
    [
        b"* 1 FETCH (UID 1 BODY[]<0> {99999999999}\r\n",  # a literal that nothing holds
        b"* 1 FETCH (UID 1 BODY[]<0> {5}\r\nhello\r\n* 1 FETCH (\r\nTAG OK done\r\n",
        b"* 1 FETCH (UID x BODY[]<0> {5}\r\nhello)\r\nTAG OK done\r\n",
        b"* 1 FETCH ((((((((((((\r\nTAG OK done\r\n",
        b"* FETCH\r\nTAG OK done\r\n",
        b"nonsense\r\n",
        b"OTHER OK done\r\n",
        b"* BYE overloaded\r\nDROP",
        b"x" * 300_000 + b"DROP",
        b"\x00\xff\x00\r\n",
    ],
)
async def test_answers_that_are_none(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    """Once, and the next connection has it; memory is not what a server can ask for."""
    monkeypatch.setattr(wire, "MOST_LINE", 100_000)
    good = BODY % 1 + BODY % 2 + b"TAG OK done\r\n"
    with scripted(**{"FETCH_1_2_(BODY": [answer, good]}) as server:
        assert await taken(server, monkeypatch) == WHOLE


async def test_a_message_that_is_refused_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    no = b"TAG NO [SERVERBUG] cannot read it\r\n"
    head = b"* 1 FETCH (UID 1 BODY[HEADER]<0> {14}\r\nMessage-ID: <a)\r\nTAG OK done\r\n"
    with scripted(**{"FETCH_1_2_(BODY": [no], "FETCH_1_(BODY": [no, no, no, head]}) as server:
        found = await taken(server, monkeypatch)
    assert found[0] == WHOLE[1]
    assert found[1] == ("7/1", b"Message-ID: <a", found[1][2])
    assert "does not hand it over" in found[1][2]
    assert "cannot read it" in found[1][2]


async def test_a_message_whose_size_is_refused_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    no = b"TAG NO [SERVERBUG] its index is broken\r\n"
    head = HEAD % 2 + b"TAG OK done\r\n"
    with scripted(**{"RFC822.SIZE": [no, no, head], "FETCH_1_(BODY": [no]}) as server:
        found = await taken(server, monkeypatch)
    assert found[0] == WHOLE[1]
    assert found[1][:2] == ("7/1", b"")
    assert "its index is broken" in found[1][2]


async def test_a_search_that_is_refused_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    no, found = b"TAG NO [UNAVAILABLE] later\r\n", b"* SEARCH 1 2\r\nTAG OK done\r\n"
    with scripted(**{"UID_1:*": [no, b"TAG BAD what\r\n", found]}) as server:
        assert await taken(server, monkeypatch) == WHOLE


async def test_a_message_that_kills_the_connection_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    drop = b"* 1 FETCH (UID 1 BODY[]<0> {5}\r\nheDROP"
    with scripted(**{"FETCH_1_2_(BODY": [drop], "FETCH_1_(BODY": [drop]}) as server:
        found = await taken(server, monkeypatch)
    assert found[0] == WHOLE[1]
    assert found[1][:2] == ("7/1", b"")
    assert "does not hand it over" in found[1][2]


async def test_an_outage_turns_no_message_into_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing at all comes through, no single message is to blame."""
    drop = [b"DROP"] * 8
    monkeypatch.setattr(reader, "ATTEMPTS", 50)
    good = {
        "FETCH_1_(BODY": [*drop, BODY % 1 + b"TAG OK done\r\n"],
        "FETCH_2_(BODY": [*drop, BODY % 2 + b"TAG OK done\r\n"],
    }
    with scripted(**{"FETCH_1_2_(BODY": [b"DROP"], **good}) as server:
        assert sorted(await taken(server, monkeypatch, retry_s=1e-6)) == WHOLE


async def test_news_that_came_before_anybody_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """EXISTS in the answer to a search, and before the continuation of IDLE: both are heard (RFC 3501, section 7)."""
    answers = {
        "CAPABILITY": [b"* CAPABILITY IMAP4rev1 IDLE\r\nTAG OK done\r\n"],
        "UID_1:*": [b"* SEARCH\r\n* 1 EXISTS\r\nTAG OK done\r\n", b"* SEARCH 1\r\nTAG OK done\r\n"],
        "RFC822.SIZE": [HEAD % 1 + b"TAG OK done\r\n", HEAD % 2 + b"TAG OK done\r\n"],
    }
    with scripted(**answers) as server:
        nothing = b"* SEARCH\r\nTAG OK done\r\n"
        server.answers = {
            b"UID 2:*": [nothing, b"* SEARCH 2\r\nTAG OK done\r\n"],
            b"IDLE": [b"* 2 EXISTS\r\n+ idling\r\n"],
            **server.answers,
        }
        monkeypatch.setenv("MAIL_PASSWORD", "x")
        memory, mailbox = Memory(), Mailbox(None, "anna")  # type: ignore[arg-type]  # it is not asked
        source = mailbox.open(memory, mailbox.address(port=server.port), idle_s=500.0)
        found = await asyncio.wait_for(run(source, memory, wait=True, most=2), 20)
    assert [one.place for one in found] == ["7/1", "7/2"]
    assert server.heard.count(b"IDLE") == 1

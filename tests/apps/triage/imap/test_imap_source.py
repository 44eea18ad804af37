"""Mailboxes as a source, against a real server."""

from __future__ import annotations

import asyncio
import imaplib
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from benchmarks import dovecot
from benchmarks.dovecot import BARE, PASSWORD
from rightsized.apps.triage.imap.reader import PART
from rightsized.apps.triage.inbox import Context, open_source
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, DownloadError, EgressDeniedError
from tests.apps.triage.imap.mailboxes import QUICK, Mailbox, Memory, message, recorded, run

pytestmark = pytest.mark.needs_imap


async def test_messages_come_in_order_and_unchanged(mailbox: Mailbox) -> None:
    odd = [
        b"Subject: no end of line",
        b"Message-ID: <lit@x>\r\n\r\n{5}\r\nabc) * 1 FETCH (UID 9 BODY[] {3}\r\n\r\nA1 OK done\r\n",
        b"Subject: \xff\xfe raw bytes\r\n\r\n" + bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"\r\n"),
        b"\r\n",
        b'"',
        b'Subject: \\ " ( ) {3} NIL\r\n\r\n',
    ]
    sent = [message(1), *odd, message(2, 40_000), message(3, PART), message(4, 3 * PART + 17), message(5)]
    before = time.time()
    mailbox.put(*sent)
    memory = Memory()
    found = await run(mailbox.open(memory), memory)
    assert [one.data for one in found] == sent
    assert all(before - 2 <= one.received <= time.time() + 2 and not one.error for one in found)
    assert all(one == set() for one in mailbox.flags().values()), "nothing is marked unless asked for"


async def test_the_next_start_goes_on_where_the_last_ended(mailbox: Mailbox) -> None:
    mailbox.put(*(message(number) for number in range(5)))
    memory = Memory()
    await run(mailbox.open(memory), memory, most=3)
    await run(mailbox.open(memory), memory)
    mailbox.put(message(5))
    await run(mailbox.open(memory), memory)
    await run(mailbox.open(memory), memory)
    assert len(memory.handed) == len(set(memory.handed)) == 6
    assert [name.decode() for name in memory.names] == [f"Message-ID: <{n}@shop.example>" for n in range(6)]


async def test_what_was_not_recorded_comes_again(mailbox: Mailbox) -> None:
    mailbox.put(*(message(number) for number in range(4)))
    memory = Memory()
    source = mailbox.open(memory, seen=True)
    first = [one async for one in source.arrivals(wait=False)]
    for one in (first[1], first[3]):  # out of order; the others never
        memory.arrived[one.place] = one
        await source.recorded(one)
        await source.recorded(one)
    again = [one.place async for one in source.arrivals(wait=False)]
    assert again == [first[0].place, first[2].place]
    await source.close()
    assert [sorted(one) for one in mailbox.flags().values()] == [[], ["\\Seen"], [], ["\\Seen"]]
    rest = await run(mailbox.open(memory, seen=True), memory)
    assert [one.place for one in rest] == again
    assert all(one == {"\\Seen"} for one in mailbox.flags().values())


async def test_a_mark_that_was_lost_is_made_up_for(mailbox: Mailbox) -> None:
    """The process was killed between the record and the mark."""
    mailbox.put(message(1), message(2))
    memory = Memory()
    source = mailbox.open(memory, seen=True, keyword="Rightsized")
    async for one in source.arrivals(wait=False):
        memory.arrived[one.place] = one  # recorded, and nobody could say so
    await source.close()
    assert all(one == set() for one in mailbox.flags().values())
    assert await run(mailbox.open(memory, seen=True, keyword="Rightsized"), memory) == []
    assert all(one == {"\\Seen", "Rightsized"} for one in mailbox.flags().values())


@pytest.mark.parametrize("host", ["127.0.0.1", BARE])
async def test_new_messages_come_while_it_waits(mailbox: Mailbox, host: str) -> None:
    memory = Memory()
    source = mailbox.open(memory, mailbox.address(host=host), seen=True)
    waiting = asyncio.ensure_future(run(source, memory, wait=True, most=4))
    for number in range(4):
        await asyncio.sleep(0.1 * number)
        await asyncio.to_thread(mailbox.put, message(number))
    found = await asyncio.wait_for(waiting, 60)
    assert [one.data for one in found] == [message(number) for number in range(4)]
    assert all(one == {"\\Seen"} for one in mailbox.flags().values())


async def test_waiting_is_begun_anew_in_time(mailbox: Mailbox) -> None:
    memory = Memory()
    source = mailbox.open(memory, idle_s=0.05)
    waiting = asyncio.ensure_future(run(source, memory, wait=True, most=1))
    await asyncio.sleep(0.4)
    await asyncio.to_thread(mailbox.put, message(1))
    assert len(await asyncio.wait_for(waiting, 60)) == 1


async def test_an_empty_mailbox_and_one_that_is_emptied(mailbox: Mailbox) -> None:
    memory = Memory()
    assert await run(mailbox.open(memory), memory) == []
    mailbox.put(*(message(number, 60_000) for number in range(40)))
    source = mailbox.open(memory)
    with mailbox.server.client(mailbox.user) as client:
        client.select("INBOX")
        async for one in recorded(source, memory):
            if one.place.endswith("/1"):  # the rest of what was found goes while it is fetched
                client.store("5:40", "+FLAGS", "\\Deleted")
                client.expunge()
    await source.close()
    assert {1, 2, 3, 4} <= {int(place.split("/")[1]) for place in memory.handed}
    assert len(memory.handed) < 40
    mailbox.put(message("new"))
    assert [one.data for one in await run(mailbox.open(memory), memory)] == [message("new")]


async def test_deleted_and_older_messages_are_passed_by(mailbox: Mailbox) -> None:
    mailbox.put(message("gone"), flags="\\Deleted")
    mailbox.put(message("old"))
    with mailbox.server.client(mailbox.user) as client:
        client.append("INBOX", "", imaplib.Time2Internaldate(time.time() - 40 * 86400), message("older"))
    memory = Memory()
    found = await run(
        mailbox.open(memory, since=time.strftime("%Y-%m-%d", time.gmtime(time.time() - 5 * 86400))), memory
    )
    assert [one.data for one in found] == [message("old")]


async def test_other_numbers_begin_anew(mailbox: Mailbox) -> None:
    """A folder that was made again has another UIDVALIDITY: places of before say nothing about it."""
    with mailbox.server.client(mailbox.user) as client:
        client.create("Work")
        mailbox.put(message(1), message(2), folder="Work")
        memory = Memory()
        first = await run(mailbox.open(memory, mailbox.address(folder="Work")), memory)
        client.delete("Work")
        await asyncio.sleep(1.1)  # the server numbers folders by the second
        client.create("Work")
    mailbox.put(message(3), message(1), folder="Work")
    source = mailbox.open(memory, mailbox.address(folder="Work"))
    again = [one async for one in recorded(source, memory)]
    await source.recorded(first[0])  # of the old numbers
    await source.close()
    assert [one.data for one in again] == [message(3), message(1)]
    assert not {one.place for one in first} & {one.place for one in again}


async def test_folders_of_any_name(mailbox: Mailbox) -> None:
    with mailbox.server.client(mailbox.user) as client:
        for name in ("Gr&APwA3w-e", "Team.&ZeVnLIqe-", '"A &- B"'):
            assert client.create(name)[0] == "OK"
            client.append(name, "", "", message(name))
    for folder in (
        "Gr%C3%BC%C3%9Fe",
        "Team/%E6%97%A5%E6%9C%AC%E8%AA%9E",
        "Team.%E6%97%A5%E6%9C%AC%E8%AA%9E",
        "A%20%26%20B",
    ):
        memory = Memory()
        assert len(await run(mailbox.open(memory, mailbox.address(folder=folder)), memory)) == 1
    with pytest.raises(ConfigError, match="Grüsse") as raised:
        await run(mailbox.open(Memory(), mailbox.address(folder="Gr%C3%BCsse")), Memory())
    assert "Did you mean Grüße?" in raised.value.fix


async def test_large_messages_wait_for_a_person_with_their_header(mailbox: Mailbox) -> None:
    mailbox.put(message(1), message("large", 3 * PART), message(2))
    memory = Memory()
    found = await run(mailbox.open(memory, most=PART), memory)
    assert [bool(one.error) for one in found] == [False, True, False]
    large = found[1]
    assert large.data == b"Message-ID: <large@shop.example>\r\nSubject: order large\r\n\r\n"
    assert f"messages of up to {PART:,}" in large.error
    assert await run(mailbox.open(memory, most=PART), memory) == []


async def test_a_large_message_is_held_once(mailbox: Mailbox) -> None:
    """While it is fetched in parts, and when it is handed over."""
    size = 24 * PART
    mailbox.put(message("large", size))
    memory = Memory()
    source = mailbox.open(memory, timeout_s=60.0)
    arrivals = source.arrivals(wait=False)
    tracemalloc.start()
    try:
        one = await anext(arrivals)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(one.data) > size
    assert size < peak < 1.3 * size
    await source.close()


async def test_over_tls_and_with_tokens(mailbox: Mailbox, tmp_path: Path) -> None:
    server, user = mailbox.server, mailbox.user
    mailbox.put(message(1))
    token = tmp_path / "token"
    token.write_text(dovecot.token(user) + "\n", "utf-8")
    script = f"import sys; print(open({str(token)!r}).read(), end='')"
    tls = {"ca": str(server.ca)}
    ways = [
        (f"imaps://{user}@localhost:{server.tls}", {"password_env": "MAIL_PASSWORD", **tls}),
        (f"imap://{user}@localhost:{server.plain}", {"password_env": "MAIL_PASSWORD", "starttls": True, **tls}),
        (f"imaps://{user}@localhost:{server.tls}", {"token_file": str(token), "mechanism": "xoauth2", **tls}),
        (f"imaps://{user}@localhost:{server.tls}", {"token_file": str(token), **tls}),
        (
            f"imap://{user}@127.0.0.1:{server.plain}",
            {"token_command": [sys.executable, "-c", script], "token_host": "localhost"},
        ),
    ]
    for address, options in ways:
        memory = Memory()
        source = open_source(address, options, memory.context())
        assert [one.data for one in await run(source, memory)] == [message(1)], options


async def test_a_token_that_is_refused_is_fetched_again(mailbox: Mailbox, tmp_path: Path) -> None:
    mailbox.put(message(1))
    token, memory = tmp_path / "token", Memory()
    token.write_text(dovecot.token(mailbox.user, seconds=-60), "utf-8")
    options = {"token_file": str(token), "retry_s": 0.01}
    with pytest.raises(ConfigError, match="does not let"):
        await run(open_source(mailbox.address(), options, memory.context()), memory)
    source = open_source(mailbox.address(), options, memory.context())
    with pytest.raises(ConfigError):
        await anext(source.arrivals(wait=False))
    token.write_text(dovecot.token(mailbox.user), "utf-8")  # whoever keeps it fresh has been here
    assert len(await run(source, memory)) == 1


async def test_who_may_not_in_is_told_why(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    server, memory = mailbox.server, Memory()
    with pytest.raises(ConfigError, match="is not trusted"):
        await run(mailbox.open(memory, f"imaps://{mailbox.user}@localhost:{server.tls}"), memory)
    with pytest.raises(ConfigError, match="is not trusted"):  # another name than the certificate's
        await run(mailbox.open(memory, f"imaps://{mailbox.user}@127.0.0.1:{server.tls}", ca=str(server.ca)), memory)
    monkeypatch.setenv("MAIL_PASSWORD", "wrong")
    with pytest.raises(ConfigError, match=r"does not let .* in: .*AUTHENTICATIONFAILED"):
        await run(mailbox.open(memory), memory)
    assert PASSWORD not in str(memory.cursors)


async def test_nothing_is_connected_that_no_rule_allows() -> None:
    memory = Memory()
    refused = open_source("imaps://anna@mail.example/INBOX", {"password_env": "HOME"}, memory.context())
    with pytest.raises(EgressDeniedError, match=r"'mail\.example'"):
        await run(refused, memory)
    with pytest.raises(ConfigError, match="nothing may be connected"):
        open_source("imaps://anna@mail.example", {"password_env": "HOME"}, Context())
    allowed = Context(egress=Egress(frozenset({"nowhere.invalid"})))
    with pytest.raises(DownloadError, match="5 times in a row"):
        await run(open_source("imap://a@nowhere.invalid", {"password_env": "HOME", "retry_s": 0.001}, allowed), memory)


@pytest.mark.parametrize(
    ("address", "options", "said"),
    [
        ("imaps://anna:secret@mail.example/INBOX", {}, "holds a password"),
        ("imaps://mail.example/INBOX", {}, "names no mailbox"),
        ("imaps://anna@mail.example:x/INBOX", {}, "no usable port"),
        ("imaps://anna@mail.example/INBOX?a=b", {}, "names no mailbox"),
        ("imap://anna@mail.example", {"starttls": False}, "plain text"),
        ("imaps://anna@mail.example", {"starttls": True}, "TLS from the start"),
        ("imaps://anna@mail.example", {"password_env": ""}, "given nothing"),
        ("imaps://anna@mail.example", {"password_file": "x"}, "password_env and password_file"),
        ("imaps://anna@mail.example", {"password_env": "", "token_command": ["x"]}, "without token_host"),
        ("imaps://anna@mail.example", {"pasword_env": "x"}, "Unknown key"),
        ("imaps://anna@mail.example", {"idle_s": 1800}, "idle_s"),
        ("imaps://anna@mail.example", {"since": "yesterday"}, "no day"),
        ("imaps://anna@mail.example", {"keyword": "two words"}, "cannot be a keyword"),
        ("imaps://anna@mail.example", {"ca": "/nonexistent"}, "cannot be used"),
    ],
)
def test_settings_that_cannot_be_used(address: str, options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        open_source(address, {"password_env": "MAIL_PASSWORD", **options}, Memory().context())
    assert "secret" not in str(raised.value)


async def test_secrets_that_are_not_there(mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAIL_PASSWORD")
    (tmp_path / "two").write_text("one\ntwo\n", "utf-8")
    for options, said in (
        ({"password_env": "MAIL_PASSWORD"}, "is not set"),
        ({"password_file": str(tmp_path / "none")}, "cannot be read"),
        ({"password_file": str(tmp_path / "two")}, "no secret"),
        ({"token_command": ["false"], "token_host": "localhost"}, "ended with status 1"),
        ({"token_command": ["/nonexistent"], "token_host": "localhost"}, "cannot be run"),
    ):
        source = open_source(mailbox.address(), options, Memory().context())
        with pytest.raises(ConfigError, match=said):
            await run(source, Memory())
    denied = {"token_command": ["true"], "token_host": "login.example"}
    with pytest.raises(EgressDeniedError, match="login"):
        await run(open_source(mailbox.address(), denied, Memory().context()), Memory())


async def test_it_ends_at_once_when_nobody_listens(mailbox: Mailbox) -> None:
    memory = Memory()
    source = mailbox.open(memory, **{**QUICK, "timeout_s": 60.0})
    waiting = asyncio.ensure_future(anext(source.arrivals(wait=True)))
    await asyncio.sleep(0.2)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(5):
        await source.close()
        await source.close()

"""Labels and moves in a mailbox, against a real server and one that knows neither MOVE nor UIDPLUS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from benchmarks.dovecot import BARE
from benchmarks.fault_proxy import Fault, Kind, proxied
from rightsized.apps.triage.handling import failed
from rightsized.apps.triage.imap.desk import ImapDesk, keyword, open_desk
from rightsized.apps.triage.mail import read_mail
from rightsized.apps.triage.records import Action, Address, Handled, Mail
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, InputError, UpstreamError
from tests.apps.triage.imap.mailboxes import Mailbox, message
from tests.apps.triage.imap.scripted import scripted

pytestmark = pytest.mark.needs_imap
HANDLED = failed(Mail("m", "", "", Address("")), "maildir:/somewhere", "")


def desk(mailbox: Mailbox, host: str = "127.0.0.1", port: int = 0, **options: Any) -> ImapDesk:
    address = mailbox.address(host=host, port=port)
    return open_desk({"address": address, "password_env": "MAIL_PASSWORD", "timeout_s": 20.0, **options}, Egress())


@contextmanager
def folders(mailbox: Mailbox, *names: str) -> Iterator[None]:
    with mailbox.server.client(mailbox.user) as client:
        for name in names:
            client.create(f'"{name}"')
    yield


def names_in(mailbox: Mailbox, folder: str) -> list[bytes]:
    """The first line of every message of a folder that is not marked as deleted."""
    with mailbox.server.client(mailbox.user) as client:
        client.select(f'"{folder}"', readonly=True)
        _, found = client.search(None, "UNDELETED")
        numbers = found[0].split()
        return [client.fetch(one, "(BODY.PEEK[])")[1][0][1].split(b"\r\n")[0] for one in numbers]


async def act(desk: ImapDesk, action: Action, mail: Mail, handled: Handled = HANDLED) -> Action:
    done = await desk.carry_out(action, mail, handled, "token")
    assert done.undo is not None
    return done.undo


@pytest.mark.parametrize("host", ["127.0.0.1", BARE])
async def test_a_label_is_set_once_and_taken_back(mailbox: Mailbox, host: str) -> None:
    mailbox.put(message(1), message(2))
    at, mail = desk(mailbox, host), read_mail(message(2))
    undo = await act(at, Action("label", "Rückgabe dringend"), mail)
    assert await act(at, Action("label", "Rückgabe dringend"), mail) == undo
    assert mailbox.flags() == {1: set(), 2: {"R&APw-ckgabe_dringend"}}
    assert await act(at, undo, mail) == Action("label", "Rückgabe dringend")
    await act(at, undo, mail)
    assert mailbox.flags() == {1: set(), 2: set()}
    await at.close()


@pytest.mark.parametrize("host", ["127.0.0.1", BARE])
async def test_a_move_is_made_once_and_taken_back(mailbox: Mailbox, host: str) -> None:
    mailbox.put(message(1), message(2))
    at, mail = desk(mailbox, host), read_mail(message(1))
    with folders(mailbox, "Team.Billing"):
        undo = await act(at, Action("move", "Team/Billing"), mail)
        assert await act(at, Action("move", "Team/Billing"), mail) == undo == Action("move", "INBOX", "Team.Billing")
        assert names_in(mailbox, "Team.Billing") == [b"Message-ID: <1@shop.example>"]
        assert names_in(mailbox, "INBOX") == [b"Message-ID: <2@shop.example>"]
        await act(at, undo, mail)
        await act(at, undo, mail)
        assert names_in(mailbox, "Team.Billing") == []
        assert sorted(names_in(mailbox, "INBOX")) == [b"Message-ID: <1@shop.example>", b"Message-ID: <2@shop.example>"]
    await at.close()


async def test_a_move_that_broke_off_between_copy_and_delete_goes_on(mailbox: Mailbox) -> None:
    mailbox.put(message(1))
    with folders(mailbox, "Work"):
        mailbox.put(message(1), folder="Work")  # the copy was made
        at = desk(mailbox, BARE)
        await act(at, Action("move", "Work"), read_mail(message(1)))
        assert names_in(mailbox, "Work") == [b"Message-ID: <1@shop.example>"]
        assert names_in(mailbox, "INBOX") == []
        await at.close()


@pytest.mark.parametrize("kind", ["cut", "hang", "garbage"])
async def test_a_move_whose_answer_was_lost_is_not_made_twice(mailbox: Mailbox, kind: Kind) -> None:
    mailbox.put(message(1))
    with folders(mailbox, "Work"), proxied("127.0.0.1", mailbox.server.plain, Fault(kind, b"UID MOVE")) as proxy:
        at, mail = desk(mailbox, port=proxy.port, timeout_s=1.0), read_mail(message(1))
        with pytest.raises(UpstreamError) as raised:
            await act(at, Action("move", "Work"), mail)
        assert raised.value.retryable
        await at.close()
        again = desk(mailbox, port=proxy.port)
        await act(again, Action("move", "Work"), mail)
        assert names_in(mailbox, "Work") == [b"Message-ID: <1@shop.example>"]
        await again.close()


async def test_a_connection_that_died_meanwhile_is_opened_again(mailbox: Mailbox) -> None:
    mailbox.put(message(1))
    with proxied("127.0.0.1", mailbox.server.plain) as proxy:
        at, mail = desk(mailbox, port=proxy.port), read_mail(message(1))
        await act(at, Action("label", "one"), mail)
        proxy.drop()
        await act(at, Action("label", "two"), mail)
        assert proxy.connections == 2
        await at.close()
    assert mailbox.flags() == {1: {"one", "two"}}


async def test_only_the_message_that_is_meant(mailbox: Mailbox) -> None:
    """Its Message-ID is part of another's, and somebody sent another message under the same one."""
    forged = message(1).replace(b"order 1", b"order 9")
    longer = message(1).replace(b"<1@shop.example>", b"<11@shop.example>")
    bare = b"From: a@shop.example\r\nSubject: no id\r\n\r\nHello\r\n"
    mailbox.put(longer, forged, message(1), message(1), bare, bare.replace(b"Hello", b"Goodbye"))
    at = desk(mailbox)
    await act(at, Action("label", "meant"), read_mail(message(1)))
    assert [uid for uid, flags in mailbox.flags().items() if flags] == [3, 4]
    await act(at, Action("label", "bare"), read_mail(bare, received=time.time()))
    assert [uid for uid, flags in mailbox.flags().items() if "bare" in flags] == [5]
    await at.close()


async def test_a_message_is_looked_for_where_it_arrived(mailbox: Mailbox) -> None:
    mail = read_mail(message(1))
    with folders(mailbox, "Second box"):
        mailbox.put(message(1), folder='"Second box"')
        at = desk(mailbox)
        there = failed(mail, mailbox.address(folder="Second%20box"), "")
        assert await act(at, Action("move", "INBOX"), mail, there) == Action("move", "Second box", "INBOX")
        assert names_in(mailbox, "INBOX") == [b"Message-ID: <1@shop.example>"]
    with pytest.raises(InputError, match="this desk is that of"):
        await act(at, Action("label", "x"), mail, failed(mail, "imaps://else@mail.example/INBOX", ""))
    await at.close()


async def test_a_label_follows_a_message_that_was_moved(mailbox: Mailbox) -> None:
    mailbox.put(message(1), message(2))
    at, mail = desk(mailbox), read_mail(message(1))
    with folders(mailbox, "Work", "Zoo"):
        undo = await act(at, Action("label", "x"), mail)
        await act(at, Action("move", "Work"), mail)
        assert mailbox.flags("Work") == {1: {"x"}}
        await act(at, undo, mail)
        assert mailbox.flags("Work") == {1: set()}
    await at.close()


async def test_what_cannot_be_done_says_why(mailbox: Mailbox) -> None:
    mailbox.put(message(1))
    at, mail = desk(mailbox), read_mail(message(1))
    for action, said in (
        (Action("move", "Biling"), "no folder 'Biling'"),
        (Action("move", "INBOX"), "where the message is"),
        (Action("note", "x"), "cannot carry out note"),
        (Action("label", "  "), "cannot be a label"),
    ):
        with pytest.raises(InputError, match=said):
            await at.carry_out(action, mail, HANDLED, "token")
    with pytest.raises(InputError, match="somebody has moved or deleted it"):
        await act(at, Action("label", "x"), read_mail(message(9)))
    makes = desk(mailbox, create_folders=True)
    await act(makes, Action("move", "Team/New"), mail)
    assert names_in(mailbox, "Team.New") == [b"Message-ID: <1@shop.example>"]
    await at.close()
    await makes.close()
    with pytest.raises(ConfigError, match="names no mailbox"):
        open_desk({"password_env": "X"}, Egress())


async def test_labels_of_gmail_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As its documentation says: X-GM-EXT-1 among the capabilities, labels by X-GM-LABELS."""
    monkeypatch.setenv("MAIL_PASSWORD", "x")
    answers = {
        "CAPABILITY": [b"* CAPABILITY IMAP4rev1 X-GM-EXT-1 MOVE\r\nTAG OK done\r\n"],
        "UID_SEARCH_UID": [b"* SEARCH 5\r\nTAG OK done\r\n"],
    }
    said = b"Message-ID: <1@shop.example>\r\n\r\n"
    found = b"* 1 FETCH (UID 5 BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n%s)\r\nTAG OK done\r\n" % (len(said), said)
    with scripted(**answers) as server:
        server.answers |= {
            b"SELECT": [b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\nTAG OK done\r\n"],
            b"UID SEARCH UNDELETED": [b"* SEARCH 5\r\nTAG OK done\r\n"],
            b"HEADER.FIELDS": [found],
        }
        at = desk(Mailbox(None, "anna"), port=server.port)  # type: ignore[arg-type]  # it is not asked
        undo = await act(at, Action("label", "Rückgabe / neu"), read_mail(message(1)))
        await act(at, undo, read_mail(message(1)))
        await at.close()
    assert [line for line in server.heard if b"STORE" in line] == [
        b'UID STORE 5 +X-GM-LABELS.SILENT ("R&APw-ckgabe / neu")',
        b'UID STORE 5 -X-GM-LABELS.SILENT ("R&APw-ckgabe / neu")',
    ]


def test_labels_as_keywords() -> None:
    assert keyword("Billing") == "Billing"
    assert keyword('a "b" (c) {d} %*\\') == "a__b___c___d_____"
    assert keyword("日本") == "&ZeVnLA-"

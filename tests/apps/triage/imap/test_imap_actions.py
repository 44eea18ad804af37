"""From a mailbox to what rules do outside, all of it real: dovecot, an SMTP server, rules, journal, desks, and back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP, Envelope, Session

from benchmarks.triage_worker import NoTasks, handling
from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.running import run as handle
from rightsized.core.egress import Egress
from tests.apps.triage.imap.mailboxes import Mailbox

pytestmark = pytest.mark.needs_imap
SETTINGS = """
[[source]]
address = "{address}"
[source.options]
password_env = "MAIL_PASSWORD"
seen = true
[actions]
enabled = true
desks = ["imap", "smtp"]
[actions.options.smtp]
host = "127.0.0.1"
port = {port}
security = "plain"
sender = "support@shop.example"
allow = ["accounts.example"]
"""
RULES = """
[[rule]]
name = "invoices of suppliers"
when = {{ sender = "*@supplier.example" }}
then = {{ queue = "accounts", labels = ["Invoice"], move = "Suppliers", forward = "{target}" }}
"""
INVOICE = (
    b"From: Jo <jo@supplier.example>\r\nTo: support@shop.example\r\nMessage-ID: <invoice-7@supplier.example>\r\n"
    b"Date: Sat, 28 Nov 2026 10:00:00 +0000\r\nSubject: Invoice 7\r\n\r\nPlease pay 12.50 EUR.\r\n"
)
OTHER = INVOICE.replace(b"jo@supplier.example", b"ann@else.example").replace(b"<invoice-7@", b"<question-8@")


class Received(Sink):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[tuple[list[str], bytes]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        assert isinstance(envelope.content, bytes)
        self.messages.append((envelope.rcpt_tos, envelope.content))
        return "250 OK"


@pytest.fixture
def smtp() -> Iterator[tuple[Received, int]]:
    received = Received()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(received, hostname="127.0.0.1", port=port, server_hostname="localhost")
    controller.start()
    try:
        yield received, port
    finally:
        controller.stop()


async def test_labelled_forwarded_moved_and_taken_back(
    mailbox: Mailbox, tmp_path: Path, smtp: tuple[Received, int]
) -> None:
    received, port = smtp
    with mailbox.server.client(mailbox.user) as client:
        client.create("Suppliers")
    mailbox.put(INVOICE, OTHER, INVOICE)  # delivered twice
    (tmp_path / "inbox.toml").write_text(SETTINGS.format(address=mailbox.address(), port=port), "utf-8")
    (tmp_path / "rules.toml").write_text(RULES.format(target="bills@accounts.example"), "utf-8")
    inbox = Inbox("inbox", tmp_path, NoTasks())
    source = inbox.source(mailbox.address(), inbox.settings.sources[0].options, Egress(), dry_run=False)
    found = [one async for one in handle(source, handling(inbox), dry_run=False)]
    await source.close()
    assert [one.route.queue for one in found] == ["accounts", "inbox"]

    carrier = inbox.carrier(Egress())
    assert await carrier.round() == 3
    assert await carrier.round() == 0
    done = inbox.actions.all(key="invoice-7@supplier.example")
    assert {one.action.kind: one.state for one in done} == {"label": "done", "forward": "done", "move": "done"}
    assert mailbox.flags("Suppliers") == {1: {"\\Seen", "Invoice"}, 2: {"\\Seen", "Invoice"}}
    assert mailbox.flags() == {2: {"\\Seen"}}
    [(to, content)] = received.messages
    assert to == ["bills@accounts.example"]
    assert b"Subject: Fwd: Invoice 7" in content
    assert b"12.50 EUR" in content

    for one in reversed(done):
        if one.action.kind != "forward":
            inbox.actions.undo(one.token, "ann")
            await carrier.round()
    assert {one.state for one in inbox.actions.all(key="invoice-7@supplier.example")} == {"done", "undone"}
    assert mailbox.flags("Suppliers") == {}
    assert sorted(map(sorted, mailbox.flags().values())) == [["\\Seen"]] * 3
    await carrier.close()
    inbox.close()

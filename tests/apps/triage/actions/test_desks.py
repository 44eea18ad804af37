"""Web hooks and forwards: signed, known as repeats, never in a circle; and which systems an inbox's settings name."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from msgspec.structs import replace

from rightsized.apps.triage.actions.opening import open_desks
from rightsized.apps.triage.actions.secrets import read_secret
from rightsized.apps.triage.actions.signing import key_of, signed, verify
from rightsized.apps.triage.actions.smtp import MARK, SmtpDesk, open_smtp
from rightsized.apps.triage.actions.webhook import open_webhook
from rightsized.apps.triage.records import Action, Address, Attachment, Mail
from rightsized.apps.triage.settings import parse
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, EgressDeniedError, InputError, UnauthorizedError, UpstreamError
from tests.apps.triage.actions.standins import HookReceiver
from tests.apps.triage.triage_samples import a_handled, a_mail

# The example of the specification (standard-webhooks.md, "Signature scheme"): what a receiver elsewhere computes.
SPEC_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SPEC_BODY = b'{"test": 2432232314}'
SPEC = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
KEY = b"0123456789abcdef01234567"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
NOW = 1_796_000_000.0
FORWARD = Action("forward", "Boss@Partner.example")


class TestSigning:
    def test_the_published_example(self) -> None:
        key = key_of(SPEC_SECRET)
        assert signed(key, SPEC["webhook-id"], 1614265330, SPEC_BODY) == SPEC
        assert verify([key], SPEC, SPEC_BODY, 1614265330.0) == SPEC["webhook-id"]

    def test_one_of_several_keys_and_signatures(self) -> None:
        old, headers = b"o" * 24, signed(KEY, "m1", int(NOW), b"{}")
        both = {**headers, "webhook-signature": f"v1a,xx v1,AAAA {headers['webhook-signature']}"}
        assert verify([old, KEY], both, b"{}", NOW + 299) == "m1"

    @pytest.mark.parametrize(
        ("changes", "body", "now", "said"),
        [
            ({}, b"{ }", NOW, "not right"),
            ({"webhook-id": "m2"}, b"{}", NOW, "not right"),
            ({"webhook-timestamp": str(int(NOW) + 1)}, b"{}", NOW, "not right"),
            ({"webhook-signature": "v1,"}, b"{}", NOW, "not right"),
            ({"webhook-signature": ""}, b"{}", NOW, "not signed"),
            ({"webhook-timestamp": "soon"}, b"{}", NOW, "no whole number"),
            ({}, b"{}", NOW + 301, "301 seconds ago"),
            ({}, b"{}", NOW - 301, "-301 seconds ago"),
        ],
    )
    def test_what_is_refused(self, changes: dict[str, str], body: bytes, now: float, said: str) -> None:
        with pytest.raises(UnauthorizedError, match=said):
            verify([KEY], {**signed(KEY, "m1", int(NOW), b"{}"), **changes}, body, now)

    def test_secrets_that_are_none(self) -> None:
        for secret in ("whsec_!", "whsec_AAAA", ""):
            with pytest.raises(ConfigError):
                key_of(secret)


@pytest.fixture(scope="module")
def receiver() -> Iterator[HookReceiver]:
    with HookReceiver(KEY, time.time) as one:
        yield one


@pytest.fixture
def options(receiver: HookReceiver, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    receiver.status = 204
    return {"hooks": {"orders": {"url": f"{receiver.address}/in", "secret_env": "HOOK_SECRET"}}}


class TestWebhook:
    async def test_it_is_signed_and_a_repeat_is_known(self, receiver: HookReceiver, options: dict[str, Any]) -> None:
        system, action = open_webhook(options, Egress()), Action("webhook", "orders")
        assert system.takes(action) and not system.takes(FORWARD)
        done = await system.carry_out(action, a_mail(), a_handled(), "token-1")
        await system.carry_out(action, a_mail(), a_handled(), "token-1")
        assert done.undo is None
        assert (list(receiver.received), receiver.repeats) == (["token-1"], 1)
        sent = receiver.received["token-1"]
        assert sent["type"] == "triage.message.routed"
        assert sent["data"]["handled"]["key"] == "m1"
        assert "parcel is late" not in json.dumps(sent)  # the words of a message only where that is wanted
        options["hooks"]["orders"]["text"] = True
        await open_webhook(options, Egress()).carry_out(action, a_mail(), a_handled(), "token-2")
        assert receiver.received["token-2"]["data"]["text"] == "Parcel\n\nMy parcel is late."

    async def test_refusals(self, receiver: HookReceiver, options: dict[str, Any]) -> None:
        system, action = open_webhook(options, Egress()), Action("webhook", "orders")
        for status, kind in (
            (400, InputError),
            (410, InputError),
            (404, ConfigError),
            (500, UpstreamError),
            (429, UpstreamError),
        ):
            receiver.status = status
            with pytest.raises(kind):
                await system.carry_out(action, a_mail(), a_handled(), "t")
        with pytest.raises(InputError, match="Did you mean orders"):
            await system.carry_out(Action("webhook", "order"), a_mail(), a_handled(), "t")

    async def test_a_host_that_nothing_allows(self, options: dict[str, Any]) -> None:
        options["hooks"]["orders"]["url"] = "https://erp.example.com/in"
        with pytest.raises(EgressDeniedError):
            await open_webhook(options, Egress()).carry_out(Action("webhook", "orders"), a_mail(), a_handled(), "t")

    @pytest.mark.parametrize(
        "url", ["http://erp.example.com/in", "https://u:p@erp.example.com", "https://e.com/?key=1"]
    )
    def test_addresses_that_would_show_secrets(self, url: str) -> None:
        with pytest.raises(ConfigError):
            open_webhook({"hooks": {"orders": {"url": url, "secret_env": "X"}}}, Egress())


class Outbox:
    """An SMTP server's messages. Implements a handler of aiosmtpd."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], bytes]] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.answer.startswith("250"):
            self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return self.answer


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Outbox, int]]:
    outbox = Outbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(outbox, hostname="127.0.0.1", port=port, server_hostname="localhost")
    controller.start()
    yield outbox, port
    controller.stop()


@pytest.fixture
def outbox(server: tuple[Outbox, int]) -> Outbox:
    server[0].mails.clear()
    server[0].answer = "250 OK"
    return server[0]


@pytest.fixture
def system(server: tuple[Outbox, int], outbox: Outbox) -> SmtpDesk:
    given = {"host": "127.0.0.1", "port": server[1], "security": "plain", "sender": "help@shop.example"}
    return open_smtp({**given, "allow": ["partner.example", "ann@else.example"]}, Egress())


class TestForward:
    async def test_a_forward(self, system: SmtpDesk, outbox: Outbox) -> None:
        file = Attachment("bill.pdf", "application/pdf", 10, "")
        mail = a_mail(
            "a@x.example",
            "Grüße\n.\nEnd",
            message_id="a@x.example",
            subject="Re:\nBcc: eve@evil.example",
            attachments=(file,),
        )
        done = await system.carry_out(FORWARD, mail, a_handled(), "token1")
        await system.carry_out(FORWARD, mail, a_handled(), "token1")
        (first, second) = [message_from_bytes(body) for _, _, body in outbox.mails]
        assert outbox.mails[0][:2] == ("help@shop.example", ["boss@partner.example"])
        assert first["Message-ID"] == second["Message-ID"] == f"<{MARK}token1@shop.example>"
        assert (first["Auto-Submitted"], first["Reply-To"]) == ("auto-generated", "anna@example.com")
        assert (first["To"], first["Bcc"], first["References"]) == ("boss@partner.example", None, "<a@x.example>")
        text = first.get_payload(decode=True)
        assert isinstance(text, bytes)
        assert "Grüße\n.\nEnd" in text.decode().replace("\r\n", "\n")
        assert "Files that stayed behind: bill.pdf" in text.decode()
        assert done.undo is None

    @pytest.mark.parametrize(
        ("mail", "target", "said"),
        [
            (a_mail(), "eve@evil.example", "not among those"),
            (a_mail(), "eve@partner.example.evil.example", "not among those"),
            (a_mail(sender=Address("ann@else.example")), "ann@else.example", "sent the message"),
            (a_mail(reply_to=(Address("boss@partner.example"),)), "boss@partner.example", "sent the message"),
            (a_mail(to=(Address("boss@partner.example"),)), "Boss@partner.example", "make a loop"),
            (a_mail(message_id=f"{MARK}x@shop.example"), "boss@partner.example", "forwarded from here before"),
            (
                a_mail(automatic="auto-reply", references=(f"{MARK}x@shop.example",)),
                "boss@partner.example",
                "forwarded from here before",
            ),
            (a_mail(automatic="bounce"), "boss@partner.example", "bounces are not"),
        ],
    )
    async def test_it_never_goes_back_or_round(
        self, system: SmtpDesk, outbox: Outbox, mail: Mail, target: str, said: str
    ) -> None:
        with pytest.raises(InputError, match=said):
            await system.carry_out(Action("forward", target), mail, a_handled(), "t")
        assert outbox.mails == []

    async def test_what_the_server_says(self, system: SmtpDesk, outbox: Outbox) -> None:
        for answer, kind in (("550 no", InputError), ("451 later", UpstreamError), ("535 who", ConfigError)):
            outbox.answer = answer
            with pytest.raises(kind):
                await system.carry_out(FORWARD, a_mail(), a_handled(), "t")

    async def test_nobody_there(self, system: SmtpDesk) -> None:
        system._options = replace(system._options, port=1)
        with pytest.raises(UpstreamError, match="cannot be reached"):
            await system.carry_out(FORWARD, a_mail(), a_handled(), "t")

    def test_settings(self) -> None:
        with pytest.raises(ConfigError, match="plain text"):
            open_smtp({"host": "mx.example.com", "sender": "a@b.example", "allow": [], "security": "plain"}, Egress())
        with pytest.raises(ConfigError, match="is no address"):
            open_smtp({"host": "mx.example.com", "sender": "a", "allow": []}, Egress())
        with pytest.raises(ConfigError, match="has no allow"):
            open_smtp({"host": "mx.example.com", "sender": "a@b.example"}, Egress())


class TestSettings:
    def names(self, document: dict[str, Any]) -> list[str]:
        return [one.name for one in open_desks(parse(document, "inbox.toml"), Egress())]

    def test_a_source_that_is_a_desk_takes_its_own_actions(self) -> None:
        mailbox = {"address": "imaps://a@mail.example.com", "options": {"password_env": "P", "seen": True}}
        helpdesk = {"address": "zammad:https://desk.example.com", "options": {"token_env": "T", "poll_s": 5}}
        files = {"address": "maildir:/var/mail/x"}
        assert self.names({"source": [mailbox, helpdesk, files]}) == [
            "imaps://a@mail.example.com/INBOX",
            "zammad:https://desk.example.com",
            "here",
        ]
        smtp = {"host": "127.0.0.1", "sender": "a@b.example", "allow": ["b.example"], "security": "plain"}
        actions = {"desks": ["smtp", "zammad"], "options": {"smtp": smtp}}
        assert self.names({"source": [mailbox, helpdesk], "actions": actions}) == [
            "smtp",
            "zammad:https://desk.example.com",
            "here",
        ]

    def test_names_that_are_none(self) -> None:
        with pytest.raises(ConfigError, match="Did you mean zammad"):
            self.names({"actions": {"desks": ["zamad"]}})
        with pytest.raises(ConfigError, match="not a table"):
            self.names({"actions": {"options": {"smtp": 1}}})


def test_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    monkeypatch.setenv("TOKEN", "from-env")
    assert read_secret("TOKEN", "", "token of x") == "from-env"
    assert read_secret("", str(file), "token of x") == "s3cret"
    for env, name in (("", ""), ("TOKEN", str(file)), ("ABSENT", ""), ("", str(tmp_path / "absent"))):
        with pytest.raises(ConfigError) as refused:
            read_secret(env, name, "token of x")
        assert "s3cret" not in str(refused.value)
    file.write_text("two\nlines")
    with pytest.raises(ConfigError, match="no single line"):
        read_secret("", str(file), "token of x")

"""Messages that another system sends: signed, in two forms, each once."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from rightsized.apps.triage.actions.signing import signed
from rightsized.apps.triage.inbox.webhook import arrival_of, read_intake
from rightsized.core.errors import ConfigError, InputError, UnauthorizedError

KEY, OLD = b"k" * 24, b"o" * 24
NOW = 1_796_000_000.0
MOST = 1 << 20


def sent(body: Any, *, key: bytes = KEY, kind: str = "application/json", most: int = MOST, **changes: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": kind, **{k.title(): v for k, v in signed(key, "msg_1", int(NOW), data).items()}}
    return arrival_of([KEY, OLD], {**headers, **changes}, data, NOW, most)


def test_json() -> None:
    given = {
        "subject": "Order",
        "text": "Where is it?\n> old",
        "sender": "Anna <Anna@Example.com>",
        "received": 1.796e9,
    }
    one = sent(given)
    assert (one.place, one.received) == ("msg_1", 1.796e9)
    assert (one.mail.key, one.mail.message_id) == ("webhook:msg_1", "")
    assert (one.mail.subject, one.mail.written, one.mail.sender.address) == (
        "Order",
        "Where is it?",
        "anna@example.com",
    )
    again = sent({"text": "Hello", "id": "case-7", "received": "2026-11-28T10:00:00Z"}, key=OLD)
    assert (again.mail.key, again.received) == ("case-7", 1795860000.0)


def test_a_mail_as_it_is() -> None:
    data = b"From: a@example.com\r\nSubject: Hi\r\n\r\nHello\r\n"
    one = sent(data, kind="message/rfc822; charset=us-ascii")
    assert (one.data, one.mail, one.received) == (data, None, NOW)
    assert "largest that is read" in sent(data, kind="message/rfc822", most=10).error


@pytest.mark.parametrize("body", [b"[1]", b"\xff", b"{}", {"text": "x", "subjct": "y"}, {"text": 1}, {"text": " "}])
def test_what_holds_no_message(body: Any) -> None:
    with pytest.raises(InputError):
        sent(body)


def test_what_nobody_signed() -> None:
    for changes in ({"Webhook-Signature": "v1,AAAA"}, {"Webhook-Id": "other"}, {"Webhook-Timestamp": "1"}):
        with pytest.raises(UnauthorizedError):
            sent({"text": "Hello"}, **changes)
    with pytest.raises(UnauthorizedError):
        sent({"text": "Hello"}, key=b"x" * 24)
    with pytest.raises(ConfigError):
        arrival_of([], {}, b"", NOW, MOST)


def test_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW", "whsec_" + base64.b64encode(KEY).decode())
    monkeypatch.setenv("BEFORE", base64.b64encode(OLD).decode())
    assert read_intake({"secret_env": "NEW"}).keys() == (KEY,)
    assert read_intake({"secret_env": "NEW", "old_secret_env": "BEFORE"}).keys() == (KEY, OLD)
    with pytest.raises(ConfigError, match="nowhere"):
        read_intake({}).keys()
    with pytest.raises(ConfigError, match="Did you mean secret_env"):
        read_intake({"secret_enw": "NEW"})

"""A password that somebody writes into an address is refused everywhere, and repeated nowhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rightsized.apps.triage.actions.http import HttpServer
from rightsized.apps.triage.imap.address import Access
from rightsized.apps.triage.imap.address import parse as parse_place
from rightsized.apps.triage.inbox import open_source
from rightsized.apps.triage.settings import parse, with_source
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError
from rightsized.core.net import holds_password

SECRET = "hunter2"
ADDRESSES = (
    f"imaps://anna:{SECRET}@mail.example.com/INBOX",
    f"imap://anna:{SECRET}@mail.example.com:port/INBOX",
    f"zammad:https://anna:{SECRET}@desk.example.com",
    f"https://anna:{SECRET}@desk.example.com:port/",
    f"unknown://anna:{SECRET}@desk.example.com",
)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "use",
    [
        lambda address: parse({"source": [{"address": address}]}, "inbox.toml"),
        lambda address: with_source("", address, {}, "inbox.toml"),
        open_source,
        lambda address: parse_place(address, Access()),
        lambda address: HttpServer(address, Egress(), "The helpdesk", timeout_s=1.0),
    ],
    ids=["settings", "connect", "run", "mailbox", "server"],
)
def test_refused_and_not_repeated(address: str, use: Callable[[str], object]) -> None:
    with pytest.raises(ConfigError, match="password") as refused:
        use(address)
    assert SECRET not in f"{refused.value} {refused.value.fix} {refused.value.own_words}"


def test_what_holds_none() -> None:
    for address in (
        "imaps://anna@mail.example.com:993/a:b@c",
        "https://h.example:8443/x@y:z",
        "maildir:/var/a:b@c",
        "",
    ):
        assert not holds_password(address)

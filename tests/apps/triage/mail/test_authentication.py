"""Who vouches for a sender's address: the topmost field of the server that is believed, and nobody else."""

from __future__ import annotations

import pytest

from rightsized.apps.triage.mail import MailOptions, read_mail
from rightsized.apps.triage.mail.authentication import authenticated
from rightsized.apps.triage.records import Address, Priority
from rightsized.apps.triage.rules import prioritise
from rightsized.apps.triage.rules.check import takes_all
from rightsized.apps.triage.rules.evaluate import Facts
from rightsized.apps.triage.rules.records import Rulebook, Urgency, When
from tests.apps.triage.triage_samples import a_mail

MX = "mx.shop.example"


@pytest.mark.parametrize(
    ("results", "vouched"),
    [
        ("dmarc=pass (p=reject dis=none) header.from=big.example", True),
        ("spf=fail smtp.mailfrom=evil.example; dkim=pass header.d=big.example header.s=a", True),
        ("dkim=pass header.i=@big.example", True),
        ("SPF=Pass smtp.mailfrom=ceo@big.example", True),
        ("dkim=pass header.d=evil.example", False),
        ("dkim=pass header.d=example", False),  # no domain of its own
        ("dkim=pass header.d=ig.example", False),
        ("spf=pass smtp.mailfrom=big.example@evil.example", False),
        ("dmarc=fail header.from=big.example", False),
        ("dmarc=fail (x; dmarc=pass header.from=big.example)", False),
        ('dkim=fail reason="x; dmarc=pass header.from=big.example"', False),
        ("x=y dmarc=pass header.from=big.example", False),
        ("dmarc=pass", False),
        ("none", False),
        ("", False),
    ],
)
def test_what_a_server_says_of_a_domain(results: str, vouched: bool) -> None:
    assert authenticated([f"{MX} 1; {results}"], MX, "big.example") is vouched


def test_only_the_topmost_field_of_the_server_counts() -> None:
    good, bad = f"{MX}; dmarc=pass header.from=big.example", f"{MX}; dmarc=fail header.from=big.example"
    other = "mx.evil.example; dmarc=pass header.from=big.example"
    assert authenticated([other, good, bad], MX.upper(), "big.example")
    assert not authenticated([bad, good], MX, "big.example")
    assert not authenticated([other, "", ";", "(" * 9_000, '"' * 9_001], MX, "big.example")


def raw(*fields: str) -> bytes:
    return ("\r\n".join(fields) + "\r\nSubject: Now\r\n\r\nPay this.\r\n").encode()


@pytest.mark.parametrize(
    ("fields", "vouched"),
    [
        (("From: Boss <ceo@big.example>",), True),
        (("From: Boss <ceo@sub.big.example>",), True),
        (("From: ceo@big.example, eve@evil.example",), False),
        (("From: eve@evil.example", "From: ceo@big.example"), False),
        (("Sender: ceo@big.example",), False),
        (("From: ceo@evil.example",), False),
    ],
)
def test_one_from_with_one_address(fields: tuple[str, ...], vouched: bool) -> None:
    found = f"Authentication-Results: {MX};\r\n dkim=pass header.d=big.example"
    assert read_mail(raw(found, *fields), MailOptions(language=False, authserv=MX)).authenticated is vouched
    assert not read_mail(raw(found, *fields), MailOptions(language=False)).authenticated  # nobody is believed


def test_a_forged_sender_is_no_important_person() -> None:
    vip = When(lists=("vip",), authenticated=True)
    book = Rulebook(urgencies=(Urgency("high", vip),), lists={"vip": ("*@big.example",)})

    def level(vouched: bool) -> Priority:
        mail = a_mail(sender=Address("ceo@big.example"), authenticated=vouched)
        return prioritise(book, Facts(mail, {}, (), 0.0, lambda now: True))

    assert (level(True).level, level(False).level) == ("high", "normal")
    assert takes_all(When(lists=("vip",)), vip, book.lists)
    assert not takes_all(vip, When(lists=("vip",)), book.lists)

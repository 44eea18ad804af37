"""Generated numbers of many countries in sentences of many frames: at least 98 of 100 are found to the character."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import phonenumbers
import pytest
from stdnum import luhn

from rightsized.guard.pii.detector import PiiDetector

DETECTOR = PiiDetector()
DRAWS, LEAST = 300, 0.98
REGIONS = "US GB DE FR IT ES NL SE CH AT PL DK NO FI BE PT AU CA IN BR HU CZ"
ISSUERS = (
    "4:16 4:19 51:16 55:16 2221:16 2720:16 34:15 37:15 36:14 305:14 38:14 6011:16 65:16 3589:16 62:16 5018:16 "
    "6759:19 2131:15"
)
ACCOUNTS = (
    "DE{:018d} GBNWBK{:014d} FR{:023d} ES{:020d} NLABNA{:010d} ITX{:022d} PL{:024d} CH{:017d} NO{:011d} SE{:020d}"
)


def card(random: Random) -> str:
    prefix, _, length = random.choice(ISSUERS.split()).partition(":")
    body = prefix + "".join(random.choice("0123456789") for _ in range(int(length) - len(prefix) - 1))
    whole = body + luhn.calc_check_digit(body)
    if len(whole) == 16 and random.random() < 0.4:
        return random.choice(" -").join(whole[i : i + 4] for i in range(0, 16, 4))
    return whole


def iban(random: Random) -> str:
    template = random.choice(ACCOUNTS.split())
    country, body = template[:2], template[2:].format(random.randrange(10**9))
    digits = "".join(str(int(c, 36)) for c in f"{body}{country}00")
    whole = f"{country}{98 - int(digits) % 97:02d}{body}"
    return " ".join(whole[i : i + 4] for i in range(0, len(whole), 4)) if random.random() < 0.4 else whole


def phone(random: Random) -> str:
    number = phonenumbers.example_number_for_type(random.choice(REGIONS.split()), random.choice((0, 1)))
    assert number is not None
    tail = "".join(random.choice("0123456789") for _ in range(4))
    number.national_number = int(str(number.national_number)[:-4] + tail)
    return phonenumbers.format_number(number, random.choice((1, 1, 2, 0)))


def ssn(random: Random) -> str:
    return f"{random.randrange(1, 665):03d}-{random.randrange(1, 99):02d}-{random.randrange(1, 9999):04d}"


def address(random: Random) -> str:
    if random.random() < 0.7:
        return ".".join(str(random.randrange(1, 255)) for _ in range(4))
    return ":".join(f"{random.randrange(65536):x}" for _ in range(8))


def licence(random: Random) -> str:
    return random.choice(("D{:07d}", "{:08d}", "S{:012d}")).format(random.randrange(10**7))


FRAMES: dict[str, tuple[Callable[[Random], str], str]] = {
    "payment_card": (
        card,
        "Please cancel the card {}.|I paid with {} yesterday|{} is not accepted at your till|Charge it to {}, please.",
    ),
    "iban": (iban, "Transfer 40 EUR to {} please|My IBAN is {}, thanks|{}|the account {} (mine) is blocked"),
    "phone": (
        phone,
        "You can text me at {} after six|Our fax is {}|I tried {} but nobody picked up.|Tel: {}\nMail: x|"
        "Reach us on {} or by mail",
    ),
    "national_id": (ssn, "My SSN is {}|Social security number {} please|{} belongs to him|file for {} was closed"),
    "ip_address": (address, "The request came from {}|ping {} fails|ssh root@{}|Block {} in the firewall."),
    "driving_licence": (
        licence,
        "My driver's license number is {}|driving licence: {}|License {} expired|His driver's licence, {}, was taken",
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_generated_values_are_found(kind: str) -> None:
    random = Random(7)
    make, frames = FRAMES[kind]
    missed = []
    for _ in range(DRAWS):
        value = make(random)
        text = random.choice(frames.split("|")).format(value)
        if (value, kind) not in [(text[one.start : one.end], one.type) for one in DETECTOR.detect(text).found]:
            missed.append(text)
    assert len(missed) <= DRAWS * (1 - LEAST), missed

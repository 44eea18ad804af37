"""The sample data hold nothing that could be a real person's: addresses, numbers and accounts fail real checks."""

from __future__ import annotations

import re

import pytest
from sample_files import FILES, texts

EMAIL = re.compile(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)")
DIGITS = re.compile(r"\d(?:[ .\-/]?\d)*")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
WEB = re.compile(r"https?://|www\.|\b[\w-]+\.(?:com|net|org|eu|de|uk)\b", re.IGNORECASE)
SHORTEST_PHONE = 7  # digits; the shortest full subscriber number in use
RESERVED = {"example.com", "example.org", "example.net"}  # RFC 2606


def luhn(digits: str) -> bool:
    """The check that payment card numbers pass (ISO/IEC 7812-1, annex B)."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def suspicious(text: str) -> list[str]:
    """What in `text` could belong to somebody."""
    runs = [re.sub(r"\D", "", run) for run in DIGITS.findall(re.sub(r"\b\d{4}-\d{5}\b", "", text))]  # invoice numbers
    found = [run for run in runs if len(run) >= SHORTEST_PHONE]
    found += [f"{run} passes the card check" for run in runs if len(run) >= 12 and luhn(run)]
    found += [domain for domain in EMAIL.findall(text) if domain not in RESERVED]
    found += IBAN.findall(text)
    return found + WEB.findall(EMAIL.sub("", text))


@pytest.mark.parametrize(
    "planted",
    [
        "Call me on 0171 555 01 23.",
        "My card is 4111 1111 1111 1111.",
        "Write to jo@firm.eu please",
        "IBAN DE89 3704 0044 0532 0130 00",
        "see https://firm.eu/x",
    ],
)
def test_the_search_finds_what_is_planted(planted: str) -> None:
    assert suspicious(planted)


@pytest.mark.parametrize("name", FILES)
def test_nothing_could_belong_to_somebody(name: str) -> None:
    assert {text: found for text in texts(name) if (found := suspicious(text))} == {}

"""The words of simulated messages: the sample messages of this package, and a storm's variations of one notice."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from rightsized.apps.triage.desk.simulation.patterns import Texts
from rightsized.apps.triage.desk.simulation.stream import Generator
from rightsized.data import path

FILES = ("support_train.csv", "support_calibrate.csv")
URGENT_WORDS = ("urgent", "asap", "immediately", "right away", "emergency", "as soon as possible")
_GREETINGS = ("", "Hi, ", "Hello, ", "Dear support, ", "Good morning, ", "To whom it may concern, ", "Hey there, ")
_NOTICE = (
    "your website has been down since this morning and I cannot get to the checkout.",
    "It only shows error 503, service unavailable, whatever I try.",
    "I wanted to pay for order {order} today.",
    "Please tell me when it works again.",
)
_CLOSINGS = ("", " Thanks.", " Thank you, a customer.", " Regards", " Best wishes from the mountains", " Cheers!")
KEPT = 0.9  # chance that a sentence of the notice is in a message
SLIP = 0.04  # chance that a word is left out or has two letters swapped


def sample() -> Texts:
    """The sample messages with their departments, and a storm about an outage."""
    found = []
    for name in FILES:
        with path(name).open(encoding="utf-8", newline="") as file:
            found += [(row["text"], row["department"]) for row in csv.DictReader(file)]
    return Texts(found, outage)


def outage(rng: Generator) -> str:
    """One customer's words about an outage: a greeting, most sentences of the notice with slips, a closing."""
    said = [one for one in _NOTICE if rng.random() < KEPT] or [_NOTICE[0]]
    words = [_slipped(word, rng) for word in " ".join(said).format(order=rng.integers(10_000, 99_999)).split()]
    return _one_of(_GREETINGS, rng) + " ".join(word for word in words if word) + _one_of(_CLOSINGS, rng)


def _slipped(word: str, rng: Generator) -> str:
    if rng.random() >= SLIP:
        return word
    if len(word) < 4 or rng.random() < 0.5:
        return ""
    at = int(rng.integers(0, len(word) - 1))
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _one_of(texts: Sequence[str], rng: Generator) -> str:
    return texts[int(rng.integers(len(texts)))]

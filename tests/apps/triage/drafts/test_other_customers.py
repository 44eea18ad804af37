"""What a draft may be written from: no other customer's data, and no message that its reader has no part in."""

from __future__ import annotations

import pytest

from rightsized.apps.triage.drafts.hiding import FILL_IN, without_people
from rightsized.apps.triage.drafts.records import Example
from rightsized.apps.triage.drafts.writing import shared
from rightsized.apps.triage.records import Address
from rightsized.core.pii import Findings
from rightsized.guard.pii.detector import PiiDetector
from tests.apps.triage.triage_samples import a_mail

ANSWER = (
    "Hello Bo,\n\nThank you for writing. Order FO-20001 went to 12 Elm Street, Leeds LS1 4DY, on 3 May; mrs winter can "
    "call +44 20 7946 0958 or write to bo@mail.example. We refund 45 euros to DE89 3704 0044 0532 0130 00.\n\n"
    "Sorry that it took so long."
)
THEIRS = ["Bo", "FO-20001", "Elm", "Leeds", "LS1", "3", "winter", "7946", "bo@mail", "45", "DE89", "0130"]


@pytest.fixture(scope="module")
def detector() -> PiiDetector:
    return PiiDetector()


def test_whom_an_earlier_answer_is_about_is_hidden_and_its_tone_stays(detector: PiiDetector) -> None:
    (shown,) = without_people([Example(7, ANSWER, ("Bo Winter bo@mail.example",))], detector)
    assert [word for word in THEIRS if word in shown.text] == []
    assert shown.text.startswith(f"Hello {FILL_IN},\n\nThank you for writing. Order {FILL_IN} went to {FILL_IN}")
    assert shown.text.endswith("Sorry that it took so long.")
    assert shown.number == 7


def test_an_answer_that_the_detector_could_not_read_is_not_used() -> None:
    class Broken:
        digest = "broken"

        def detect(self, text: str) -> Findings:
            return Findings((), "secret", ("cards: TimeoutError",))

    assert without_people([Example(7, "Hello.")], Broken()) == []


ANNA, BO = Address("anna@example.com"), Address("bo@example.com")
DESK = Address("desk@fernhill.example")


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({}, ["asked", "answered"]),
        ({"sender": BO}, []),  # a subject is enough to join a thread
        ({"reply_to": (BO,)}, []),  # a name in From, and the reply goes elsewhere
        ({"sender": BO, "subject": "Re: Parcel", "in_reply_to": "asked"}, []),
    ],
)
def test_a_reply_draws_on_messages_that_its_reader_has_part_in(changes: dict[str, object], seen: list[str]) -> None:
    earlier = [
        a_mail("asked", sender=ANNA, to=(DESK,)),
        a_mail("answered", sender=DESK, to=(ANNA,)),
        a_mail("inside", sender=DESK, to=(Address("depot@fernhill.example"),)),
    ]
    mail = a_mail("again", **{"sender": ANNA, **changes})
    assert [one.key for one in shared(mail, earlier)] == seen

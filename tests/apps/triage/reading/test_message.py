"""One message from its text to its route, over scripted tasks."""

from __future__ import annotations

import msgspec
import pytest

from rightsized.apps.triage.reading.message import Asking
from rightsized.apps.triage.records import Attachment, Span
from rightsized.apps.triage.settings import EscalateSettings, InboxSettings, ReadSettings
from rightsized.core.errors import BusyError, InputError, UpstreamError
from rightsized.core.generation import Caller
from rightsized.core.types import Reply
from rightsized.tasks.writing import FakeTextWriter
from tests.apps.triage.triage_samples import NOBODY, FakeTasks, a_mail, a_reader, a_reply


def department(label: str | None) -> FakeTasks:
    return FakeTasks({"support": lambda text: a_reply("support", label)})


SETTINGS = InboxSettings(tasks={"department": "support"})


async def test_what_is_certified_is_routed_and_recorded_as_one_decision() -> None:
    tasks = department("delivery")
    handled = await a_reader(tasks, SETTINGS).read(a_mail(), "fake:", [], NOBODY)
    assert handled.route.queue == "delivery"
    assert handled.route.automatic
    assert handled.certified
    assert (handled.tier, handled.decision, handled.due) == (3, "whole-0", 4_600.0)
    (whole,) = tasks.recorded_replies
    assert whole.label == "delivery"
    assert whole.attempts[0].reason == "decision d1"
    assert tasks.asked == [("support", "Parcel\n\nMy parcel is late.", "m1")]


async def test_every_task_is_asked_where_the_settings_name_none() -> None:
    tasks = FakeTasks({name: (lambda text, name=name: a_reply(name, "orders")) for name in ("support", "tone")})
    handled = await a_reader(tasks).read(a_mail(), "fake:", [], NOBODY)
    assert set(handled.labels) == {"support", "tone"}


async def test_quotes_and_signatures_are_not_read() -> None:
    tasks = department("delivery")
    body = "Late.\n\n> Thanks for your order\n\n-- \nAnna"
    mail = a_mail(body=body, fresh=(Span(0, 5),), quoted=(Span(7, 31),), signature=(Span(33, len(body)),))
    await a_reader(tasks, SETTINGS).read(mail, "fake:", [], NOBODY)
    assert tasks.asked[0][1] == "Parcel\n\nLate."


async def test_the_text_of_attachments_is_read_where_the_settings_say_so() -> None:
    attached = Attachment("bill.txt", "text/plain", 9, "sha", text="Invoice 7")
    mail = a_mail(attachments=(attached,))
    for wanted in (False, True):
        tasks = department("delivery")
        settings = msgspec.structs.replace(SETTINGS, read=ReadSettings(attachments=wanted))
        await a_reader(tasks, settings).read(mail, "fake:", [], NOBODY)
        assert ("Invoice 7" in tasks.asked[0][1]) is wanted


async def test_a_machines_message_is_put_to_no_task() -> None:
    tasks = department("delivery")
    handled = await a_reader(tasks, SETTINGS).read(a_mail(automatic="bounce"), "fake:", [], NOBODY)
    assert tasks.asked == []
    assert not handled.labels
    assert "bounce" in handled.notes[0]


async def test_what_nobody_is_sure_of_waits_for_a_person() -> None:
    handled = await a_reader(department(None), SETTINGS).read(a_mail(), "fake:", [], NOBODY)
    assert not handled.route.automatic
    assert handled.tier == 0
    assert handled.labels["department"].suggested[0].label == "orders"


async def test_the_next_tier_fills_in_a_label_and_it_is_not_certified() -> None:
    writer = FakeTextWriter(['{"label": "delivery"}'])
    settings = msgspec.structs.replace(SETTINGS, escalate=EscalateSettings(tier="small"))
    asking = Asking(Caller(), "personal", writer)
    handled = await a_reader(department(None), settings).read(a_mail(), "fake:", [], asking)
    label = handled.labels["department"]
    assert (label.labels, label.tier, label.certified) == (("delivery",), 2, False)
    assert not handled.route.automatic  # this rule takes certified labels only
    schema = writer.prompts[0].schema
    assert schema is not None
    assert schema["properties"]["label"]["enum"] == ["orders", "delivery", "out_of_scope"]
    assert "My parcel is late." in writer.prompts[0].excerpts[0].text


@pytest.mark.parametrize(
    ("said", "note"),
    [
        ("delivery, I think", "did not answer with a label"),
        ('{"label": "refunds"}', "does not have"),
        (UpstreamError("The server is away."), "away"),
    ],
)
async def test_a_tier_that_answers_nonsense_leaves_the_message_to_a_person(said: str | Exception, note: str) -> None:
    settings = msgspec.structs.replace(SETTINGS, escalate=EscalateSettings(tier="small"))
    asking = Asking(Caller(), "personal", FakeTextWriter([said]))
    handled = await a_reader(department(None), settings).read(a_mail(), "fake:", [], asking)
    assert handled.labels["department"].status == "abstained"
    assert any(note in one for one in handled.notes)


async def test_that_no_label_fits_is_the_tiers_word_and_a_persons_decision() -> None:
    settings = msgspec.structs.replace(SETTINGS, escalate=EscalateSettings(tier="small"))
    asking = Asking(Caller(), "personal", FakeTextWriter(['{"label": "out_of_scope"}']))
    handled = await a_reader(department(None), settings).read(a_mail(), "fake:", [], asking)
    label = handled.labels["department"]
    assert (label.status, label.suggested[0].label) == ("abstained", "out_of_scope")


async def test_roles_that_the_next_tier_may_not_be_asked_about() -> None:
    settings = msgspec.structs.replace(SETTINGS, escalate=EscalateSettings(tier="small", tasks=("sentiment",)))
    writer = FakeTextWriter([])
    await a_reader(department(None), settings).read(a_mail(), "fake:", [], Asking(Caller(), "personal", writer))
    assert writer.prompts == []


async def test_a_task_says_the_priority_where_one_has_that_role() -> None:
    answers = {"urgency": lambda text: a_reply("urgency", "urgent", certified=False)}
    settings = InboxSettings(tasks={"priority": "urgency"})
    handled = await a_reader(FakeTasks(answers), settings).read(a_mail(), "fake:", [], NOBODY)
    assert (handled.priority.level, handled.priority.by, handled.priority.certified) == ("urgent", "model", False)


async def test_a_label_that_is_no_level_leaves_the_priority_to_the_rules() -> None:
    answers = {"urgency": lambda text: a_reply("urgency", "soonish")}
    settings = InboxSettings(tasks={"priority": "urgency"})
    handled = await a_reader(FakeTasks(answers), settings).read(a_mail(), "fake:", [], NOBODY)
    assert (handled.priority.level, handled.priority.by) == ("normal", "default")


async def test_a_message_without_words_waits_for_a_person() -> None:
    tasks = department("delivery")
    handled = await a_reader(tasks, SETTINGS).read(a_mail(subject="", body="", fresh=()), "fake:", [], NOBODY)
    assert tasks.asked == []
    assert not handled.route.automatic


async def test_a_task_that_fails_for_good_leaves_its_role_open_and_one_that_is_busy_is_asked_again() -> None:
    def broken(text: str) -> Reply:
        raise InputError("No such label.")

    def busy(text: str) -> Reply:
        raise BusyError("Too much waits.")

    handled = await a_reader(FakeTasks({"support": broken}), SETTINGS).read(a_mail(), "fake:", [], NOBODY)
    assert handled.labels["department"].status == "abstained"
    assert any("No such label" in one for one in handled.notes)
    with pytest.raises(BusyError):
        await a_reader(FakeTasks({"support": busy}), SETTINGS).read(a_mail(), "fake:", [], NOBODY)

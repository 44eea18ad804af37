"""What people say of a message moves it: to where the rules send that label, with what the rule does there."""

from __future__ import annotations

from pathlib import Path

from rightsized.apps.triage.records import Action
from rightsized.apps.triage.service import TriageService
from rightsized.apps.triage.store.records import Kept, Waits
from tests.apps.triage.test_on_record import VAGUE, handle, opened

RULES = """
[[rule]]
name = "parcels"
when.labels.support = "delivery"
then = { queue = "logistics", labels = ["parcel"] }

[[rule]]
name = "bills"
when.labels.support = "billing"
then = { queue = "accounts", note = "Look the invoice up.", assignee = "Ada" }
"""


def waits(triage: TriageService) -> Kept:
    (kept,) = triage.waiting("inbox", Waits(status=None))
    return kept


def planned(triage: TriageService) -> list[str]:
    return sorted(one.action.kind for one in triage.inboxes.open("inbox").actions.all())


async def correct(triage: TriageService, label: str) -> Kept:
    return await triage.step("inbox", waits(triage).number, "correct", "bob", role="support", value=label)


async def test_a_corrected_message_goes_where_its_label_belongs(copied_home: Path) -> None:
    async with opened(copied_home) as (triage, _):
        (triage.inboxes.open("inbox").folder / "rules.toml").write_text(RULES)
        await handle(triage, "m1", VAGUE)
        await correct(triage, "delivery")
        moved = await correct(triage, "billing")
        assert (moved.queue, moved.status, moved.assignee) == ("accounts", "waiting", "Ada")
        assert moved.handled is not None
        assert moved.handled.route.reason == "by the rule 'bills'; a person said: support is billing"
        assert moved.handled.labels["support"].labels == ()  # what the model said stays as it is
        assert planned(triage) == []  # nobody has accepted it yet
        await triage.step("inbox", moved.number, "assign", "bob", value="Cem")
        assert (await correct(triage, "billing")).assignee == "Cem"
        assert (await correct(triage, "out_of_scope")).queue == "inbox"
        await correct(triage, "billing")
        done = await triage.step("inbox", moved.number, "accept", "bob")
        assert (done.status, done.queue) == ("routed", "accounts")
        assert planned(triage) == ["assign", "note"]
        assert (await correct(triage, "delivery")).queue == "accounts"  # what is given out stays where it is


async def test_an_accepted_guess_does_what_its_rule_does(copied_home: Path) -> None:
    async with opened(copied_home) as (triage, _):
        handled = await handle(triage, "m1", VAGUE)
        guess = handled.labels["support"].suggested[0].label
        (triage.inboxes.open("inbox").folder / "rules.toml").write_text(RULES.replace('"delivery"', f'"{guess}"'))
        handled = await handle(triage, "m2", VAGUE)
        assert (handled.route.queue, handled.route.automatic) == ("logistics", False)
        assert handled.route.actions == (Action("label", "parcel"),)
        assert planned(triage) == []
        (kept,) = triage.waiting("inbox", Waits(status=None, queue="logistics"))
        await triage.step("inbox", kept.number, "accept", "bob")
        assert planned(triage) == ["label"]

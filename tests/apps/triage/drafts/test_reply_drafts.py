"""Drafts of replies: what nothing bears out is marked, examples are our own answers, and only their asking is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rightsized.apps.triage.drafts.checking import CLOSE, OPEN, checked
from rightsized.apps.triage.drafts.hiding import FILL_IN
from rightsized.apps.triage.drafts.records import Example
from rightsized.apps.triage.drafts.writing import write_draft
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.records import Address, Mail
from rightsized.apps.triage.service import TriageService
from rightsized.apps.triage.store.records import Waits
from rightsized.core.config import AuditConfig, Config
from rightsized.core.errors import NotFoundError, UnsupportedError, UpstreamError
from rightsized.core.tiers import TierConfig
from rightsized.tasks.faithful.support import Source
from rightsized.tasks.service import LocalService
from rightsized.tasks.writing import Excerpt, FakeTextWriter, Text, TextWriter, tokens_of
from tests.apps.triage.triage_samples import a_mail

ANY = Waits(None)

ASKED = "My order FO-10432 is late. It was due on 3 May and I paid 45 euros. Where is it?"
POLICY = "Parcels that are late for more than 14 days are refunded."
MESSAGE = Source(f"Parcel\n\n{ASKED}", "Anna Sample anna@example.com")


@pytest.mark.parametrize(
    ("said", "kind", "marked"),
    [
        ("You paid 54 euros for it.", "number", "54"),
        ("It was due on 13 May.", "number", "13"),
        ("It was due on 3 June.", "name", "June"),
        ("Your order FO-10433 is late.", "name", "FO-10433"),
        ("Your order is with Hermes.", "name", "Hermes"),
        ("We will refund you.", "promise", "We will refund you."),
        ("You’ll get it tomorrow.", "promise", "You’ll get it tomorrow."),
        ("Parcels that are late for more than 4 days are refunded.", "promise", ""),
    ],
)
def test_what_no_source_says_is_marked(said: str, kind: str, marked: str) -> None:
    text, checks = checked(f"Dear Anna,\n\n{said}", [MESSAGE, Source(POLICY)])
    assert checks
    assert kind in {one.kind for one in checks}
    assert all(text[one.start : one.end] == f"{OPEN}{one.text}{CLOSE}" for one in checks)
    assert marked in {one.text for one in checks} or not marked


@pytest.mark.parametrize(
    "said",
    [
        "I am sorry that order FO-10432 is late.",
        "It was due on 3 May.",
        "You paid 45 euros.",
        POLICY,
        "Thank you for writing, Anna.",
    ],
)
def test_what_a_message_or_policy_says_stands(said: str) -> None:
    assert checked(f"Dear Anna,\n\n{said}", [MESSAGE, Source(POLICY)]) == (f"Dear Anna,\n\n{said}", ())


def test_an_earlier_answer_bears_nothing_out() -> None:
    _, (check,) = checked("Your order FO-20001 is late.", [MESSAGE], ["Your order FO-20001 left today."])
    assert (check.text, check.why) == ("FO-20001", "it stands only in an earlier answer to somebody else")


async def test_a_draft_names_what_it_was_written_from() -> None:
    writer = FakeTextWriter(["<think>hm</think>Dear Anna,\n\nYour order FO-10432 left on 9 May."])
    draft = await write_draft(
        a_mail(body=ASKED), [], [Example(7, "Hi Bo, it left.")], [Excerpt(POLICY, "Returns")], writer
    )
    assert draft.text.startswith("Dear Anna,\n\nYour order FO-10432 left on [check: 9] May.")
    assert (draft.examples, draft.policies, draft.decision) == ((7,), ("Returns",), "fake-1")
    labels = [one.label for one in writer.prompts[0].excerpts]
    assert labels == ["message from anna@example.com", "policy: Returns", "earlier answer to somebody else"]


async def test_earlier_answers_give_way_to_a_small_context() -> None:
    some = [Example(number, "word " * 700) for number in range(4)]
    writer = FakeTextWriter(["Hello."], context=2_400)
    draft = await write_draft(a_mail(body=ASKED), [], some, [], writer)
    assert 0 < len(draft.examples) < 4
    assert tokens_of(writer.prompts[0]) <= 2_400


async def test_nothing_written_is_an_error_and_no_empty_draft() -> None:
    with pytest.raises(UpstreamError, match="every tier was passed over"):
        await write_draft(a_mail(), [], [], [], FakeTextWriter([Text("", reason="every tier was passed over")]))


@asynccontextmanager
async def opened(home: Path, inbox: str) -> AsyncIterator[TriageService]:
    config = Config(home=str(home), audit=AuditConfig(rate=0.0))
    folder = home / "triage" / "inbox"
    folder.mkdir(parents=True)
    (folder / "inbox.toml").write_text(inbox)
    async with LocalService(config, purpose="test", record=True) as service:
        triage = TriageService(config, service)
        yield triage
        triage.close()


async def take(triage: TriageService, mail: Mail) -> None:
    assert await triage.process("inbox", Arrival(mail.key, mail=mail), "test:", dry_run=False)


async def test_our_answers_to_solved_messages_are_the_examples(
    copied_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = FakeTextWriter(["Dear Anna, it is on its way.", "The parcel is late."])
    written = '[write]\ntier = "auto"\n'
    async with opened(copied_home, f'domains = ["fernhill.example"]\n{written}') as triage:
        monkeypatch.setattr(TriageService, "_writer", lambda *_: writer)
        late = "Hello, my parcel with the tent was due on Monday and has not moved since. Where is it?"
        await take(triage, a_mail("old", late, received=1e9, thread="old"))
        desk = {"sender": Address("desk@fernhill.example", "Desk"), "thread": "old"}
        said = "Hi Anna, your parcel with the tent has not moved since Monday. FO-20001 for Bo Winter left us today."
        await take(triage, a_mail("false", "Send us your password.", received=1e9 + 4, **desk))
        await take(triage, a_mail("ours", said, received=1e9 + 5, in_reply_to="old", **desk))
        await triage.step("inbox", 1, "done", "anna")
        await take(triage, a_mail("new", late + " Thanks.", received=1e9 + 9, thread="new"))
        number = next(one.number for one in triage.waiting("inbox", ANY) if one.key == "new")
        draft = await triage.draft("inbox", number, by="anna")
        assert draft.examples == (1,)
        shown = writer.prompts[0].excerpts[-1].text
        moved = f"Hi {FILL_IN}, your parcel with the tent has not moved since {FILL_IN}."
        assert shown == f"{moved} {FILL_IN} for {FILL_IN} left us today."
        assert [one.kept.number for one in await triage.similar("inbox", triage.show("inbox", number).kept)] == [1]
        event = triage.show("inbox", number).events[-1]
        assert (event.by, event.what, event.detail) == ("anna", "drafted", "decision fake-1")
        with pytest.raises(NotFoundError):
            await triage.draft("inbox", 99)


async def test_without_a_tier_it_is_said_how_to_set_one_up(copied_home: Path) -> None:
    async with opened(copied_home, "") as triage:
        await take(triage, a_mail("m1", ASKED))
        with pytest.raises(UnsupportedError, match="Nothing is set up") as error:
            await triage.draft("inbox", 1)
        assert "[[tiers]]" in error.value.fix
        assert [one.what for one in triage.show("inbox", 1).events] == ["taken", "handled"]


@pytest.mark.parametrize(("text", "kind"), [("The tent is late.", "abstract"), ("Bo owes 99 euros.", "extract")])
async def test_a_summary_is_written_where_the_settings_say_so(
    copied_home: Path, monkeypatch: pytest.MonkeyPatch, text: str, kind: str
) -> None:
    def writer(*_: object) -> TextWriter:
        return FakeTextWriter([f"{text} [1]"])

    async with opened(copied_home, '[write]\ntier = "auto"\nsummaries = "always"\n') as triage:
        monkeypatch.setattr(TriageService, "_writer", writer)
        await take(triage, a_mail("m1", "The tent is late. Where is it?"))
        handled = triage.show("inbox", 1).kept.handled
        assert handled is not None
        assert handled.summary.kind == kind
        assert handled.summary.sentences


async def test_a_draft_is_a_decision_of_the_gateway_on_record(copied_home: Path) -> None:
    tier = TierConfig("small", "fake", options={"answer": "Hello Anna, your order FO-10432 left Hamburg."})
    config = Config(home=str(copied_home), audit=AuditConfig(rate=0.0), tiers=(tier,))
    folder = copied_home / "triage" / "inbox"
    folder.mkdir(parents=True)
    (folder / "inbox.toml").write_text('[write]\ntier = "auto"\n')
    async with LocalService(config, purpose="test", record=True, gateway=True) as service:
        triage = TriageService(config, service)
        await take(triage, a_mail("m1", ASKED))
        draft = await triage.draft("inbox", 1)
        assert draft.text == "Hello Anna, your order FO-10432 left [check: Hamburg]."
        assert draft.tier == "small"
        assert service.decision(draft.decision).id == draft.decision
        triage.close()

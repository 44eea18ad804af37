"""From a source to a route, each message exactly once: repeats, previews, crashes and failures in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rightsized.apps.triage.handling import Handling
from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.mail.settling import Settling
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.records import Address, Handled
from rightsized.apps.triage.running import run
from rightsized.apps.triage.store.records import Waits
from rightsized.core.errors import BusyError, ConfigError, DocumentError, ForbiddenError, StoreError
from rightsized.core.types import Reply
from tests.apps.triage.triage_samples import FakeTasks, ListSource, a_mail, a_reply, asking


def arrivals(count: int) -> list[Arrival]:
    return [Arrival(f"p{n}", mail=a_mail(f"m{n}", received=1_000.0 + n)) for n in range(count)]


@pytest.fixture
def tasks() -> FakeTasks:
    return FakeTasks({"support": lambda text: a_reply("support", "delivery")})


@pytest.fixture
def inbox(tmp_path: Path, tasks: FakeTasks) -> Iterator[Inbox]:
    one = Inbox("inbox", tmp_path / "triage" / "inbox", tasks)
    yield one
    one.close()


def handling(inbox: Inbox) -> Handling:
    return Handling(inbox, asking, _unreadable)


def _unreadable(arrival: Arrival, settings: Any) -> Any:
    raise DocumentError("This is no mail.", reason="broken")


async def all_of(source: ListSource, inbox: Inbox, **how: Any) -> list[Handled]:
    how = {"dry_run": False, **how}
    return [one async for one in run(source, handling(inbox), **how)]


async def test_every_message_is_handled_in_order_and_then_acknowledged(inbox: Inbox) -> None:
    source = ListSource(arrivals(10))
    found = await all_of(source, inbox)
    assert [one.key for one in found] == [f"m{n}" for n in range(10)]
    assert sorted(source.acknowledged) == sorted(f"p{n}" for n in range(10))
    assert inbox.store.count(Waits(status=None)) == 10
    assert not any(one.dry_run or one.acts for one in found)  # no action is switched on


async def test_handed_over_again_it_is_not_handled_again(inbox: Inbox, tasks: FakeTasks) -> None:
    await all_of(ListSource(arrivals(3)), inbox)
    again = ListSource(arrivals(3))
    assert await all_of(again, inbox) == []
    assert len(again.acknowledged) == 3
    assert len(tasks.asked) == 3


async def test_a_dry_run_leaves_nothing_and_each_message_is_handled_for_real_once(
    inbox: Inbox, tasks: FakeTasks
) -> None:
    source = ListSource(arrivals(2))
    for _ in range(2):
        looked = await all_of(source, inbox, dry_run=True)
        assert [(one.key, one.dry_run, one.acts) for one in looked] == [("m0", True, False), ("m1", True, False)]
        assert source.acknowledged == []
    assert inbox.store.count(Waits(status=None)) == 0
    assert [len(inbox.store.rows(f"SELECT 1 FROM {name}")) for name in ("places", "events", "cursors", "actions")] == [
        0,
        0,
        0,
        0,
    ]
    assert tasks.dry == [True] * 4
    found = await all_of(source, inbox)
    assert [(one.key, one.dry_run) for one in found] == [("m0", False), ("m1", False)]
    assert tasks.dry[4:] == [False, False]  # read again, by decisions that count
    assert source.acknowledged == ["p0", "p1"]
    assert await all_of(source, inbox) == await all_of(source, inbox, dry_run=True) == []


async def test_a_dry_run_reads_a_conversation_as_it_would_be_read(inbox: Inbox) -> None:
    given: list[int] = []
    real = inbox.reader.read

    async def read(mail: Any, source: str, earlier: Any, asking: Any) -> Handled:
        given.append(len(earlier))
        return await real(mail, source, earlier, asking)

    inbox.reader.read = read  # type: ignore[method-assign]  # to see what is given
    await all_of(ListSource(arrivals(1)), inbox)
    replies = [
        Arrival(f"p{n}", mail=a_mail(f"m{n}", received=1_000.0 + n, in_reply_to=f"m{n - 1}", thread="m0"))
        for n in (1, 2)
    ]
    assert len(await all_of(ListSource(replies), inbox, dry_run=True)) == 2
    assert len(await all_of(ListSource(replies), inbox)) == 2
    assert given == [0, 1, 2, 1, 2]
    assert [one.key for one in inbox.store.thread("m0")] == ["m0", "m1", "m2"]


async def test_a_dry_run_says_what_cannot_be_read_and_keeps_nothing_of_it(inbox: Inbox) -> None:
    too_large = Arrival("p1", mail=a_mail("m1"), error="It has 80 MB; 50 is the most.")
    broken, large = await all_of(ListSource([Arrival("p0", b"\x00garbage"), too_large]), inbox, dry_run=True)
    assert (broken.error, large.error) == ("This is no mail.", "It has 80 MB; 50 is the most.")
    assert broken.dry_run
    assert inbox.store.count(Waits(status=None)) == 0


async def test_what_a_killed_process_had_taken_is_read_at_the_next_start(inbox: Inbox, tasks: FakeTasks) -> None:
    one = arrivals(1)[0]
    assert one.mail is not None
    inbox.store.take(one.mail, "fake:list", one.place, "sha")  # and then the process was killed
    (resumed,) = await handling(inbox).resume()
    assert resumed.key == "m0"
    assert await all_of(ListSource([one]), inbox) == []
    assert len(tasks.asked) == 1


async def test_a_message_that_cannot_be_read_waits_for_a_person_and_stops_nobody(inbox: Inbox) -> None:
    source = ListSource([Arrival("p0", b"\x00garbage"), *arrivals(2)[1:]])
    broken, good = await all_of(source, inbox)
    assert good.key == "m1"
    assert not broken.route.automatic
    assert inbox.store.get(broken.key).status == "waiting"
    assert len(source.acknowledged) == 2


async def test_what_the_source_could_not_hand_over_is_recorded_as_failed(inbox: Inbox) -> None:
    too_large = Arrival("p0", mail=a_mail("m0"), error="It has 80 MB; 50 is the most.")
    (found,) = await all_of(ListSource([too_large]), inbox)
    assert found.error == "It has 80 MB; 50 is the most."
    assert inbox.store.get("m0").state == "failed"
    assert inbox.store.get("m0").status == "waiting"


async def test_what_the_policy_forbids_goes_to_a_person(inbox: Inbox, tasks: FakeTasks) -> None:
    class Refusing:
        async def answer(self, request: Any) -> Reply:
            raise ForbiddenError("The policy does not allow this request.")

    tasks.recorded = lambda inner, version: Refusing()  # type: ignore[assignment,method-assign,return-value]
    (found,) = await all_of(ListSource(arrivals(1)), inbox)
    assert "policy" in found.error
    assert inbox.store.get("m0").status == "waiting"


async def test_a_defect_of_ours_costs_one_message_its_answer_and_no_other(inbox: Inbox, tasks: FakeTasks) -> None:
    def sometimes(text: str) -> Reply:
        if "boom" in text:
            raise ZeroDivisionError
        return a_reply("support", "delivery")

    tasks.answers["support"] = sometimes
    first = Arrival("p0", mail=a_mail("m0", body="boom"))
    found = await all_of(ListSource([first, *arrivals(3)[1:]]), inbox)
    assert ["ZeroDivisionError" in one.error for one in found] == [True, False, False]


async def test_what_is_busy_is_tried_again(inbox: Inbox, tasks: FakeTasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightsized.apps.triage.running.RETRIES", (0.0, 0.0))
    tries = []

    def busy(text: str) -> Reply:
        tries.append(text)
        if len(tries) < 3:
            raise BusyError("Too much waits.")
        return a_reply("support", "delivery")

    tasks.answers["support"] = busy
    source = ListSource(arrivals(1))
    assert len(await all_of(source, inbox)) == 1
    assert len(tries) == 3


async def test_where_nothing_can_be_kept_nothing_is_acknowledged(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any, **named: Any) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(inbox.store, "handled", full)
    source = ListSource(arrivals(3))
    with pytest.raises(StoreError):
        await all_of(source, inbox)
    assert source.acknowledged == []
    monkeypatch.undo()
    found = await handling(inbox).resume()
    assert {one.key for one in found} <= {"m0", "m1", "m2"}
    assert len(found) + len(await all_of(source, inbox)) == 3
    assert len(source.acknowledged) == 3


async def test_other_rules_are_in_force_with_the_next_message(inbox: Inbox) -> None:
    before = inbox.made()
    (inbox.folder / "inbox.toml").write_text('domains = ["fernhill.example.com"]\n')
    assert inbox.reader is not None
    assert inbox.made() != before
    assert inbox.settings.domains == ("fernhill.example.com",)


async def test_no_more_than_the_limit(inbox: Inbox) -> None:
    assert len(await all_of(ListSource(arrivals(9)), inbox, limit=4)) == 4


async def test_our_own_answer_ends_what_waited_in_its_thread(inbox: Inbox, tasks: FakeTasks) -> None:
    (inbox.folder / "inbox.toml").write_text('domains = ["fernhill.example.com"]\n')
    tasks.answers["support"] = lambda text: a_reply("support", None)
    asked = Arrival("p0", mail=a_mail("m0", received=1_000.0))
    ours = a_mail("m1", received=2_000.0, thread="m0", in_reply_to="m0", sender=Address("kim@fernhill.example.com"))
    again = Arrival("p2", mail=a_mail("m2", received=3_000.0, thread="m0"))
    found = await all_of(ListSource([asked, Arrival("p1", mail=ours), again]), inbox)
    assert [one.route.queue for one in found] == ["inbox", "answered", "inbox"]
    assert [inbox.store.get(key).status for key in ("m0", "m1", "m2")] == ["done", "done", "waiting"]
    assert inbox.store.events("m0")[-1].by == "kim@fernhill.example.com"
    assert len(tasks.asked) == 2


async def test_our_own_answer_closes_what_was_routed_too_and_a_customers_next_message_opens_the_thread(
    inbox: Inbox, tasks: FakeTasks
) -> None:
    (inbox.folder / "inbox.toml").write_text('domains = ["fernhill.example.com"]\n')
    asked = Arrival("p0", mail=a_mail("m0", received=1_000.0))
    ours = a_mail("m1", received=2_000.0, thread="m0", in_reply_to="m0", sender=Address("kim@fernhill.example.com"))
    source = ListSource([asked, Arrival("p1", mail=ours)])
    tasks.answers["support"] = lambda text: a_reply("support", "delivery")
    await all_of(source, inbox)
    assert inbox.store.get("m0").handled.route.automatic  # type: ignore[union-attr]  # it was handled
    assert inbox.store.get("m0").status == "done"
    assert inbox.store.events("m0")[-1].detail == "answered by m1"
    again = [Arrival(f"p{n}", mail=a_mail(f"m{n}", received=1_000.0 * n, thread="m0")) for n in (3, 4)]
    await all_of(ListSource(again), inbox)
    assert [inbox.store.get(key).status for key in ("m0", "m1", "m3", "m4")] == ["done", "done", "routed", "routed"]
    opened = {key: [one.detail for one in inbox.store.events(key) if one.what == "reopened"] for key in ("m3", "m4")}
    assert opened == {"m3": ["m1"], "m4": []}


async def test_a_conversation_by_subject_outlasts_a_restart(inbox: Inbox, tmp_path: Path, tasks: FakeTasks) -> None:
    to = (Address("help@fernhill.example.com"),)
    first = a_mail("m0", subject="The tent pole is broken", to=to, received=1_000.0)
    await all_of(ListSource([Arrival("p0", mail=first)]), inbox)
    inbox.close()
    again = Inbox("inbox", tmp_path / "triage" / "inbox", tasks)
    reply = a_mail("m1", subject="Re: The tent pole is broken", to=to, received=2_000.0)
    other = a_mail("m2", subject="Re: The tent pole is broken", sender=Address("eve@example.com"), received=2_000.0)
    await all_of(ListSource([Arrival("p1", mail=reply), Arrival("p2", mail=other)]), again)
    assert [again.store.get(key).thread for key in ("m1", "m2")] == ["m0", "m2"]
    assert not [row for row in again.store.rows("SELECT name FROM subjects") if "tent" in row[0]]
    again.close()


async def test_one_message_handed_over_twice_at_a_time_is_read_once(inbox: Inbox, tasks: FakeTasks) -> None:
    one = arrivals(1)[0]
    given = [handling(inbox).process(one, f"api:{n}", dry_run=n == 1) for n in range(4)]
    found = [each for each in await asyncio.gather(*given) if each is not None]
    assert tasks.dry.count(False) == 1
    assert sum(not one.dry_run for one in found) == 1
    assert inbox.store.get("m0").status == "routed"  # a look that comes late changes nothing
    assert [one.what for one in inbox.store.events("m0")].count("handled") == 1


async def test_two_messages_of_one_name_from_two_sources_at_a_time_are_both_kept(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = inbox.store.find

    def slow(key: str) -> Any:
        found = find(key)
        time.sleep(0.05)
        return found

    monkeypatch.setattr(inbox.store, "find", slow)
    inbox.settle = Settling(slow, inbox.store.people)
    first, second = (Arrival(f"p{n}", mail=a_mail("m0", body=f"My parcel {n} is late.")) for n in range(2))
    given = [handling(inbox).process(one, one.place, dry_run=False) for one in (first, second)]
    assert all(await asyncio.gather(*given))
    assert inbox.store.count(Waits(status=None)) == 2


async def test_why_it_cannot_be_read_outlasts_the_process(inbox: Inbox, tasks: FakeTasks) -> None:
    inbox.store.take(a_mail("m0"), "fake:list", "p0", "sha", error="It has 80 MB; 50 is the most.")
    (found,) = await handling(inbox).resume()
    assert found.error == "It has 80 MB; 50 is the most."
    assert tasks.asked == []


async def test_what_is_no_mail_is_a_failure_whatever_the_rules_say(inbox: Inbox) -> None:
    (inbox.folder / "rules.toml").write_text('[[rule]]\nname = "all"\nthen.queue = "general"\n')
    (found,) = await all_of(ListSource([Arrival("p0", b"\x00garbage")]), inbox)
    assert (found.route.queue, found.error) == ("unreadable", "This is no mail.")
    assert inbox.store.get(found.key).state == "failed"


async def test_a_look_by_rules_that_were_changed_since_is_not_taken_for_good(inbox: Inbox) -> None:
    rules = inbox.folder / "rules.toml"
    rules.write_text('[[rule]]\nname = "all"\nthen.queue = "old"\n')
    await all_of(ListSource(arrivals(1)), inbox, dry_run=True)
    rules.write_text('[[rule]]\nname = "all"\nthen.queue = "new"\n')
    (found,) = await all_of(ListSource(arrivals(1)), inbox)
    assert found.route.queue == "new"


async def test_with_broken_rules_nothing_is_routed_and_nothing_lost(inbox: Inbox) -> None:
    rules = inbox.folder / "rules.toml"
    rules.write_text('[[rule]\nname = "all"')
    source = ListSource(arrivals(2))
    with pytest.raises(ConfigError):
        await all_of(source, inbox)
    assert source.acknowledged == []
    rules.write_text('[[rule]]\nname = "all"\nthen.queue = "new"\n')
    again = [*await handling(inbox).resume(), *await all_of(source, inbox)]
    assert [(one.key, one.route.queue) for one in again] == [("m0", "new"), ("m1", "new")]


async def test_a_mail_that_only_says_it_is_ours_ends_nothing(inbox: Inbox, tasks: FakeTasks) -> None:
    (inbox.folder / "inbox.toml").write_text('domains = ["fernhill.example.com"]\n')
    tasks.answers["support"] = lambda text: a_reply("support", None)
    asked = Arrival("p0", mail=a_mail("m0", received=1_000.0))
    forged = a_mail("m1", received=2_000.0, thread="m0", sender=Address("kim@fernhill.example.com"))
    await all_of(ListSource([asked, Arrival("p1", mail=forged)]), inbox)
    assert inbox.store.get("m0").status == "waiting"

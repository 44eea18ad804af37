"""The queue of an inbox: the dearest to leave first, people by skill, and a storm as one incident."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.incidents import print_of
from rightsized.apps.triage.desk.settings import DeskSettings, parse
from rightsized.apps.triage.desk.storms import PRINTS, Storms
from rightsized.apps.triage.records import Level, Priority, Route
from rightsized.apps.triage.store import MessageStore
from rightsized.apps.triage.store.likeness import keep_vector
from rightsized.apps.triage.store.records import Waits
from rightsized.apps.triage.store.standing import WAITING
from rightsized.apps.triage.tending import OFTEN, Tending
from rightsized.core.errors import InputError
from tests.apps.triage.triage_samples import a_handled, a_mail

MONDAY = 1_795_428_000.0  # 2026-11-23 10:00 UTC
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DESK = {"hours": {key: ["00:00-24:00"] for key in DAYS}}
STORM = "I cannot check out, the page says error 500 when I press pay. Please help, I want my tent."


class Clock:
    now = MONDAY

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MessageStore]:
    made = MessageStore(tmp_path / "inbox", clock=Clock())
    yield made
    made.close()


def tended(store: MessageStore, clock: Clock | None = None, **desk: object) -> Tending:
    settings = parse({**DESK, **desk}, "desk.toml")
    return Tending(store, settings, Calendar(settings.hours), clock=clock or Clock())


def put(store: MessageStore, key: str, level: Level = "normal", received: float = MONDAY, body: str = "") -> None:
    store.take(a_mail(key, body or f"A question about {key} and nothing else.", received=received), "s", key, "sha")
    handled = a_handled(
        key, priority=Priority(level, "a rule", "rules"), route=Route("orders", False, "nobody is sure"), thread=key
    )
    store.handled(handled, "waiting", "made")


def test_the_dearest_to_leave_comes_first(store: MessageStore) -> None:
    put(store, "old", "low", MONDAY - 3_600)
    put(store, "normal", "normal", MONDAY - 1_800)
    put(store, "urgent", "urgent", MONDAY - 60)
    found = [one.key for one in tended(store).ordered(Waits())]
    assert found[0] == "urgent"
    assert set(found) == {"old", "normal", "urgent"}
    assert [one.key for one in tended(store).ordered(Waits(limit=1, offset=1))] == found[1:2]


def test_the_most_urgent_is_never_behind_a_bound(store: MessageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        put(store, f"low{number}", "low", MONDAY - 3_600 + number)
    put(store, "urgent", "urgent", MONDAY)
    monkeypatch.setattr("rightsized.apps.triage.tending.MOST", 3)
    tending = tended(store)
    assert [one.key for one in tending.ordered(Waits())] == ["urgent", *(f"low{n}" for n in range(6))]
    assert [one.key for one in tending.ordered(Waits(limit=2, offset=4))] == ["low3", "low4"]
    assert [one.key for one in tending.ordered(Waits(limit=2, offset=2))] == ["low1", "low2"]


def test_a_queue_is_ordered_without_reading_texts(store: MessageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [{"name": "anna", "capacity": 2}]
    for number in range(5):
        put(store, f"m{number}")
    read = list[int]()
    whole = store.of
    monkeypatch.setattr(store, "of", lambda keys: read.append(len(keys)) or whole(keys))
    monkeypatch.setattr(store, "events", None)  # nothing is asked message by message
    tending = tended(store, person=people)
    assert tending.give_out() == 2
    assert len(tending.ordered(Waits(limit=2))) == 2
    assert read == [2]
    (plan,) = store.rows(f"EXPLAIN QUERY PLAN SELECT key, urgency FROM {WAITING}")
    assert "COVERING INDEX messages_waiting" in plan[-1]


def test_where_nobody_has_room_nothing_is_ordered(store: MessageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        put(store, f"m{number}")
    tending = tended(store, person=[{"name": "anna", "capacity": 1}])
    assert tending.give_out() == 1
    monkeypatch.setattr(tending, "ranked", None)
    assert tending.give_out() == 0


def test_when_the_first_of_an_incident_is_done_another_stands_for_it(store: MessageStore) -> None:
    for key in ("a", "b", "c"):
        put(store, key)
        store.update(key, "rightsized", "incident", "a", incident="a")
    store.update("a", "anna", "done", status="done")
    tending = tended(store, person=[{"name": "anna"}])
    assert tending.give_out() == 1
    assert store.get("b").assignee == "anna"
    assert [one.key for one in tending.ordered(Waits())] == ["b", "c"]


def test_a_level_that_a_person_changed_counts_as_certain(store: MessageStore) -> None:
    put(store, "a", "low")
    put(store, "b", "normal")
    store.update("a", "bob", "corrected", level="urgent")
    assert [one.key for one in tended(store).ordered(Waits())] == ["a", "b"]


def test_a_message_is_given_to_people_of_the_desk_only(store: MessageStore) -> None:
    desk = tended(store, person=[{"name": "Anna"}, {"name": "Ben"}])
    assert desk.person("anna") == "Anna"
    with pytest.raises(InputError, match="Nobody at this desk is called 'Ana'") as refused:
        desk.person("Ana")
    assert "Did you mean Anna?" in refused.value.fix
    assert tended(store).person("whoever") == "whoever"  # a desk that names nobody


def test_people_get_what_they_have_the_skill_and_room_for(store: MessageStore) -> None:
    for number in range(3):
        put(store, f"m{number}")
    people = [{"name": "anna", "queues": ["orders"], "capacity": 2}, {"name": "bob", "queues": ["rental"]}]
    tending = tended(store, person=people)
    assert tending.give_out() == 2
    assert sorted(one.assignee for one in store.waiting()) == ["", "anna", "anna"]
    assert tending.give_out() == 0


def test_what_an_absent_person_has_goes_to_somebody_else(store: MessageStore) -> None:
    put(store, "m1")
    store.update("m1", "bob", "assigned", "carl", assignee="carl")
    people = [{"name": "anna"}, {"name": "carl", "absent": ["2026-11-23"]}]
    assert tended(store, person=people).give_out() == 1
    assert store.get("m1").assignee == "anna"


def test_a_storm_is_one_incident_and_its_first_stands_for_it(store: MessageStore) -> None:
    clock = Clock()
    for number in range(40):  # ordinary weeks before
        put(store, f"o{number}", received=MONDAY - 86_400 + 600 * number)
    tending = tended(store, clock)
    for number in range(12):
        key = f"storm{number}"
        put(store, key, received=MONDAY + 30 * number, body=f"{STORM} Order FH-{100 + number}.")
        clock.now = MONDAY + 30 * number
        tending.arrived(store.get(key))
    members = store.waiting(Waits(incident="storm0"))
    assert len(members) == 12
    ordered = [one.key for one in tending.ordered(Waits())]
    assert "storm0" in ordered[:41]
    assert {f"storm{n}" for n in range(1, 12)} == set(ordered[41:])
    again = tended(store, clock)  # another process knows it too
    put(store, "late", received=MONDAY + 600, body=f"{STORM} Order FH-999.")
    clock.now = MONDAY + 600
    found = again.arrived(store.get("late"))
    assert found is not None
    assert found.key == "storm0"


def vague(number: int, kind: int = 0) -> str:
    """Words that have no 5-gram in common with those of another number."""
    rng = random.Random(f"{kind} {number}")
    return " ".join("".join(rng.choice("bcdfghjklmnpqrstvwxz") for _ in range(9)) for _ in range(8))


def worded(store: MessageStore, key: str, number: int, about: int, received: float) -> None:
    """A message of its own words, with a vector that says what it is about."""
    put(store, key, received=received, body=vague(number, about))
    rng = np.random.default_rng(number)
    vector = np.eye(64)[about] + rng.normal(0, 0.05, 64)
    keep_vector(store, key, ("sha256:one", (vector / np.linalg.norm(vector)).astype(np.float32)))


def test_a_storm_of_different_words_is_one_incident_after_a_restart_too(store: MessageStore) -> None:
    clock = Clock()
    for number in range(40):
        worded(store, f"o{number}", number, number % 60 + 1, MONDAY - 86_400 + 600 * number)
    tending = tended(store, clock)
    for number in range(12):
        worded(store, f"s{number}", 100 + number, 0, MONDAY + 30 * number)
        tending.arrived(store.get(f"s{number}"))
    assert len(store.waiting(Waits(incident="s0"))) == 12
    again = tended(store, clock)
    worded(store, "late", 200, 0, MONDAY + 600)
    found = again.arrived(store.get("late"))
    assert found is not None
    assert found.key == "s0"


def test_vectors_of_two_encoders_are_not_compared(store: MessageStore) -> None:
    tending = tended(store)
    for number in range(12):
        worded(store, f"s{number}", number, 0, MONDAY + number)
        if number == 6:  # of another length: comparing them would fail
            keep_vector(store, "s6", ("sha256:two", np.eye(32, dtype=np.float32)[0]))
        assert tending.arrived(store.get(f"s{number}")) is None


def test_what_a_person_takes_out_of_an_incident_stays_out(store: MessageStore) -> None:
    clock, tending = Clock(), tended(store)
    for number in range(40):
        put(store, f"o{number}", received=MONDAY - 86_400 + 600 * number)
    for number in range(10):
        put(store, f"s{number}", received=MONDAY + number, body=STORM)
        tending.arrived(store.get(f"s{number}"))
    assert store.get("s5").incident == "s0"
    tending.detach("s5", "anna")
    for other in (tending, tended(store, clock)):
        other.arrived(store.get("s9"))  # read again, as after a crash
        assert store.get("s5").incident == ""
    assert [one.what for one in store.events("s5")][-1] == "detached"


def test_a_person_puts_messages_and_incidents_together(store: MessageStore) -> None:
    tending = tended(store)
    for key in ("a", "b", "c", "d"):
        put(store, key)
    tending.merge("b", "a", "anna")
    assert [store.get(key).incident for key in "abcd"] == ["a", "a", "", ""]
    tending.merge("d", "c", "anna")
    tending.merge("c", "a", "anna")
    assert [store.get(key).incident for key in "abcd"] == ["a"] * 4
    assert store.events("d")[-1].by == "anna"


def test_a_long_incident_costs_no_more_a_message(store: MessageStore) -> None:
    storms = Storms(parse({}, "desk.toml").incident, [print_of(f"e{n}", 0.0, vague(n)) for n in range(60)])
    for number in range(3 * PRINTS):
        linked = storms.add(print_of(f"s{number}", MONDAY + number, STORM))
    assert linked is not None
    assert linked.keys == (f"s{3 * PRINTS - 1}",)
    assert len(storms.incidents[0].members) == PRINTS


def test_an_incident_is_given_out_once(store: MessageStore) -> None:
    for number in range(10):
        put(store, f"o{number}", received=MONDAY - 9_000 * (number + 1))
    clock = Clock()
    tending = tended(store, clock, person=[{"name": "anna", "capacity": 50}])
    for number in range(10):
        put(store, f"s{number}", received=MONDAY + number, body=STORM)
        tending.arrived(store.get(f"s{number}"))
    clock.now += OFTEN
    tending.give_out()
    assert [one.key for one in store.waiting(Waits(incident="s0")) if one.assignee][:1] == ["s0"]


def test_ordinary_messages_are_no_incident(store: MessageStore) -> None:
    words = [
        "tent",
        "parcel",
        "refund",
        "boots",
        "rental",
        "kayak",
        "deposit",
        "invoice",
        "password",
        "size",
        "colour",
        "delivery",
    ]
    tending = tended(store)
    for number in range(10):
        put(store, f"m{number}", received=MONDAY + number, body=f"Hello, I have a question about my {words[number]}.")
        assert tending.arrived(store.get(f"m{number}")) is None


def test_a_machines_message_is_compared_with_none(store: MessageStore) -> None:
    tending = tended(store)
    for number in range(12):
        store.take(a_mail(f"m{number}", "Out of office.", automatic="auto-reply"), "s", f"m{number}", "sha")
        assert tending.arrived(store.get(f"m{number}")) is None


def test_the_desk_without_a_file_is_the_default() -> None:
    assert parse({}, "desk.toml") == DeskSettings()


def test_a_forecast_tells_what_will_be_late(store: MessageStore) -> None:
    for number in range(6):
        put(store, f"m{number}", "urgent", received=MONDAY - 3_000)
    alone = tended(store).forecast()
    assert [one.late for one in alone] == [1.0] * 6  # nobody is there to answer
    helped = tended(store, person=[{"name": name} for name in ("anna", "bob", "carl")]).forecast()
    assert {one.key for one in helped} == {f"m{number}" for number in range(6)}
    assert sum(one.late for one in helped) < 6
    assert all(one.low <= one.late <= one.high for one in helped)

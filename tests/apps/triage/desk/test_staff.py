"""Who gets which message: bounded, by skill, as many as any placement could take, and taken back when it must be."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from rightsized.apps.triage.desk.calendar import Calendar, Hours, Shift
from rightsized.apps.triage.desk.staff import Absence, Given, Job, Person, assign, calendars_of, to_reassign

QUEUES = ("orders", "billing", "rental")
ALWAYS = Hours("UTC", ((Shift(0, 1440),),) * 7, {})


def names(jobs: list[Job], people: list[Person], loads: dict[str, int]) -> list[str]:
    return [one.person for one in assign(jobs, people, loads)]


def test_the_least_busy_person_of_the_skill_gets_it() -> None:
    people = [Person("Ada", ("orders",), 4), Person("Ben", ("orders",), 10), Person("Cem", ("billing",), 10)]
    assert names([Job("a", "orders")], people, {"Ada": 1, "Ben": 1}) == ["Ben"]
    assert names([Job("a", "orders")], people, {"Ada": 0, "Ben": 1}) == ["Ada"]


def test_of_equals_the_one_with_fewer_skills() -> None:
    people = [Person("Ada"), Person("Ben", ("orders", "billing")), Person("Cem", ("orders",))]
    assert names([Job("a", "orders")], people, {}) == ["Cem"]


def test_a_message_of_this_round_moves_to_make_room() -> None:
    people = [Person("Ada", ("orders", "billing"), 1), Person("Ben", ("orders", "rental", "x"), 1)]
    jobs = [Job("first", "orders"), Job("second", "billing")]
    assert names(jobs, people, {}) == ["Ben", "Ada"]


def test_why_nobody_gets_it() -> None:
    people = [Person("Ada", ("orders",), 1)]
    full, none = assign([Job("a", "orders"), Job("b", "rental")], people, {"Ada": 1})
    assert (full.person, full.reason) == ("", "everybody for orders is full")
    assert (none.person, none.reason) == ("", "nobody here answers rental")


PEOPLE = st.lists(
    st.tuples(st.sets(st.sampled_from(QUEUES)), st.integers(1, 2), st.integers(0, 2)), min_size=1, max_size=3
)
JOBS = st.lists(st.tuples(st.sampled_from(QUEUES), st.sets(st.sampled_from("012"), max_size=1)), max_size=5)


@settings(max_examples=120, deadline=None)
@given(PEOPLE, JOBS)
def test_nobody_is_overloaded_and_no_other_placement_takes_dearer_messages(
    rows: list[tuple[set[str], int, int]], asked: list[tuple[str, set[str]]]
) -> None:
    people = [Person(str(n), tuple(sorted(skills)), room) for n, (skills, room, _) in enumerate(rows)]
    loads = {str(n): min(load, room) for n, (_, room, load) in enumerate(rows)}
    jobs = [Job(str(n), queue, tuple(refused)) for n, (queue, refused) in enumerate(asked)]
    found = names(jobs, people, loads)
    assert found == names(jobs, people, loads)
    assert _allowed(found, jobs, people, loads)
    choices = product(["", *(one.name for one in people)], repeat=len(jobs))
    best = max(tuple(bool(one) for one in other) for other in choices if _allowed(list(other), jobs, people, loads))
    assert tuple(map(bool, found)) == best


def _allowed(found: list[str], jobs: list[Job], people: list[Person], loads: dict[str, int]) -> bool:
    by_name = {one.name: one for one in people}
    taken = all(
        not name or (by_name[name].answers(job.queue) and name not in job.refused)
        for name, job in zip(found, jobs, strict=True)
    )
    return taken and all(loads[one.name] + found.count(one.name) <= one.capacity for one in people)


def test_messages_of_the_absent_and_untouched_ones_are_taken_back() -> None:
    people = [Person("Ada", absent=(Absence(5_000, 9_000),)), Person("Ben")]
    calendars = calendars_of(people, Calendar(ALWAYS))
    given_ = [
        Given("a", "orders", "Ada", 0),
        Given("b", "orders", "Ben", 0),
        Given("c", "orders", "Ben", 0, touched=True),
        Given("d", "orders", "Ben", 5_000),
        Given("e", "orders", "Gone", 5_900),
    ]
    back = to_reassign(given_, people, calendars, 6_000, timeout=3_600)
    assert back == (Job("a", "orders"), Job("b", "orders", ("Ben",)), Job("e", "orders"))
    assert names(list(back), people[1:], {}) == ["Ben", "", "Ben"]

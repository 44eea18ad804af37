"""The people of a desk, and who gets which message: by skill and load, bounded by capacity, always the same way.

Assignment is a bipartite matching in the order of the queue. A message that finds every person of its skill full may
move one that was placed in the same round to another person, so that nothing waits while some placement of the round
would take it. Since sets of messages that can be placed together form a transversal matroid (Edmonds and Fulkerson,
1965), going through them in order places the dearest ones: no other set of placements is worth more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from rightsized.apps.triage.desk.calendar import Calendar, Hours
from rightsized.core.frozen import Frozen


class Absence(Frozen, frozen=True):
    """Away from `start` to `end`, seconds since the epoch."""

    start: float
    end: float


class Person(Frozen, frozen=True):
    """Somebody who answers messages. `queues` are their skills; none: every queue. `capacity`: most open at once."""

    name: str
    queues: tuple[str, ...] = ()
    capacity: int = 10
    hours: Hours | None = None
    absent: tuple[Absence, ...] = ()

    def answers(self, queue: str) -> bool:
        """Whether messages of `queue` are theirs to answer."""
        return not self.queues or queue in self.queues


class Job(Frozen, frozen=True):
    """A message that is to be given to somebody. `refused` are people who let it time out."""

    key: str
    queue: str
    refused: tuple[str, ...] = ()


class Given(Frozen, frozen=True):
    """A message that somebody has. `touched`: they began with it."""

    key: str
    queue: str
    person: str
    since: float
    touched: bool = False


class Assignment(Frozen, frozen=True):
    """Who gets a message; nobody where `person` is empty. `reason` says why, in words."""

    key: str
    person: str
    reason: str


def present(person: Person, calendars: Mapping[str, Calendar], now: float) -> bool:
    """Whether a person is at work: within their hours and not absent. `calendars` by name."""
    away = any(one.start <= now < one.end for one in person.absent)
    return not away and calendars[person.name].is_open(now)


def calendars_of(people: Sequence[Person], desk: Calendar) -> dict[str, Calendar]:
    """A calendar each, by name; people of the same hours share one."""
    made: list[Calendar] = [desk]
    found = {}
    for person in people:
        hours = person.hours or desk.hours
        calendar = next((one for one in made if one.hours == hours), None)
        if calendar is None:
            calendar = Calendar(hours)
            made.append(calendar)
        found[person.name] = calendar
    return found


def assign(jobs: Sequence[Job], people: Sequence[Person], loads: Mapping[str, int]) -> tuple[Assignment, ...]:
    """Give messages, the dearest first, to people who are present. One assignment each, in the order of `jobs`.

    Args:
        jobs: what is to be given out, in the order of the queue.
        people: those who are present.
        loads: open messages that a person has already, by name; at least 0.
    """
    round_ = _Round(people, loads)
    for place in range(len(jobs)):
        round_.place(place, jobs)
    return tuple(_told(job, round_.holder.get(place), people) for place, job in enumerate(jobs))


def to_reassign(
    given: Sequence[Given], people: Sequence[Person], calendars: Mapping[str, Calendar], now: float, timeout: float
) -> tuple[Job, ...]:
    """Messages to be given to somebody else, in their order: of people who left or are absent, or left untouched.

    A person whose day is over keeps theirs until the next. `timeout` is in open seconds of the person's own hours; a
    message that timed out does not go back to the same person.
    """
    by_name = {one.name: one for one in people}
    found = []
    for one in given:
        person = by_name.get(one.person)
        if person is None or any(away.start <= now < away.end for away in person.absent):
            found.append(Job(one.key, one.queue))
        elif not one.touched and calendars[one.person].between(one.since, now) >= timeout:
            found.append(Job(one.key, one.queue, (one.person,)))
    return tuple(found)


class _Round:
    """One round of placing: who holds which of its messages."""

    def __init__(self, people: Sequence[Person], loads: Mapping[str, int]) -> None:
        self.people = people
        self.load = [loads.get(one.name, 0) for one in people]
        self.holder: dict[int, int] = {}
        self._hopeless: set[tuple[str, tuple[str, ...]]] = set()  # what found no place finds none later in the round

    def place(self, place: int, jobs: Sequence[Job]) -> None:
        """Place one message by the shortest chain of moves (breadth first), if there is any."""
        kind = (jobs[place].queue, jobs[place].refused)
        if kind in self._hopeless:
            return
        came_from: dict[int, tuple[int, int]] = {}  # a person -> the message that would move to them, from whom
        waiting = deque([(place, -1)])
        while waiting:
            moving, holder = waiting.popleft()
            able = [p for p in self._able(jobs[moving]) if p not in came_from]
            free = [p for p in able if self.load[p] < self.people[p].capacity]
            for person in able:
                came_from[person] = (moving, holder)
            if free:
                self._move(min(free, key=self._busy), came_from)
                return
            waiting.extend((held, p) for p in able for held, by in self.holder.items() if by == p)
        self._hopeless.add(kind)

    def _move(self, person: int, came_from: Mapping[int, tuple[int, int]]) -> None:
        self.load[person] += 1
        while person >= 0:
            moving, before = came_from[person]
            self.holder[moving] = person
            person = before

    def _able(self, job: Job) -> list[int]:
        return [p for p, one in enumerate(self.people) if one.answers(job.queue) and one.name not in job.refused]

    def _busy(self, person: int) -> tuple[float, int, str]:
        """The least busy first; of equals the one with fewer skills, so that those with more stay free; by name."""
        one = self.people[person]
        return self.load[person] / one.capacity, len(one.queues) or 1_000_000, one.name


def _told(job: Job, person: int | None, people: Sequence[Person]) -> Assignment:
    if person is not None:
        return Assignment(job.key, people[person].name, f"has the skill {job.queue} and the most room")
    able = any(one.answers(job.queue) and one.name not in job.refused for one in people)
    return Assignment(job.key, "", f"everybody for {job.queue} is full" if able else f"nobody here answers {job.queue}")

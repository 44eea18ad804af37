"""Keeps the queue of one inbox: what comes first, who gets it, and which messages are one incident.

The rules are the desk's pure functions (`desk/`); this reads what they need from the store and writes what they say.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.delay import Ranked, Waiting, chances_of, order
from rightsized.apps.triage.desk.forecast import RUNS, Chance, Outlook, Pending, forecast, hourly_rates
from rightsized.apps.triage.desk.incidents import Incident, Print, print_of
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.desk.simulation.playing import team_of
from rightsized.apps.triage.desk.staff import Given, Job, Person, assign, calendars_of, present, to_reassign
from rightsized.apps.triage.desk.storms import PRINTS, Linked, Storms
from rightsized.apps.triage.records import LEVELS, Level
from rightsized.apps.triage.store import MessageStore
from rightsized.apps.triage.store.likeness import KeptVector, apart, vectors_of
from rightsized.apps.triage.store.messages import SYSTEM
from rightsized.apps.triage.store.records import ANSWERED, Kept, Waits
from rightsized.apps.triage.store.standing import Standing, held, levels, standings, urgency
from rightsized.core.errors import InputError
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.tables import meant

MOST = 20_000  # waiting messages that are ordered by cost, the most urgent levels first; the rest stands behind them
OFTEN = 5.0  # seconds between two rounds of giving out
FORECAST_MOST = 500  # waiting messages that a forecast plays through
FORECAST_WORK, LEAST_RUNS = 20_000, 40  # messages times runs: some seconds; 40 runs are an interval of +-15 points
RATES_DAYS = 28  # of arrivals that tell how often messages come
HOUR, DAY = 3600.0, 86_400.0


class Tending:
    """The queue of one inbox by one desk.

    Args:
        clock: seconds since the epoch.
        withheld: keys of messages that are given to nobody by skill: who got one would know what was said of it.
    """

    def __init__(
        self,
        store: MessageStore,
        desk: DeskSettings,
        calendar: Calendar,
        *,
        clock: Callable[[], float] = time.time,
        withheld: Callable[[], set[str]] = set,
    ) -> None:
        self._store, self._desk, self._calendar, self._clock = store, desk, calendar, clock
        self._calendars = calendars_of(desk.people, calendar)
        self._withheld = withheld
        self._known: Storms | None = None
        self._encoder = ""  # whose vectors are compared: those of two encoders have nothing to do with each other
        self._lock, self._given_out = threading.RLock(), 0.0

    def ranked(self, waiting: Sequence[Standing]) -> tuple[Ranked, ...]:
        """Messages with what it costs to leave each, the dearest first, as they stand in the whole queue."""
        counts = levels(self._store)
        base, urgencies = _base(counts), dict[str, Mapping[Level, float]]()
        rows = [Waiting(one.key, one.received, _chances(one, base, urgencies)) for one in waiting]
        there = len(self._here(self._clock())) or max(1, len(self._desk.people))
        return order(rows, self._desk, self._calendar, self._clock(), there, sum(counts.values()))

    def ordered(self, wanted: Waits) -> list[Kept]:
        """Messages that wait, as wanted, the dearest to leave first; of an incident one stands for it."""
        return self._store.of([one.key for one in self.standings(wanted)])

    def standings(self, wanted: Waits) -> list[Standing]:
        """The same as `ordered`, without texts. Beyond `MOST`, by level and by when an answer is owed."""
        found = standings(self._store, wanted, MOST)
        ranked = self._in_order(found, together=bool(wanted.incident))
        shown = ranked[wanted.offset : wanted.offset + wanted.limit]
        if len(found) == MOST and len(shown) < wanted.limit:
            beyond = max(MOST, wanted.offset)
            shown += standings(self._store, wanted, wanted.limit - len(shown), beyond)
        return shown

    def _in_order(self, found: Sequence[Standing], *, together: bool = False) -> list[Standing]:
        """The dearest first; of each incident the first that waits, the others last unless they are `together`."""
        by_key = {one.key: one for one in found}
        ranked = [by_key[one.key] for one in self.ranked(found)]
        if together:
            return ranked
        leads = _leads(found)
        first = [one for one in ranked if not one.incident or leads[one.incident] == one.key]
        return [*first, *(one for one in ranked if one.incident and leads[one.incident] != one.key)]

    def forecast(self, progress: Progress = no_progress) -> tuple[Chance, ...]:
        """The chance of each waiting message to be answered late, the dearest to leave first (`desk.forecast`).

        How often messages come is taken from the last weeks of this inbox. Some seconds for hundreds of messages.
        """
        now = self._clock()
        waiting = self.standings(Waits(limit=FORECAST_MOST))
        base, urgencies = _base(levels(self._store)), dict[str, Mapping[Level, float]]()
        pending = [
            Pending(Waiting(one.key, one.received, _chances(one, base, urgencies)), one.queue, incident=one.incident)
            for one in waiting
        ]
        since = now - RATES_DAYS * DAY
        rates = hourly_rates(self._store.arrivals(since), self._calendar, since, now)
        team = team_of(self._desk, self._desk.people)
        runs = min(RUNS, max(LEAST_RUNS, FORECAST_WORK // max(len(pending), 1)))
        return forecast(pending, team, self._desk, Outlook(rates), now, runs=runs, progress=progress)

    def arrived(self, kept: Kept) -> Incident | None:
        """A message was handled: the incident that it belongs to, where it does; its members are marked."""
        with self._lock:
            linked = self._link(kept)
        if self._clock() - self._given_out >= OFTEN:
            self.give_out()
        return linked.incident if linked is not None else None

    def detach(self, key: str, by: str) -> None:
        """A person says that a message belongs to no incident; nothing links it again."""
        with self._lock:
            self._storms.take_out(key)
            self._store.update(key, by, "detached", self._store.get(key).incident, incident="")

    def merge(self, incident: str, into: str, by: str) -> None:
        """A person says that two incidents are one, or that a message of none (its own key) belongs to one."""
        with self._lock, self._store.writing():
            self._storms.put_together(into, incident)
            if self._store.find(into) is not None and not self._store.get(into).incident:
                self._store.update(into, by, "incident", into, incident=into)
            keys = self._members(incident) or [incident]
            for key in keys:
                self._store.update(key, by, "incident", into, incident=into)

    def _link(self, kept: Kept) -> Linked | None:
        storms, vector = self._storms, vectors_of(self._store, [kept.key]).get(kept.key)
        if vector is not None and vector[0] != self._encoder:
            self._encoder = vector[0]
            storms.without_vectors()
        new = self._print(kept, vector)
        linked = storms.add(new) if new is not None else None
        if linked is not None:
            with self._store.writing():
                merged = self._members(linked.merged) if linked.merged else []
                name = self._store.get(linked.incident.key).key  # its first message may have been forgotten since
                for key in {*linked.keys, *merged}:
                    self._store.update(key, SYSTEM, "incident", name, incident=name)
        return linked

    def _members(self, incident: str) -> list[str]:
        sql = "SELECT key FROM messages WHERE incident IN (?, ?) AND incident <> ''"
        return [key for (key,) in self._store.rows(sql, self._store.names.both(incident))]

    @property
    def _storms(self) -> Storms:
        """The latest messages and the incidents they are part of; read from the store when they are first needed."""
        if self._known is None:
            self._known = Storms(self._desk.incident)
            latest = self._store.waiting(Waits(status=None, newest=True, limit=PRINTS))[::-1]
            keys = [one.key for one in latest]
            vectors, taken_out = vectors_of(self._store, keys), apart(self._store, keys)
            self._encoder = next((vectors[key][0] for key in reversed(keys) if key in vectors), "")
            for one in latest:
                made = self._print(one, vectors.get(one.key)) if one.key not in taken_out else None
                if made is not None:
                    self._known.remember(made, one.incident)
        return self._known

    def person(self, name: str) -> str:
        """Who is meant by a name, as the desk writes it; any name where the desk names nobody.

        Raises InputError: nobody here has it, so that the message would be on nobody's list.
        """
        people = [one.name for one in self._desk.people]
        found = next((one for one in people if one.casefold() == name.casefold()), None if people else name)
        if found is None:
            raise InputError(f"Nobody at this desk is called {name!r}.", fix=meant(name, people))
        return found

    def give_out(self) -> int:
        """Give waiting messages to people by skill and room, and those of absent people to others.

        Nothing happens where the desk names no people. Returns how many were given.
        """
        if not self._desk.people:
            return 0
        now = self._given_out = self._clock()
        with self._store.writing():  # what a person does meanwhile comes before or after, not in between
            given = [Given(*one) for one in held(self._store)]
            timeout = self._desk.work.timeout_hours * HOUR
            again = {one.key: one for one in to_reassign(given, self._desk.people, self._calendars, now, timeout)}
            loads = Counter(one.person for one in given if one.key not in again)
            here = self._here(now)
            if all(loads[one.name] >= one.capacity for one in here):
                return 0  # nobody has room: the order does not matter
            waiting = standings(self._store, Waits(), MOST)
            leads = _leads(waiting)  # an incident's first, for them all
            withheld = self._withheld()
            free = [w for w in waiting if (not w.assignee or w.key in again) and w.key not in withheld]
            alone = self._in_order([one for one in free if not one.incident or leads[one.incident] == one.key])
            jobs = [again.get(one.key) or Job(one.key, one.queue) for one in alone]
            made = [each for each in assign(jobs, here, loads) if each.person]
            for each in made:
                self._store.update(each.key, SYSTEM, "assigned", f"{each.person}: {each.reason}", assignee=each.person)
        return len(made)

    def _here(self, now: float) -> list[Person]:
        return [one for one in self._desk.people if present(one, self._calendars, now)]

    def _print(self, kept: Kept, vector: KeptVector | None) -> Print | None:
        """What is compared; nothing of machines' messages, nor of our own."""
        if kept.mail is None or kept.mail.automatic or not kept.mail.text or kept.queue == ANSWERED:
            return None
        comparable = vector is not None and vector[0] == self._encoder
        return print_of(kept.key, kept.received, kept.mail.text, vector[1] if vector and comparable else None)


def _base(counts: Mapping[Level, int]) -> dict[Level, float]:
    """How often the levels come, by what waits; one more of each, so that none is impossible."""
    more = {level: 1.0 + counts.get(level, 0) for level in LEVELS}
    total = sum(more.values())
    return {level: count / total for level, count in more.items()}


def _chances(
    one: Standing, base: Mapping[Level, float], known: dict[str, Mapping[Level, float]]
) -> Mapping[Level, float]:
    """Probabilities of its levels; `known` are those worked out already, which many messages share."""
    named = f"{one.level} {one.urgency}"
    if named not in known:
        said = urgency(one)
        known[named] = {one.level: 1.0} if said is None else chances_of(said, base)
    return known[named]


def _leads(found: Sequence[Standing]) -> dict[str, str]:
    """The message that stands for each incident: its first, or the first of those that still wait."""
    leads = dict[str, str]()
    for one in sorted((one for one in found if one.incident), key=lambda one: (one.key != one.incident, one.received)):
        leads.setdefault(one.incident, one.key)
    return leads

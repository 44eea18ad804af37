"""Which incident each message belongs to, as messages come: bounded, and with people's word before its own.

`incidents` says of one message what it belongs to. Here is what lasts from one to the next: the latest messages, the
incidents that new ones may join, and what a person has taken out of one or put together. Keeps nothing on the disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from rightsized.apps.triage.desk.incidents import BELONGS, CORE, Incident, Print, alike, recognise
from rightsized.apps.triage.desk.settings import IncidentSettings

PRINTS = 600  # latest messages that a new one is compared with
OPEN = 50  # incidents that new messages may still join


class Linked(NamedTuple):
    """What a message belongs to. `keys` are messages that belong to it from now on, those of `merged` included: the
    incident that turned out to be the same; empty: none."""

    incident: Incident
    keys: tuple[str, ...]
    merged: str = ""


class Storms:
    """The incidents of one inbox. Not for several threads at once.

    Args:
        ordinary: messages that say how often each kind comes; None: those of the latest that are older than the window.
        most: latest messages that are kept.
    """

    def __init__(
        self, settings: IncidentSettings, ordinary: Sequence[Print] | None = None, *, most: int = PRINTS
    ) -> None:
        self._settings, self._ordinary = settings, ordinary
        self._prints: deque[Print] = deque(maxlen=most)
        self._open: dict[str, Incident] = {}

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Those that new messages may join; of a long one the latest members."""
        return tuple(self._open.values())

    def remember(self, new: Print, incident: str = "") -> None:
        """A message of before, with the incident that it was linked to."""
        self._prints.append(new)
        if not incident:
            return
        one = self._open.get(incident) or Incident(incident, (), (), new.at, new.at, 0.0)
        core = (*one.core, new.key)[:CORE]
        self._keep(replace(one, members=(*one.members, new.key), core=core, last=max(one.last, new.at)))

    def add(self, new: Print) -> Linked | None:
        """A message that came, with what it belongs to."""
        self._drop(new.key)  # read again, or read while what was there before was restored
        window = [one for one in self._prints if one.at <= new.at]
        span = self._settings.window_minutes * 60
        ordinary = self._ordinary
        if ordinary is None:
            ordinary = [one for one in window if one.at < new.at - span]
        found = recognise(new, window, ordinary, self.incidents, self._settings)
        self._prints.append(new)
        if found is None:
            return None
        before = self._open.get(found.key)
        keys = tuple(set(found.members) - set(before.members)) if before else found.members
        other = self._same(found, new.at - span)
        if other is None:
            self._keep(found)
            return Linked(found, keys)
        first, second = sorted((found, other), key=lambda one: (one.opened, one.key))
        made = self._joined(first, second)
        return Linked(made, tuple({*second.members, *(keys if found is first else ())}), second.key)

    def take_out(self, key: str) -> None:
        """A person said that a message belongs to no incident: nothing is linked to it any more."""
        self._drop(key)
        for one in self.incidents:
            if key in one.members:
                members, core = (tuple(other for other in some if other != key) for some in (one.members, one.core))
                self._keep(replace(one, members=members, core=core))

    def without_vectors(self) -> None:
        """The vectors so far cannot be compared with those that come: another encoder makes them."""
        self._prints = deque((one._replace(vector=None) for one in self._prints), self._prints.maxlen)

    def put_together(self, first: str, second: str) -> None:
        """A person said that two incidents are one, which keeps the name of the first."""
        known, other = self._open.get(first), self._open.get(second)
        if known is not None and other is not None:
            self._joined(known, other)

    def _drop(self, key: str) -> None:
        if any(one.key == key for one in self._prints):
            self._prints = deque((one for one in self._prints if one.key != key), self._prints.maxlen)

    def _same(self, found: Incident, since: float) -> Incident | None:
        """Another incident that goes on and is about the same: their cores are as alike as members are to one."""
        own = self._core(found)
        for one in self._open.values():
            if one.key == found.key or one.last < since:
                continue
            other = self._core(one)
            if (
                own
                and other
                and sum(float(alike(each, other, self._settings).mean()) for each in own) >= BELONGS * len(own)
            ):
                return one
        return None

    def _core(self, one: Incident) -> list[Print]:
        wanted = set(one.core)
        return [each for each in self._prints if each.key in wanted]

    def _joined(self, first: Incident, second: Incident) -> Incident:
        at = {one.key: one.at for one in self._prints}
        members = sorted({*first.members, *second.members}, key=lambda key: at.get(key, 0.0))
        core = _mixed(first.core, second.core)
        made = replace(first, members=tuple(members), core=core, last=max(first.last, second.last))
        self._open.pop(second.key, None)
        self._keep(made)
        return made

    def _keep(self, one: Incident) -> None:
        """The latest last; beyond `OPEN` the one that was quiet longest goes, and of each its members of long ago."""
        self._open.pop(one.key, None)
        self._open[one.key] = replace(one, members=one.members[-(self._prints.maxlen or PRINTS) :])
        while len(self._open) > OPEN:
            del self._open[min(self._open, key=lambda key: self._open[key].last)]


def _mixed(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    """Some of each of two cores: what comes later may be worded like either."""
    left, right = list(one), list(other)
    half = max(CORE // 2, CORE - len(right))
    return (*left[:half], *right[: CORE - min(half, len(left))])

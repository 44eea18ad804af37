"""Storms: many messages about one thing within an hour, recognised as one incident as they come in.

Two messages are alike where the Jaccard similarity of their character 5-grams, estimated by MinHash (Broder, 1997), or
the cosine of their vectors, where there are any, reaches a threshold. A new message opens an incident when more of the
window is like it than chance explains: with q the share of earlier messages that were like it, the chance of k or more
among n is at most exp(-n KL(k/n, q)) (Chernoff). So a kind of message that always comes often, a newsletter's bounces
or "where is my order", opens none, and neither does a Monday morning, which brings more of everything.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.triage.desk.settings import IncidentSettings
from rightsized.core.frozen import Frozen

GRAM = 5  # characters
HASHES = 128  # the estimate's standard deviation is at most 0.044
LONGEST = 4_000  # characters that are compared
MOST = 2_000  # messages of a window that are compared, the latest
CORE = 20  # members that a new one is compared with, the first
BELONGS = 1 / 3  # share of those that it must be like
_NOT_WORDS = re.compile(r"[\W\d_]+")  # numbers tell messages of a storm apart that are the same otherwise
_MIX = np.uint64(0x9E3779B97F4A7C15)

Signature = NDArray[np.uint64]
Vector = NDArray[np.float32]


class Print(NamedTuple):
    """What is compared of a message. `vector` has length 1, or is None for all messages."""

    key: str
    at: float
    signature: Signature
    vector: Vector | None = None


class Incident(Frozen, frozen=True):
    """Messages about one thing, in the order of arrival. The first is worked; the others are answered with it.

    `core` are the members that later ones are compared with. `chance` bounds how likely as many ordinary messages are.
    """

    key: str
    members: tuple[str, ...]
    core: tuple[str, ...]
    opened: float
    last: float
    chance: float


def print_of(key: str, at: float, text: str, vector: Vector | None = None) -> Print:
    """The print of a message from what its sender wrote; greetings and numbers are part of it."""
    return Print(key, at, signature(text), vector)


def signature(text: str) -> Signature:
    """The MinHash of a text's character 5-grams, uint64 (128,). Case, digits and punctuation tell nothing apart."""
    plain = _NOT_WORDS.sub(" ", unicodedata.normalize("NFKC", text[:LONGEST]).casefold()).strip()
    grams = {plain[i : i + GRAM] for i in range(max(len(plain) - GRAM + 1, 1))}
    codes = np.array([zlib.crc32(one.encode("utf-8", "replace")) for one in sorted(grams)], np.uint64)
    numbers = np.arange(1, HASHES + 1, dtype=np.uint64)
    return np.asarray(_mixed(codes[:, None] * _mixed(numbers * _MIX)[None, :] + numbers[None, :]).min(axis=0))


def alike(one: Print, others: Sequence[Print], settings: IncidentSettings) -> NDArray[np.bool_]:
    """Which of `others` are like `one`: bool (others,)."""
    if not others:
        return np.zeros(0, np.bool_)
    same = (np.stack([other.signature for other in others]) == one.signature).mean(axis=1)
    found = same >= settings.similarity
    if one.vector is not None:
        vectors = np.stack([np.zeros_like(one.vector) if other.vector is None else other.vector for other in others])
        found |= vectors @ one.vector >= settings.cosine
    return np.asarray(found)


def recognise(
    new: Print,
    window: Sequence[Print],
    earlier: Sequence[Print],
    open_: Sequence[Incident],
    settings: IncidentSettings,
) -> Incident | None:
    """The incident that a new message belongs to, with it as a member: one that goes on, or one that it opens.

    Args:
        new: the message that came.
        window: messages before it, at least those of the last `window_minutes`, in order.
        earlier: ordinary messages from before the window, a sample of the last weeks; with few of them little is
            certain, and only large storms are recognised.
        open_: incidents so far.
    """
    span = settings.window_minutes * 60
    near = [one for one in window if new.at - span <= one.at][-MOST:]
    going_on = [one for one in open_ if one.last >= new.at - span]
    by_key = {one.key: one for one in window}
    for incident in going_on:
        core = [by_key[key] for key in incident.core if key in by_key]
        if core and alike(new, core, settings).mean() >= BELONGS:
            return _joined(incident, new)
    taken = {key for incident in going_on for key in incident.members}
    free = [one for one in near if one.key not in taken]
    like = alike(new, free, settings)
    count = int(like.sum()) + 1
    if count < settings.messages:
        return None
    share = (1 + int(alike(new, earlier, settings).sum())) / (1 + len(earlier))
    chance = tail(count, len(free) + 1, share)
    if chance > settings.chance:
        return None
    first = [one for one, is_like in zip(free, like, strict=True) if is_like]
    core = [*first, new][-CORE:]
    swept = [
        one for one in free if any(one is other for other in first) or alike(one, core, settings).mean() >= BELONGS
    ]
    members = tuple(one.key for one in [*swept, new])
    return Incident(members[0], members, tuple(one.key for one in core), new.at, new.at, chance)


def tail(count: int, of: int, share: float) -> float:
    """An upper bound of the chance that a binomial variable of `of` draws at `share` is `count` or more (Chernoff)."""
    rate = count / of
    if rate <= share:
        return 1.0
    if rate >= 1.0:
        return float(share**of)
    divergence = rate * math.log(rate / share) + (1 - rate) * math.log((1 - rate) / (1 - share))
    return math.exp(-of * divergence)


def _joined(incident: Incident, new: Print) -> Incident:
    core = incident.core if len(incident.core) >= CORE else (*incident.core, new.key)
    return Incident(
        incident.key, (*incident.members, new.key), core, incident.opened, max(incident.last, new.at), incident.chance
    )


def _mixed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A finaliser that spreads every bit over all others (splitmix64, Steele et al. 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))

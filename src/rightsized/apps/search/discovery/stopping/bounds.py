"""Exact bounds for how many of a pile are responsive, from a random sample of it without replacement.

The hypergeometric test inverted (Buonaccorsi, "A note on confidence intervals for proportions in finite populations",
The American Statistician 1987). Knows nothing of documents or reviews. Standard library alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

SLACK = 1e-6  # log-gamma loses digits of large piles (1e-9 at a million); what is this near counts as not excluded


def at_most(seen: int, pile: int, responsive: int, drawn: int) -> float:
    """P(X <= seen), X the responsive ones among `drawn` of a pile that has `responsive` of them.

    >>> round(at_most(0, 10, 1, 5), 12)
    0.5
    """
    low, high = max(0, drawn - (pile - responsive)), min(drawn, responsive)
    if seen < low:
        return 0.0
    if seen >= high:
        return 1.0
    if seen - low > high - seen:  # fewer terms on the other side
        return 1.0 - _mass(seen + 1, high, pile, responsive, drawn)
    return _mass(low, seen, pile, responsive, drawn)


def most(seen: int, pile: int, drawn: int, delta: float) -> int:
    """The most responsive documents that the pile may have, wrong at most delta of the time.

    The largest number K with P(X <= seen; K) > delta. `pile` where nothing was drawn.

    >>> most(0, 1000, 1000, 0.05), most(0, 1000, 0, 0.05)
    (0, 1000)
    """
    low, high = seen, pile - (drawn - seen)  # K is at least `low`, where P = 1
    while low < high:
        middle = (low + high + 1) // 2
        if at_most(seen, pile, middle, drawn) > delta * (1 - SLACK):
            low = middle
        else:
            high = middle - 1
    return low


def fewest(seen: int, pile: int, drawn: int, delta: float) -> int:
    """The fewest responsive documents that the pile must have, wrong at most delta of the time."""
    return pile - most(drawn - seen, pile, drawn, delta)


def spent(delta: float, attempt: int) -> float:
    """What the attempt of this number, from 1, may spend of delta: all together never more than delta.

    >>> spent(0.05, 1), round(sum(spent(0.05, j) for j in range(1, 10_000)), 4)
    (0.025, 0.05)
    """
    return delta / (attempt * (attempt + 1))


class Seen(NamedTuple):
    """What a review has found and what a sample of its unread pile has shown.

    Args:
        reviewed: responsive documents among those that had been read when the sample was drawn.
        undecided: documents that had been read then and bear no decision now; any of them may be responsive.
        pile: documents that nobody had read then; `drawn` of them are the sample.
        responsive: responsive ones of the sample. unlabelled: those of it that nobody has decided on.
        found: responsive documents known now in the whole pile, the sample's included.
    """

    reviewed: int
    undecided: int
    pile: int
    drawn: int
    responsive: int
    unlabelled: int
    found: int


class Recall(NamedTuple):
    """The share of all responsive documents that is known: an estimate between two bounds.

    `low` alone holds at `delta` wrong; so does `high` alone. `most` responsive documents may be in the pile.
    """

    value: float
    low: float
    high: float
    most: int


def recall(seen: Seen, delta: float) -> Recall:
    """Recall of what is known now. The reviewed part is a count, not an estimate: only the pile is uncertain.

    A share known / (known + missed) falls with what is missed, so that a bound for the pile is one for recall. What of
    the sample nobody has decided on counts as responsive and missed.
    """
    known, worst = seen.reviewed + seen.found, seen.responsive + seen.unlabelled
    above = max(most(worst, seen.pile, seen.drawn, delta), seen.found)
    below = max(fewest(seen.responsive, seen.pile, seen.drawn, delta), seen.found)
    likely = max(seen.pile * worst / seen.drawn if seen.drawn else float(seen.pile), seen.found)
    shares = [_share(known, seen.reviewed + seen.undecided + pile) for pile in (likely, above, below)]
    return Recall(shares[0], shares[1], max(shares[2], shares[0]), above)


def _share(known: int, all_of_them: float) -> float:
    """Of nothing, everything has been found."""
    return known / all_of_them if all_of_them else 1.0


class Planned(NamedTuple):
    """A size for a sample. `none`: it is enough if none of it is responsive; `size`: it is enough `power` of the time
    where the review has really found `assumed` of the responsive documents. 0 where no size is.
    """

    none: int
    size: int
    assumed: float
    power: float


def planned(known: int, pile: int, target: float, delta: float, power: float = 0.8) -> Planned:
    """How many documents to draw so that a recall of `target` can be certified.

    Args:
        known: responsive documents found so far. pile: documents that nobody has read.
    """
    assumed = (1 + target) / 2
    allowed = min(math.floor(known / target - known + 1e-9), pile)  # missed ones with which the target still holds
    missed = min(math.ceil(known * (1 - assumed) / assumed), pile)
    if known == 0 or missed > allowed:
        return Planned(0, 0, assumed, power)
    if allowed >= pile:
        return Planned(1, 1, assumed, power)
    first = _first(pile, lambda drawn: at_most(0, pile, allowed + 1, drawn) <= delta * (1 - SLACK))
    size, step = first, 1.03
    while size < pile and _power(pile, missed, size, allowed, delta) < power:
        size = min(pile, math.ceil(size * step))
    return Planned(first, size, assumed, power)


def _power(pile: int, missed: int, drawn: int, allowed: int, delta: float) -> float:
    """How often a sample of this size certifies where `missed` are in the pile."""
    low, high = -1, drawn
    while low < high:  # the most responsive ones of a sample with which it certifies
        middle = (low + high + 1) // 2
        if at_most(middle, pile, allowed + 1, drawn) <= delta * (1 - SLACK):
            low = middle
        else:
            high = middle - 1
    return at_most(low, pile, missed, drawn) if low >= 0 else 0.0


def _first(pile: int, holds: Callable[[int], bool]) -> int:
    low, high = 1, pile
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _mass(first: int, last: int, pile: int, responsive: int, drawn: int) -> float:
    """P(first <= X <= last), the terms one from the other."""
    others = pile - responsive
    term = math.exp(_choose(responsive, first) + _choose(others, drawn - first) - _choose(pile, drawn))
    terms = [term]
    for x in range(first, last):
        term *= (responsive - x) * (drawn - x) / ((x + 1) * (others - drawn + x + 1))
        terms.append(term)
    return min(1.0, math.fsum(terms))


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

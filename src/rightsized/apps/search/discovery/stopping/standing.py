"""Where a review stands: how far it is, what the last batches brought, and what its samples show."""

from __future__ import annotations

from rightsized.apps.search.discovery.coding.batches import Batches
from rightsized.apps.search.discovery.records import PRIVILEGED
from rightsized.apps.search.discovery.review import Review
from rightsized.apps.search.discovery.stopping.bounds import Planned, Recall, planned, recall, spent
from rightsized.apps.search.discovery.stopping.certificate import RecallCertificate
from rightsized.apps.search.discovery.stopping.certifying import latest, stale
from rightsized.apps.search.discovery.stopping.samples import Samples, seen
from rightsized.core.frozen import Frozen

LAST = 100  # likely documents that tell how rich what comes now is
TARGET, DELTA = 0.8, 0.05  # of a sample where nobody says


class SampleStanding(Frozen, frozen=True):
    """A sample by now: what it shows at what it may spend of `delta`."""

    number: int
    attempt: int
    target: float
    delta: float
    drawn: int
    unlabelled: int
    responsive: int
    recall: Recall


class Standing(Frozen, frozen=True):
    """A set as one asker sees it.

    Args:
        likely: the last of those picked as likely and decided on; `likely_responsive` of them were responsive.
        plan: how large a sample would do, for TARGET and DELTA or those of the last sample.
        stale: why the certificate no longer holds; empty where it does, or there is none.
    """

    documents: int
    reviewed: int
    responsive: int
    privileged: int
    lent: int
    likely: int
    likely_responsive: int
    samples: tuple[SampleStanding, ...]
    plan: Planned
    certificate: RecallCertificate | None
    stale: str


def standing(review: Review, now: float) -> Standing:
    """How a review stands at a moment, seconds since 1970."""
    decided, history, batches = review.decided(), review.store.taggings(review.set), Batches(review.store, review.set)
    samples = Samples(review).all()
    likely = [one.document for one in batches.picked() if one.why == "likely" and one.document in decided][-LAST:]
    found, last = latest(review), samples[-1] if samples else None
    target, delta = (last.target, last.delta) if last else (TARGET, DELTA)
    level = spent(delta, (last.attempt if last else 0) + 1)
    stood = []
    for one in samples:
        shown = seen(one, history)
        bound = recall(shown, spent(one.delta, one.attempt))
        numbers = (one.number, one.attempt, one.target, one.delta, shown.drawn, shown.unlabelled, shown.responsive)
        stood.append(SampleStanding(*numbers, bound))
    return Standing(
        documents=len(review.documents),
        reviewed=len(decided),
        responsive=sum(decided.values()),
        privileged=len(review.holding(PRIVILEGED)),
        lent=sum(one in review.documents and one not in decided for one in batches.lent(now)),
        likely=len(likely),
        likely_responsive=sum(decided[one] for one in likely),
        samples=tuple(stood),
        plan=planned(sum(decided.values()), len(review.documents) - len(decided), target, level),
        certificate=found,
        stale=stale(review, found) if found else "",
    )

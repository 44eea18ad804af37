"""Makes the certificate of a set's newest sample, keeps it with the set, and says whether the last one still holds."""

from __future__ import annotations

import time

import msgspec

from rightsized.apps.search.discovery.records import DECIDING
from rightsized.apps.search.discovery.review import Review
from rightsized.apps.search.discovery.stopping import certificate as made
from rightsized.apps.search.discovery.stopping.certificate import Facts, RecallCertificate
from rightsized.apps.search.discovery.stopping.samples import Samples, seen
from rightsized.core.errors import CertificateError


def certify(review: Review, collection: str, secret: bytes, code_version: str) -> RecallCertificate:
    """Certify what the newest sample shows; the log is checked first.

    Raises CertificateError where it does not show enough, or the set has changed since it was drawn; NotFoundError
    where there is no sample; IntegrityError.
    """
    sample, log = Samples(review).last, review.store.log(review.set)
    history = review.store.taggings(review.set)
    frame = {**sample.frame.reviewed, **sample.frame.pile}
    if _contents(review) != frame:
        raise CertificateError(
            "The documents of the set, as you see them, are not those that the sample was drawn from.",
            fix="Draw another sample: rightsized search set sample",
        )
    facts = Facts(
        collection=collection,
        set=review.set.name,
        by=review.asker.reviewer,
        seen_as=review.asker.principals,
        created=time.time(),
        tagged_by=tuple(sorted({one.by for one in history if one.tag in DECIDING and one.document in frame})),
        log=log[-1].digest,
        code_version=code_version,
    )
    found = made.certify(sample, seen(sample, history), facts, secret)
    with review.store.writing():
        data = msgspec.json.encode(found).decode()
        review.store.execute("INSERT INTO certificates (sample, certificate) VALUES (?, ?)", (sample.number, data))
        review.store.add_log(review.set.number, review.asker, "certified", "", found.id)
    return found


def latest(review: Review) -> RecallCertificate | None:
    """The last certificate that was made of the set."""
    sql = """SELECT certificate FROM certificates WHERE sample IN (SELECT number FROM samples WHERE "set" = ?)
             ORDER BY number DESC LIMIT 1"""
    rows = review.store.rows(sql, (review.set.number,))
    return msgspec.json.decode(rows[0][0], type=RecallCertificate) if rows else None


def stale(review: Review, found: RecallCertificate) -> str:
    """Why a certificate of the set no longer holds, in words; empty where it does."""
    sample = next((one for one in Samples(review).all() if one.number == found.sample), None)
    if sample is None:
        return "its sample is not in this set"
    return made.why_stale(found, _contents(review), sample, seen(sample, review.store.taggings(review.set)))


def _contents(review: Review) -> dict[str, str]:
    return review.documents.contents

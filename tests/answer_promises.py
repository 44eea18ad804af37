"""A certificate of extracts in force, made without a test: for what follows from one."""

from __future__ import annotations

from rightsized.apps.search.answer import promises
from rightsized.apps.search.answer.choosing import DEFAULT
from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.query.search import FUSED
from rightsized.cascade.certificate import sign
from rightsized.core.types import Certificate, Interval
from rightsized.tasks.identity import SIGNING_SECRET


def promised(collection: Collection, least: float = 0.0) -> Certificate:
    """Keep a certificate of a collection's extracts, signed by its home; nothing is answered below `least`."""
    made = Certificate(
        id="", task=promises.task_of(collection.name, "extract"), state="certified", promise="selective_error",
        epsilon=0.1, delta=0.05, delta_spent=0.05, attempt=1, method="test", n=200, m=150, errors=5,
        rungs=("extract", "person"), thresholds=(least,), rejected=((least,),),
        local_share=Interval(0.8, 0.7, 0.9, 200), expected_cost=0.0, sampling="random", unit="questions",
        label_kind="people", out_of_scope_rows=0,
        digests=promises.digests_of(collection, FUSED, DEFAULT, "extract", ""), created=1.0, expires=1e12,
        expires_requests=100_000, code_version="0", sentence="At most 10% of the answers given here are wrong.",
    )  # fmt: skip
    signed = sign(made, promises.home_of(collection).secret(SIGNING_SECRET))
    promises.save(collection.folder, "extract", promises.Kept(signed, DEFAULT))
    return signed

"""From scored rows to a signed certificate: counts the attempt, calibrates, gathers the digests, signs.

The statistics are in `cascade`; this file only says what they are applied to.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import msgspec
import numpy as np

from rightsized import __version__
from rightsized.cascade.attempts import count_attempt
from rightsized.cascade.calibrate import calibrate
from rightsized.cascade.certificate import CertificateFacts, make_certificate
from rightsized.cascade.plan import Calibration, Plan
from rightsized.cascade.reference import REFERENCE_TEXTS, Reference
from rightsized.cascade.scores import Scores
from rightsized.core.types import Certificate, Frozen
from rightsized.store.home import Home
from rightsized.tasks.dataset import Dataset
from rightsized.tasks.evaluate import ScoredRows
from rightsized.tasks.identity import SIGNING_SECRET
from rightsized.tasks.slices import FitPlan, Slices

PERSON = "person"


class Certified(Frozen, frozen=True):
    """A certificate and the reference texts it is tied to."""

    certificate: Certificate
    reference: Reference


class Evidence(msgspec.Struct):
    """What a certificate is made from: the plan, the slices, and scores of train (out-of-fold) and calibrate rows."""

    plan: FitPlan
    slices: Slices
    selection: Scores
    scored: ScoredRows | None
    costs: tuple[float, ...]
    reference: Reference
    digests: dict[str, str]


def certify(evidence: Evidence) -> Certificate:
    """Calibrate and sign. A task without calibrate rows gets an `estimated` certificate, which promises nothing."""
    home, plan, slices = Home(evidence.plan.home), evidence.plan, evidence.slices
    found = _calibrate(home, evidence)
    facts = CertificateFacts(
        task=plan.task,
        rungs=("ngram", "head", PERSON),
        sampling=slices.sampling,
        digests=evidence.digests | {"reference": evidence.reference.digest},
        created=time.time(),
        code_version=__version__,
        out_of_scope_rows=_out_of_scope(slices.calibrate, plan.columns.multi_label),
    )
    return make_certificate(found, facts, home.secret(SIGNING_SECRET))


def _calibrate(home: Home, evidence: Evidence) -> Calibration:
    plan, targets = evidence.plan, evidence.plan.targets
    calibration = None
    attempt = 1
    if evidence.scored is not None and evidence.slices.calibrate is not None:
        groups = _groups(evidence.slices.calibrate)
        calibration = Scores(evidence.scored.score, evidence.scored.correct, groups)
        attempt = count_attempt(
            home.path, task=plan.task, rows=_row_digests(evidence.slices.calibrate), trial=_trial(evidence)
        )
    return calibrate(
        Plan(
            promise=targets.promise,
            epsilon=targets.max_error,
            delta=1 - targets.confidence,
            costs=evidence.costs,
            attempt=attempt,
            seed=plan.seed,
        ),
        evidence.selection,
        calibration,
    )


def _groups(data: Dataset) -> Sequence[str]:
    """A group id for every row where any row has one: a row without a conversation is one of its own."""
    if not any(data.groups):
        return ()
    return [group or f"\0{row}" for group, row in zip(data.groups, data.rows, strict=True)]


def _out_of_scope(data: Dataset | None, multi_label: bool) -> int:
    return 0 if data is None or multi_label else sum(not labels for labels in data.labels)


def _row_digests(data: Dataset) -> list[str]:
    """A digest of each labelled row, by which overlapping calibration data are known again."""
    rows = zip(data.texts, data.labels, strict=True)
    return [hashlib.sha256(msgspec.json.encode((text, sorted(labels)))).hexdigest()[:32] for text, labels in rows]


def _trial(evidence: Evidence) -> str:
    """What makes an attempt a new one: the models, the promise, the budget, the seed. The same again is no new look."""
    body = (evidence.digests, evidence.plan.targets, evidence.plan.seed)
    return hashlib.sha256(msgspec.json.encode(body)).hexdigest()


def slice_digest(data: Dataset | None) -> str:
    """`sha256:...` of a slice's texts and labels in order; of nothing where there is none."""
    digest = hashlib.sha256()
    for row in _row_digests(data) if data is not None else ():
        digest.update(row.encode())
    return f"sha256:{digest.hexdigest()}"


def make_reference(texts: Sequence[str], scores: np.ndarray) -> Reference:
    """Up to 64 texts, spread evenly, with their scores (n, rungs)."""
    picked = np.unique(np.linspace(0, len(texts) - 1, min(REFERENCE_TEXTS, len(texts))).astype(int))
    return Reference(tuple(texts[i] for i in picked), tuple(tuple(float(s) for s in scores[i]) for i in picked))

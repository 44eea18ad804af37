"""Certificates of fields: from a random sample whose fields people named, to a signed promise about each field.

A message counts as wrong for a field where a value that is found is none of those that people named. One that nobody
has read counts as wrong wherever anything is found in it. A fifth of the conversations, by a hash of their names,
chooses the confidence from which on values are taken; the rest tests it (docs/explanation/certificate.md).
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from rightsized import __version__
from rightsized.apps.triage.fields import promises
from rightsized.apps.triage.fields.sample import Drawn, Row, plain
from rightsized.apps.triage.fields.settings import FieldSettings
from rightsized.apps.triage.records import Extracted, Mail
from rightsized.cascade.attempts import count_attempt
from rightsized.cascade.bounds import clopper_pearson
from rightsized.cascade.calibrate import calibrate
from rightsized.cascade.certificate import CertificateFacts, make_certificate
from rightsized.cascade.plan import Plan
from rightsized.cascade.scores import Scores
from rightsized.cascade.seen import begin_record
from rightsized.cascade.sentence import PERSON, day
from rightsized.core.errors import DataError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Certificate, Interval, Targets
from rightsized.tasks.identity import SIGNING_SECRET

LEAST = 50  # messages that were read; fewer might leave none to choose by
CHOOSING = 5  # one conversation in so many chooses the threshold
CHOSEN_ON = "messages that were set apart for it"
TASK = "triage/{inbox}/{field}"

Found = Mapping[str, Sequence[Extracted]]  # field -> what was found in a message


class FieldResult(Frozen, frozen=True):
    """What was shown of a field. Of the messages read, `right`: where it is found, the share in which every value is
    right; `complete`: where it is, the share in which every value is found. Both are shown; neither is promised."""

    name: str
    certificate: Certificate
    right: Interval
    complete: Interval


class Sample(Frozen, frozen=True):
    """A sample that was read by people, beside what is found in each of its messages."""

    drawn: Drawn
    rows: tuple[Row, ...]
    found: tuple[dict[str, tuple[Extracted, ...]], ...]

    @property
    def unread(self) -> int:
        return sum(not one.read for one in self.rows)

    def names(self) -> list[str]:
        """The fields that are found in any of its messages."""
        return sorted({name for found in self.found for name in found})


def compare(drawn: Drawn, rows: Sequence[Row], extract: Callable[[Mail], tuple[Extracted, ...]]) -> Sample:
    """The sample beside what is found in it now. Raises DataError: too little of it was read."""
    done = sum(one.read for one in rows)
    if done < LEAST:
        raise DataError(
            f"{done} of the {len(rows)} messages are marked as read; at least {LEAST} are needed.",
            fix='Fill in "fields" of each message and set "read" to true.',
        )
    found = []
    for one in rows:
        by_name: dict[str, tuple[Extracted, ...]] = {}
        for field in extract(one.mail):
            by_name[field.name] = (*by_name.get(field.name, ()), field)
        found.append(by_name)
    return Sample(drawn, tuple(rows), tuple(found))


def certify(
    folder: Path,
    settings: FieldSettings,
    sample: Sample,
    targets: Targets,
    *,
    names: Sequence[str] = (),
    progress: Progress = no_progress,
) -> list[FieldResult]:
    """Test each field (all that were found, or `names`), and keep its certificate.

    Each is tested at the whole of delta, since each carries its own sentence. Raises StoreError, DataError.
    """
    home = promises.home_of(folder)
    begin_record(home.path)
    unknown = [one for one in names if one not in sample.names()]
    if unknown:
        raise DataError(f"{unknown[0]!r} was found in no message of the sample.", fix="Leave it out.")
    results, wanted = list[FieldResult](), names or sample.names()
    for done, name in enumerate(wanted):
        progress("certify", done, len(wanted))
        results.append(_certified(folder, settings, sample, targets, name))
    promises.keep(folder, {one.name: one.certificate for one in results})
    return results


def _certified(folder: Path, settings: FieldSettings, sample: Sample, targets: Targets, name: str) -> FieldResult:
    home, digests = promises.home_of(folder), promises.digests(folder, settings)
    scores = scores_of(sample, name)
    choosing = np.array([_chooses(one.mail) for one in sample.rows])
    rows = [_digest(one, name) for one in sample.rows]
    task = TASK.format(inbox=sample.drawn.inbox, field=name)
    asked = (targets.promise, targets.max_error, targets.confidence)
    trial = hashlib.sha256(msgspec.json.encode((digests, asked, name, __version__))).hexdigest()
    attempt = count_attempt(home.path, task=task, rows=rows, trial=trial)
    plan = Plan(targets.promise, targets.max_error, 1 - targets.confidence, (0.0, 1.0), attempt=attempt)
    found = calibrate(plan, scores.rows(choosing), scores.rows(~choosing))
    found = dataclasses.replace(found, method=found.method.replace("out-of-fold predictions", CHOSEN_ON))
    facts = CertificateFacts(
        task=task,
        rungs=(name, PERSON),
        sampling=_sampling(sample),
        digests=digests,
        created=time.time(),
        code_version=__version__,
        loss="field",
        outside="",
    )
    certificate = make_certificate(found, facts, home.secret(SIGNING_SECRET))
    seen = [one for one, row in enumerate(sample.rows) if row.read and sample.found[one].get(name)]
    right = clopper_pearson(int(scores.correct[seen, 0].sum()), len(seen))
    return FieldResult(name, certificate, right, completeness(sample, name))


def scores_of(sample: Sample, name: str) -> Scores:
    """Of each message the least confidence of the field's values (NaN where it has none), and whether all are right."""
    least, right = [], []
    for row, found in zip(sample.rows, sample.found, strict=True):
        values = found.get(name, ())
        least.append(min((one.confidence for one in values), default=np.nan))
        right.append(not values or (row.read and all(plain(one.value) in row.says(name) for one in values)))
    groups = [one.mail.thread or one.mail.key for one in sample.rows]
    return Scores(np.array(least, np.float64)[:, None], np.array(right, np.bool_)[:, None], groups)


def completeness(sample: Sample, name: str) -> Interval:
    """Of the messages read that have the field, the share in which every value was found: shown, never promised."""
    pairs = zip(sample.rows, sample.found, strict=True)
    seen = [
        row.says(name) <= {plain(one.value) for one in found.get(name, ())}
        for row, found in pairs
        if row.read and row.says(name)
    ]
    return clopper_pearson(sum(seen), len(seen))


def _chooses(mail: Mail) -> bool:
    thread = (mail.thread or mail.key).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(b"choose\0" + thread).digest()[:8], "big") % CHOOSING == 0


def _digest(row: Row, name: str) -> str:
    body = (name, row.message, row.read, sorted(row.says(name)))
    return hashlib.sha256(msgspec.json.encode(body)).hexdigest()[:32]


def _sampling(sample: Sample) -> str:
    drawn, unread = sample.drawn, sample.unread
    left = f", {unread:,} of all unread and counted as wrong where anything is found" if unread else ""
    return (
        f"tested of {drawn.messages:,} messages drawn at random among {drawn.among:,} of the inbox {drawn.inbox},"
        f" {day(drawn.since)} to {day(drawn.until)}{left}"
    )

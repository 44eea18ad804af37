"""Watches a served task: the promise by audits (an alarm), the messages by drift (a warning). Owns no statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from rightsized.cascade.drift import DriftWatch
from rightsized.core.config import AuditConfig
from rightsized.core.errors import IntegrityError
from rightsized.core.types import Attempt, Certificate, Reply
from rightsized.ledger.log import SqliteLedger
from rightsized.tasks.audits import AuditWatch
from rightsized.tasks.evaluate import ScoredRows, answered_by
from rightsized.tasks.fallback import Fallback
from rightsized.tasks.records import MonitorStatus

DRIFT_FILE = "drift.json"
RUNGS = ("ngram", "head")


def drift_reference(rows: ScoredRows, thresholds: tuple[float | None, ...]) -> dict[str, Sequence[float]]:
    """Scores and out-of-scope values of the rows that reach each rung: what drift is measured against."""
    by = answered_by(rows.score, thresholds)
    found: dict[str, Sequence[float]] = {}
    for k, rung in enumerate(RUNGS):
        reached = np.flatnonzero((by < 0) | (by >= k))
        if len(reached):
            found[f"{rung} score"] = [float(rows.score[i, k]) for i in reached]
            found[f"{rung} out of scope"] = [rows.predicted[k][i].out_of_scope for i in reached]
    return found


class TaskWatch:
    """The watch over one version of a task while it is served and recorded."""

    def __init__(
        self,
        folder: Path,
        certificate: Certificate,
        *,
        ledger: SqliteLedger,
        audit: AuditConfig,
        on_alarm: Callable[[str], None],
        fallback: Fallback | None = None,
    ) -> None:
        self._audits = AuditWatch(ledger, certificate, audit, on_alarm=on_alarm, fallback=fallback)
        reference = _read_drift(folder / DRIFT_FILE)
        self._watched = frozenset(reference)
        self._drift = DriftWatch(reference) if reference else None
        self._tickets = self._next = 0
        self._replies: dict[int, Reply | None] = {}  # those that wait for an earlier request's

    def begin(self) -> int:
        """A ticket for a request that starts now; every ticket must be handed to `see`."""
        self._tickets += 1
        return self._tickets - 1

    def see(self, ticket: int, reply: Reply | None) -> None:
        """Take in the reply to the ticket's request; None where there was none.

        Replies are looked at in the order in which their requests came. In the order of their replies, sure answers
        would come first, since they are fast, and look like drift.
        """
        self._replies[ticket] = reply
        while self._next in self._replies:
            ready = self._replies.pop(self._next)
            self._next += 1
            if ready is not None and self._drift is not None:
                for attempt in ready.attempts:
                    self._drift.see([(name, value) for name, value in _values(attempt) if name in self._watched])

    async def refresh(self) -> None:
        """Look at the audits again."""
        await self._audits.refresh()

    def status(self) -> MonitorStatus | None:
        """How the promise stands; None where there is none to watch."""
        if self._audits.status is None:
            return None
        return msgspec.structs.replace(self._audits.status, drift_warning=self.drift_warning())

    def drift_warning(self) -> str:
        """In words, what no longer looks like the calibration sample; empty where nothing is shown to."""
        return self._drift.warning() if self._drift is not None else ""


def drift_on_record(folder: Path, replies: Iterable[Reply]) -> str:
    """The warning that these replies of a version, in the order of their requests, come to; empty where they do not.

    Raises IntegrityError: the version's reference cannot be read.
    """
    reference = _read_drift(folder / DRIFT_FILE)
    if not reference:
        return ""
    watch = DriftWatch(reference)
    for reply in replies:
        for attempt in reply.attempts:
            watch.see([(name, value) for name, value in _values(attempt) if name in reference])
    return watch.warning()


def _values(attempt: Attempt) -> list[tuple[str, float]]:
    if attempt.prediction is None:
        return []
    outside = attempt.prediction.out_of_scope
    return [(f"{attempt.rung} score", attempt.score), (f"{attempt.rung} out of scope", outside)]


def _read_drift(path: Path) -> dict[str, Sequence[float]]:
    if not path.is_file():
        return {}
    try:
        reference = msgspec.json.decode(path.read_bytes(), type=dict[str, Sequence[float]])
    except msgspec.DecodeError as error:
        raise IntegrityError(f"{path} cannot be read: {error}.", fix="Fit the task again.") from None
    return reference

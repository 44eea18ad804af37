"""The review queue: messages that wait for a person, the labels given, and which of them may be used for what.

Labels of messages that the model handed up, and users' corrections, were selected by the model: they train and nothing
else. Labels of messages that the audit coin chose watch the promise and nothing else; who labels them sees no
suggestion. Nothing here decides which message is audited, nor what a label is worth.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from rightsized.core.errors import InputError, NotFoundError, StoreError
from rightsized.core.types import Decision, Frozen, Reply
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.schema import End, ReviewKind, ReviewRow, decode_review
from rightsized.tasks.dataset import OUT_OF_SCOPE, SEPARATOR
from rightsized.tasks.records import QueueItem, Review
from rightsized.tasks.written import RIGHT, MayRead, documents_of, in_words, is_written, shown

MAX_LABEL_CHARS = 1000
_QUEUE_KINDS: tuple[ReviewKind, ...] = ("audit", "abstained")

_IN_FORCE = "r.retracts IS NULL AND NOT EXISTS (SELECT 1 FROM reviews u WHERE u.retracts = r.seq)"
_LABELS = """coalesce(nullif(json_extract(CAST(s.record AS TEXT), '$.operation'), ''),
    CASE WHEN json_extract(CAST(s.record AS TEXT), '$.data_class') IS NULL THEN 'classify' ELSE '' END) = 'classify'
    """  # no verdict on text, `is_written`
_WAITING = """SELECT w.decision, w.task, opened(t.sha256, t.text), w.created, w.kind, e.record, s.record FROM waiting w
    JOIN starts s ON s.id = w.decision JOIN texts t ON t.sha256 = s.text_sha256 JOIN ends e ON e.id = w.decision"""
_OLDEST = "ORDER BY w.created, w.decision"
_REVIEWS = f"SELECT r.record FROM reviews r WHERE r.task = ? AND {_IN_FORCE}"  # noqa: S608 - constants only
_OF_DECISION = f"SELECT r.record FROM reviews r WHERE r.decision = ? AND {_IN_FORCE}"  # noqa: S608 - constants only
_TRAINING = f"""SELECT r.decision, opened(t.sha256, t.text), r.kind, r.record, opened_start(s.record) FROM reviews r
    JOIN starts s ON s.id = r.decision JOIN texts t ON t.sha256 = s.text_sha256
    WHERE r.task = ? AND s.audit = 0 AND r.kind IN ('abstained', 'feedback') AND {_IN_FORCE} AND {_LABELS}
    ORDER BY r.decision, r.kind = 'abstained', r.seq"""  # noqa: S608 - constants only
_VERDICTS = f"""SELECT opened(t.sha256, t.text), r.kind, r.record, opened_start(s.record), e.record FROM reviews r
    JOIN starts s ON s.id = r.decision JOIN ends e ON e.id = s.id JOIN texts t ON t.sha256 = s.text_sha256
    WHERE r.task = ? AND s.audit = 0 AND r.kind IN ('abstained', 'feedback') AND {_IN_FORCE} AND NOT {_LABELS}
    ORDER BY r.decision, r.kind = 'abstained', r.seq"""  # noqa: S608 - constants only
_TEXTLESS = f"""SELECT count(DISTINCT r.decision) FROM reviews r JOIN starts s ON s.id = r.decision
    WHERE r.task = ? AND s.audit = 0 AND r.kind IN ('abstained', 'feedback') AND {_IN_FORCE}
    AND NOT EXISTS (SELECT 1 FROM texts t WHERE t.sha256 = s.text_sha256)"""  # noqa: S608 - constants only
_AUDITS = f"""SELECT opened_start(s.record), e.record,
    (SELECT r.record FROM reviews r WHERE r.decision = s.id AND r.kind = 'audit' AND {_IN_FORCE})
    FROM starts s JOIN ends e ON e.id = s.id WHERE s.audit = 1 AND s.task = ?1 AND s.seq < coalesce(
        (SELECT min(o.seq) FROM starts o WHERE o.audit = 1 AND o.task = ?1 AND o.run = ?2
         AND NOT EXISTS (SELECT 1 FROM ends WHERE ends.id = o.id)), 9e18) ORDER BY s.seq"""  # noqa: S608 - constants only

_decode_end = msgspec.json.Decoder(End).decode
_decode_start = msgspec.json.Decoder(Decision).decode


class TrainingRow(Frozen, frozen=True):
    """A text that a person labelled, for training only. `conversation` is empty where the request named none."""

    decision: str
    text: str
    label: str
    kind: Literal["abstained", "feedback"]
    conversation: str = ""


class Verdict(Frozen, frozen=True):
    """What a person said of written text, for training only: the request's body as JSON, and the reply."""

    decision: str
    body: str
    right: bool
    kind: Literal["abstained", "feedback"]
    reply: Reply
    conversation: str = ""


class AuditOutcome(Frozen, frozen=True):
    """One throw of the coin that came up: what was answered, and what a person said, if one has yet.

    Of text that was written a person says whether it is right; a promise is about what was accepted here.
    """

    decision: str
    conversation: str
    started: float
    probability: float
    reply: Reply
    label: str | None = None
    reviewer: str = ""

    @property
    def local(self) -> bool:
        """Whether it was answered here, before the last rung."""
        return self.reply.certified if self.reply.completion is not None else self.reply.status == "answered"

    @property
    def wrong(self) -> bool | None:
        """Whether the answer given differs from the person's label; None while nobody has said."""
        if not self.local:
            return False
        return None if self.label is None else not agrees(self.reply, self.label)


def agrees(reply: Reply, label: str) -> bool:
    """Whether the labels answered are exactly those a person gave; of text, whether a person called it right."""
    if reply.completion is not None:
        return label == RIGHT
    return reply.output is not None and gave(reply.output.labels, label)


def gave(labels: tuple[str, ...], label: str) -> bool:
    """Whether these labels are exactly those a person gave, several written as in a data file: `a|b`.

    As in calibration, `out_of_scope` says that no label fits: right only where none was answered, in a task of several.
    """
    given = {part.strip() for part in label.split(SEPARATOR)} - {OUT_OF_SCOPE}
    return labels == (label,) or set(labels) == given


class ReviewQueue:
    """What waits, what was said, and how to say it.

    Args:
        reader: reads the decisions.
        ledger: writes labels; None for a queue that is only looked at.
    """

    def __init__(
        self, reader: LedgerReader, ledger: SqliteLedger | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._reader = reader
        self._ledger = ledger
        self._clock = clock

    def waiting(self, task: str | None = None, limit: int = 100, may_read: MayRead | None = None) -> list[QueueItem]:
        """Messages that wait for a person, oldest first, of one task or of all. Audit items carry no suggestion.

        Args:
            may_read: whether somebody may see all of these documents; what quotes others is passed over. None: all may.
        """
        found: list[QueueItem] = []
        after: tuple[float, str] = (-math.inf, "")
        while len(found) < limit:
            rows = self._page(task, after, limit)
            items = [self._item(*row) for row in rows if row[2] is not None]  # sealed, and the key destroyed just now
            found += [one for one in items if may_read is None or not one.documents or may_read(one.documents)]
            if len(rows) < limit:
                break
            after = (rows[-1][3], rows[-1][0])
        return found[:limit]

    def _page(self, task: str | None, after: tuple[float, str], limit: int) -> list[tuple[Any, ...]]:
        of_task = "" if task is None else " AND w.task = ?3"
        sql = f"{_WAITING} WHERE (w.created, w.decision) > (?1, ?2){of_task} {_OLDEST} LIMIT {limit:d}"
        return self._reader.query(sql, after if task is None else (*after, task))

    def _item(
        self, decision: str, task: str, text: str, created: float, kind: ReviewKind, end: bytes, start: bytes
    ) -> QueueItem:
        begun, last = _decode_start(start), _decode_end(end)
        reply = last.reply
        if is_written(begun):
            written = shown(reply, text, self.text_of)
            words, documents = in_words(written.turns), documents_of(begun, last)
            return QueueItem(decision, task, words, created, kind, written=written, documents=documents)
        suggestion = reply.suggestion if reply is not None and kind != "audit" else None
        return QueueItem(decision, task, text, created, kind, suggestion)

    def text_of(self, sha256: str) -> str | None:
        """A text that is kept apart, by its digest; None once retention deleted it."""
        return self._reader.text_of(sha256)

    def count(self, task: str | None = None) -> int:
        """How many messages wait."""
        if task is None:
            return int(self._reader.query("SELECT count(*) FROM waiting")[0][0])
        return int(self._reader.query("SELECT count(*) FROM waiting WHERE task = ?", (task,))[0][0])

    async def label(self, decision_id: str, label: str, reviewer: str) -> Review:
        """Say what the right label of a queued message is; a second label replaces the first.

        Raises NotFoundError (no such decision), InputError (an empty label, or the decision never waited), StoreError.
        """
        decision, reply = self._answered(decision_id)
        if not decision.audit and reply.status != "abstained":
            raise InputError(
                f"Decision {decision_id} was answered and not audited; it does not wait for a label.",
                fix="To correct an answer, send feedback.",
            )
        return await self._write(decision, "audit" if decision.audit else "abstained", label, reviewer)

    async def feedback(self, decision_id: str, label: str, reviewer: str) -> Review:
        """Keep a user's correction of an answer. It trains; it never calibrates and never counts in an audit.

        Raises NotFoundError (no such decision), InputError (an empty label, or there was no reply), StoreError.
        """
        decision, _ = self._answered(decision_id)
        return await self._write(decision, "feedback", label, reviewer)

    async def undo(self, decision_id: str, reviewer: str = "") -> Review:
        """Take back the label in force: the reviewer's if there is one (the message waits again), else the feedback.

        Returns the label taken back. Raises NotFoundError (no such decision, or it has no label), StoreError.
        """
        self._decision(decision_id)
        return _review(await self._writer().retract(decision_id, (*_QUEUE_KINDS, "feedback"), reviewer=reviewer))

    def reviews(self, task: str, kind: ReviewKind | None = None) -> list[Review]:
        """Labels in force, oldest first; of one kind, or of all."""
        where, values = ("", (task,)) if kind is None else (" AND r.kind = ?", (task, kind))
        rows = self._reader.query(f"{_REVIEWS}{where} ORDER BY r.seq", values)
        return [_review(decode_review(record)) for (record,) in rows]

    def labels_of(self, decision_id: str) -> list[Review]:
        """Labels in force for one decision: first the one that `undo` takes back, the reviewer's before the user's."""
        rows = self._reader.query(f"{_OF_DECISION} ORDER BY r.kind = 'feedback', r.seq DESC", (decision_id,))
        return [_review(decode_review(record)) for (record,) in rows]

    def training_rows(self, task: str) -> list[TrainingRow]:
        """Labelled texts that may train and must not calibrate, one a decision; the reviewer's word before the user's.

        Audited decisions are left out whatever was said of them: their labels must stay independent of training.
        So are texts that retention has deleted.
        """
        found = {
            decision: TrainingRow(decision, text, decode_review(record).label, kind, _decode_start(start).conversation)
            for decision, text, kind, record, start in self._reader.query(_TRAINING, (task,))
            if text is not None
        }
        return list(found.values())

    def verdicts(self, task: str) -> list[Verdict]:
        """What was said of written text, by the rules of `training_rows`."""
        found: dict[str, Verdict] = {}
        for body, kind, record, start, end in self._reader.query(_VERDICTS, (task,)):
            begun, reply = _decode_start(start), _decode_end(end).reply
            if reply is not None and body is not None:
                right = decode_review(record).label == RIGHT
                found[begun.id] = Verdict(begun.id, body, right, kind, reply, begun.conversation)
        return list(found.values())

    def without_text(self, task: str) -> int:
        """How many labelled decisions could train had retention not deleted their texts."""
        return int(self._reader.query(f"{_TEXTLESS} AND {_LABELS}", (task,))[0][0])

    def audit_outcomes(self, task: str, *, certificate: str | None = None) -> list[AuditOutcome]:
        """Decisions that the coin chose, in the order of the requests, labelled or not.

        Ends before the first one that is still being answered: the order of what is returned never changes later.

        Args:
            certificate: only those answered under this certificate.
        """
        outcomes = []
        for start, end, review in self._reader.query(_AUDITS, (task, self._reader.live_run())):
            reply = _decode_end(end).reply
            if reply is None or certificate not in (None, reply.certificate):
                continue
            begun = _decode_start(start)
            said = decode_review(review) if review else None
            outcomes.append(
                AuditOutcome(
                    decision=begun.id,
                    conversation=begun.conversation,
                    started=begun.started,
                    probability=begun.audit_probability,
                    reply=reply,
                    label=said.label if said else None,
                    reviewer=said.reviewer if said else "",
                )
            )
        return outcomes

    def verdicts_without_text(self, task: str) -> int:
        """How many verdicts could train had retention not deleted their prompts."""
        return int(self._reader.query(f"{_TEXTLESS} AND NOT {_LABELS}", (task,))[0][0])

    async def _write(self, decision: Decision, kind: ReviewKind, label: str, reviewer: str) -> Review:
        label = label.strip()
        if not label or len(label) > MAX_LABEL_CHARS:
            raise InputError(f"A label has 1 to {MAX_LABEL_CHARS} characters; this one has {len(label)}.")
        row = ReviewRow(decision.id, decision.task, kind, label, reviewer, self._clock())
        await self._writer().review(row)
        return _review(row)

    def _answered(self, decision_id: str) -> tuple[Decision, Reply]:
        decision = self._decision(decision_id)
        if decision.reply is None:
            raise InputError(
                f"Decision {decision_id} has no reply (it is {decision.phase}); there is nothing to judge."
            )
        if decision.dry_run:
            raise InputError(
                f"Decision {decision_id} was made in a dry run, of which nothing counts.",
                fix="Label the decision that is made once the message is taken in: rightsized triage run",
            )
        return decision, decision.reply

    def _decision(self, decision_id: str) -> Decision:
        decision = self._reader.get(decision_id)
        if decision is None:
            raise NotFoundError(f"There is no decision {decision_id!r}.")
        return decision

    def _writer(self) -> SqliteLedger:
        if self._ledger is None:
            raise StoreError("These decisions were opened for reading only.", fix="Label through the running server.")
        return self._ledger


def _review(row: ReviewRow) -> Review:
    return Review(row.decision, row.task, row.label, row.reviewer, row.created, row.kind)

"""Finds decisions by anything that their record says, a page at a time; SQLite narrows down what it has columns for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from rightsized.core.frozen import Frozen
from rightsized.core.types import Decision
from rightsized.ledger.reader import LedgerReader, Search

PAGE = 500  # decisions read at a time


class Wanted(Frozen, frozen=True):
    """Which decisions; None asks nothing. Times in seconds since the epoch; `since` is included, `until` is not.

    Args:
        label: the label answered, or one of several.
        certificate: the id of the certificate that the answer was given under.
        rule: the id of a rule of the policy that said something.
        rung: a rung or tier that was tried.
        model: the digest of a model that was tried.
        subject: whom it is about, while their key exists.
    """

    task: str | None = None
    since: float | None = None
    until: float | None = None
    status: Literal["answered", "abstained", "failed", "open"] | None = None
    tier: int | None = None
    audit: bool | None = None
    tenant: str | None = None
    key: str | None = None
    label: str | None = None
    certificate: str | None = None
    rule: str | None = None
    rung: str | None = None
    model: str | None = None
    subject: str | None = None
    conversation: str | None = None

    def search(self, reference: str | None = None) -> Search:
        """What SQLite can sieve by. `reference`: what stands for the subject in the log."""
        return Search(
            task=self.task,
            since=self.since,
            until=self.until,
            status=self.status,
            tier=self.tier,
            audit=self.audit,
            begun=_given(self.tenant, self.key, self.conversation),
            ended=_given(self.label, self.certificate, self.rule, self.rung, self.model),
            subject=reference,
        )

    def matches(self, one: Decision) -> bool:
        """Whether the rest holds too."""
        reply, attempts = one.reply, one.tried or ()
        labels = reply.output.labels if reply and reply.output else ()
        found: dict[str, tuple[object, ...]] = {
            "tenant": (one.tenant,),
            "key": (one.key,),
            "subject": (one.subject,),
            "conversation": (one.conversation,),
            "certificate": (reply.certificate,) if reply else (),
            "label": (reply.label, *labels) if reply else (),
            "rule": tuple(verdict.rule for verdict in one.verdicts),
            "rung": tuple(attempt.rung for attempt in attempts),
            "model": tuple(attempt.model for attempt in attempts),
        }
        return all(getattr(self, name) in (None, *values) for name, values in found.items())


def find(reader: LedgerReader, wanted: Wanted) -> Iterator[Decision]:
    """Decisions as wanted, newest first."""
    reference = reader.reference(wanted.subject) if wanted.subject else None
    if wanted.subject and reference is None:
        return
    before: str | None = None
    while page := reader.search(wanted.search(reference), limit=PAGE, before=before):
        yield from (one for one in page if wanted.matches(one))
        before = page[-1].id


def _given(*words: str | None) -> tuple[str, ...]:
    return tuple(word for word in words if word)

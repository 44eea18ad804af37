"""How many requests a version has answered and handed up: what its certificate's number of requests is held against."""

from __future__ import annotations

from msgspec import Struct

from rightsized.core.types import Certificate, Reply
from rightsized.ledger.reader import LedgerReader

CLOCK_SLACK_S = 86_400.0  # a clock may have been set back since a version was made
_OUTCOMES = """SELECT e.status, count(*) FROM starts s JOIN ends e ON e.id = s.id WHERE s.task = ? AND s.started >= ?
    AND json_extract(CAST(s.record AS TEXT), '$.version') = ? GROUP BY e.status"""


class Counts(Struct):
    """Requests of one version, and so under one certificate, those recorded before this process included."""

    answered: int = 0
    abstained: int = 0

    @property
    def requests(self) -> int:
        return self.answered + self.abstained

    def add(self, reply: Reply) -> None:
        """Count a reply."""
        if reply.output is None:
            self.abstained += 1
        else:
            self.answered += 1


def version_counts(reader: LedgerReader, certificate: Certificate, version: str) -> Counts:
    """Decisions recorded for one version of a task, the one that the certificate belongs to."""
    found = dict(reader.query(_OUTCOMES, (certificate.task, certificate.created - CLOCK_SLACK_S, version)))
    return Counts(answered=found.get("answered", 0), abstained=found.get("abstained", 0))

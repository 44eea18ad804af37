"""Whether the queue is what follows from the entries: who deletes a row of it by hand keeps a message from review.

Not compared: rows that ought to have gone (the queue passes over what has no text), and whose text was deleted.
"""

from __future__ import annotations

from collections.abc import Iterator

from rightsized.core.types import ANSWER
from rightsized.ledger.columns import DRY_RUN
from rightsized.ledger.schema import Query

MOST = 20  # named

_WRITTEN = "CAST(e.record AS TEXT)"
_LABELLED = """SELECT 1 FROM reviews r WHERE r.decision = e.id AND r.kind <> 'feedback' AND r.retracts IS NULL
    AND NOT EXISTS (SELECT 1 FROM reviews u WHERE u.retracts = r.seq)"""
_UNANSWERED = f"""e.status = 'abstained'
    AND json_extract(CAST(s.record AS TEXT), '$.operation') IS NOT '{ANSWER}'"""
_WAITS = f"""(({_UNANSWERED}) OR (e.status = 'answered' AND (
    json_extract({_WRITTEN}, '$.reply.completion') IS NULL OR json_extract({_WRITTEN}, '$.reply.certified'))))"""
# As schema.waits; each of two statements by its own index: what nobody answered, and what the coin chose.
_OWED = f"""SELECT e.id FROM ends e JOIN starts s ON s.id = e.id JOIN texts t ON t.sha256 = s.text_sha256
    WHERE {_UNANSWERED} AND e.task NOT GLOB '{DRY_RUN}*'
    AND NOT EXISTS ({_LABELLED}) AND e.id NOT IN (SELECT decision FROM waiting)
    UNION SELECT e.id FROM starts s JOIN ends e ON e.id = s.id JOIN texts t ON t.sha256 = s.text_sha256
    WHERE s.audit = 1 AND {_WAITS} AND NOT EXISTS ({_LABELLED}) AND e.id NOT IN (SELECT decision FROM waiting)
    LIMIT {MOST}"""  # noqa: S608 - constants only
_ALTERED = f"""SELECT w.decision FROM waiting w JOIN starts s ON s.id = w.decision WHERE w.task <> s.task
    OR w.kind <> CASE s.audit WHEN 1 THEN 'audit' ELSE 'abstained' END LIMIT {MOST}"""  # noqa: S608 - constants only


def problems(query: Query) -> Iterator[str]:
    """What is wrong with the queue, in words. Raises StoreError where a record is no JSON."""
    for (decision,) in query(_OWED, ()):
        yield f"Decision {decision} waits for a person by its record, and is not in the queue."
    for (decision,) in query(_ALTERED, ()):
        yield f"Decision {decision} stands in the queue under another task or kind than its record says."

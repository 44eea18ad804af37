"""Whether an alarm has sounded since these rows were first used here, in whatever part: then they certify nothing more.

An alarm says that traffic is no longer what it was. Only labels of later traffic can speak for it; another seed,
another label or another name for a file makes no row any later.
"""

from __future__ import annotations

from collections.abc import Sequence

from rightsized.cascade.seen import share_seen_before, unknown_before
from rightsized.cascade.sentence import day
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks.audits import alarms_of
from rightsized.tasks.records import Finding

STALE = 0.5  # share of rows used before an alarm from which they are not fresh; traffic repeats some texts
OUTLIVED, UNKNOWN = "outlived", "unknown-history"


def outlived(home: Home, task: str, parts: Sequence[Sequence[tuple[str, str]]]) -> list[Finding]:
    """What is to be said of the rows that a test would rest on; one of kind OUTLIVED forbids the test.

    Args:
        parts: the rows of each slice, as `share_seen_before` takes them.
    """
    if not home.decisions.is_file():
        return []
    with LedgerReader(home.decisions) as reader:
        alarms = alarms_of(reader, task)
    if not alarms:
        return []
    moment = alarms[-1].created
    if any(share_seen_before(home.path, rows, moment) >= STALE for rows in parts):
        message = (
            f"An alarm sounded on {day(moment)}, and rows of this calibrate slice were in use before it, to train or to"
            " calibrate: they can no longer certify anything. Label a fresh random sample of the traffic and calibrate"
            " on that."
        )
        return [Finding(OUTLIVED, message)]
    if unknown_before(home.path, moment):
        message = (
            f"An alarm sounded on {day(moment)}. Which rows had trained by then was not yet kept, so that only those"
            " that had calibrated are known again: see to it that these are of later traffic."
        )
        return [Finding(UNKNOWN, message)]
    return []

"""Headings of corpus rows, read off their ids: legal texts are often numbered so that `4.2.(1)` stands under `4.2`.

A row is a heading of another of the same document where its id, without closing punctuation, begins the other's id at
the end of a number, and its text is short. Ids that are mere counters (`doc#12`) give no headings.
"""

from __future__ import annotations

from collections.abc import Sequence

from rightsized.apps.search.evaluate.beir import Row

LONGEST_HEADING = 15  # words
_ENDS = ".("  # what follows a whole number or name in an id
_CLOSING = ". "


def paths(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The headings above each row, outermost first; empty where its id names none."""
    heads = {
        (row.document, row.id.rstrip(_CLOSING)): row.text.strip()
        for row in rows
        if 0 < len(row.text.split()) <= LONGEST_HEADING
    }
    return [tuple(heads[key] for key in _above(row) if key in heads) for row in rows]


def _above(row: Row) -> list[tuple[str, str]]:
    """What ids of headings of this row could be, shortest first."""
    own = row.id.rstrip(_CLOSING)
    cuts = [at for at in range(1, len(own)) if own[at] in _ENDS or own[at - 1] == ")"]
    found = dict.fromkeys(own[:at].rstrip(_CLOSING) for at in cuts)
    return [(row.document, one) for one in found if one and one != own]

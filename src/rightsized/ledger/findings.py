"""What a check of the log found, and what it looked at."""

from __future__ import annotations

from typing import Literal

from rightsized.core.frozen import Frozen

FindingKind = Literal[
    "damaged",  # SQLite finds the file unsound
    "missing",  # an entry is not there
    "extra",  # an entry that no head covers, or two with one number
    "altered",  # entries are not those that were signed
    "copy",  # a column for searching says something else than its record
    "text",  # a text is not the one that its digest names
    "tree",  # a kept hash is wrong
    "signature",  # a checkpoint is not signed by the log's key, or was altered
    "key",  # a change of keys, or the key itself, is not what is trusted
    "rollback",  # a checkpoint kept elsewhere knows of more entries
    "rewritten",  # a checkpoint kept elsewhere has another root
    "journal",  # the egress journal is not what the log says it was
    "queue",  # what waits for a person is not what follows from the entries
]


class Finding(Frozen, frozen=True):
    """One thing wrong: what, where (the entry's number, 0 for none), in words."""

    kind: FindingKind
    entry: int
    words: str


class Verification(Frozen, frozen=True):
    """The outcome of a check.

    Args:
        ok: nothing was found wrong.
        entries: entries under the head.
        since: entries that a given checkpoint vouched for, so that they were not read again.
        checkpoints: kept checkpoints compared; `external`: those kept elsewhere.
        texts: texts compared with their digests.
        key: the key that signs now, as a verifier key; empty where nobody signs.
        trusted: whether the keys were compared with one that the caller trusts.
        checkpoint: the head's checkpoint, to be kept elsewhere.
        findings: what is wrong, at most `MOST_FINDINGS`.
        journal_bytes: of the egress journal that were compared.
    """

    ok: bool
    origin: str
    entries: int
    since: int
    checkpoints: int
    external: int
    texts: int
    key: str
    trusted: bool
    checkpoint: str
    findings: tuple[Finding, ...]
    seconds: float
    journal_bytes: int = 0


MOST_FINDINGS = 100


class Findings:
    """Gathers findings, the first hundred."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    @property
    def full(self) -> bool:
        """Whether more would be passed over."""
        return len(self.found) >= MOST_FINDINGS

    def add(self, kind: FindingKind, entry: int, words: str) -> None:
        if not self.full:
            self.found.append(Finding(kind, entry, words))

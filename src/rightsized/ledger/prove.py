"""Proofs that stand alone: what a decision's record says, and that it is in the log whose checkpoint was signed.

A proof file is JSON: entries exactly as they were hashed, their paths to the root, the signed checkpoint, and the chain
of keys with proofs of its own. docs/verify_proof.py checks one without this package. Texts are not in it unless asked
for: a record holds their digests.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Literal

from msgspec import field, structs

from rightsized.core.errors import NotFoundError, ProofError
from rightsized.core.frozen import Frozen
from rightsized.ledger.head import stored_chain
from rightsized.ledger.log_keys import KeyChain
from rightsized.ledger.notes import Checkpoint, parse_checkpoint
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.schema import LogRow, Table
from rightsized.ledger.tree import StoredTree, log_rows

FORMAT = "rightsized-proof/v1"


class ProvenEntry(Frozen, frozen=True):
    """An entry and its path: `record` is the text that was hashed, `path` hashes in base64 from the leaf up."""

    seq: int
    table: Table
    record: str
    path: tuple[str, ...]


class Proof(Frozen, frozen=True):
    """A proof file.

    Args:
        kind: `inclusion`: the entries are in the log. `consistency`: the log began as `older` says.
        key: the first key of the log, as a verifier key; the reader must know from elsewhere that it is ours.
        handovers: entries by which one key hands over to the next, in order.
        checkpoint: the signed checkpoint whose root the paths lead to.
        consistency: hashes in base64 that lead from `older` to `checkpoint`.
        texts: by the digest that the record holds.
        text_key: hexadecimal; the key of these digests where the decision is sealed. It opens nothing.
    """

    format: str
    kind: Literal["inclusion", "consistency"]
    key: str
    handovers: tuple[ProvenEntry, ...]
    checkpoint: str
    entries: tuple[ProvenEntry, ...] = ()
    older: str = ""
    consistency: tuple[str, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)
    text_key: str = ""


class Prover:
    """Makes proofs from a log open for reading.

    Raises ProofError where the log is not signed.
    """

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader
        self._tree = StoredTree(reader.query)
        chain = stored_chain(reader.query)
        self.note: str = reader.query("SELECT note FROM head")[0][0]
        if chain is None or not self.note:
            raise ProofError("This log is not signed, so nothing in it can be proven.", fix="Run: rightsized serve")
        self.chain: KeyChain = chain
        self.head = parse_checkpoint(self.note)

    def decision(self, decision_id: str, *, with_texts: bool = False) -> Proof:
        """That a decision is in the log, with all that was recorded of it. Raises NotFoundError.

        Args:
            with_texts: put the texts into the proof whose digests the record holds, where they are still kept.
        """
        rows = self._reader.query(
            "SELECT seq FROM starts WHERE id = ?1 UNION ALL SELECT seq FROM ends WHERE id = ?1 "
            "UNION ALL SELECT seq FROM reviews WHERE decision = ?1 ORDER BY 1",
            (decision_id,),
        )
        seqs = [seq for (seq,) in rows if seq <= self.head.size]
        if not seqs:
            raise NotFoundError(
                f"There is no decision {decision_id!r} in this log.", fix="See: rightsized ledger search"
            )
        texts = self._texts(decision_id) if with_texts else {}
        proof = self._proof("inclusion", entries=tuple(self._proven(seq) for seq in seqs), texts=texts)
        return structs.replace(proof, text_key=self._reader.text_key(decision_id).hex()) if texts else proof

    def consistency(self, older: Checkpoint, newer: Checkpoint | None = None) -> Proof:
        """That the log of `newer` (default: as it is now) began as the log of `older`. Raises ProofError."""
        newer = newer or self.head
        for checkpoint in (older, newer):
            if checkpoint.origin != self.head.origin:
                raise ProofError(f"The checkpoint is of another log: {checkpoint.origin}.")
            if checkpoint.size > self.head.size:
                raise ProofError(
                    f"The checkpoint covers {checkpoint.size:,} entries and the log has {self.head.size:,}.",
                    fix="The log was set back: see rightsized ledger verify --against FILE",
                )
        path = encoded(self._tree.consistency(older.size, newer.size))
        return self._proof("consistency", newer, older=str(older.note), consistency=path)

    def cosigned(self) -> str:
        """The newest checkpoint that a witness signed too, with the witness's signatures. Raises NotFoundError."""
        rows = self._reader.query(
            "SELECT c.note, w.lines FROM cosignatures w JOIN checkpoints c ON c.size = w.size "
            "WHERE w.size = (SELECT max(size) FROM cosignatures)"
        )
        if not rows:
            raise NotFoundError("No witness has signed a checkpoint of this log.", fix="Name one in ledger.sinks.")
        return str(rows[0][0]) + "".join(dict.fromkeys(lines for _, lines in rows))

    def _proof(
        self,
        kind: Literal["inclusion", "consistency"],
        checkpoint: Checkpoint | None = None,
        *,
        entries: tuple[ProvenEntry, ...] = (),
        older: str = "",
        consistency: tuple[str, ...] = (),
        texts: dict[str, str] | None = None,
    ) -> Proof:
        under = checkpoint or self.head
        handed = tuple(self._proven(h.seq, under.size) for h in self.chain.handovers if h.seq <= under.size)
        return Proof(
            FORMAT, kind, str(self.chain.first), handed, str(under.note), entries, older, consistency, texts or {}
        )

    def _proven(self, seq: int, size: int | None = None) -> ProvenEntry:
        (row,) = log_rows(self._reader.query, seq - 1, seq)
        path = self._tree.inclusion(seq - 1, size or self.head.size)
        return ProvenEntry(row.seq, row.table, _text(row), encoded(path))

    def _texts(self, decision_id: str) -> dict[str, str]:
        found = self._reader.get(decision_id)
        if found is None:
            return {}
        digests = {found.text_sha256} | {a.completion.sha256 for a in found.tried or () if a.completion}
        texts = ((digest, self._reader.text_of(digest)) for digest in sorted(digests))
        return {digest: text for digest, text in texts if text is not None}


def encoded(hashes: Sequence[bytes]) -> tuple[str, ...]:
    """Hashes in base64."""
    return tuple(base64.b64encode(one).decode() for one in hashes)


def _text(row: LogRow) -> str:
    try:
        return row.record.decode()
    except UnicodeDecodeError:
        raise ProofError(f"Entry {row.seq:,} was altered: it is not text.") from None

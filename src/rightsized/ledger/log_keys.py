"""The keys that sign a log's checkpoints: one at a time, each handed over to by the one before it.

The first key is named in the log's file. A handover is an event of the log: a note that names the next key, signed by
the key before and by the next one. From the entry of a handover on, the next key signs. Who trusts the first key, or
any later one, can so follow the chain. The secret halves live outside the log's file (`Secrets`).
"""

from __future__ import annotations

import re
import secrets as random
from collections.abc import Sequence
from typing import Protocol

from rightsized.core.errors import IntegrityError, ProofError
from rightsized.core.frozen import Frozen
from rightsized.ledger.notes import KEY_BYTES, Note, Signer, VerifierKey, parse_key, parse_note

PREFIX = "log-"  # begins the names of all logs' keys
HANDOVER = "rightsized log key v1"
LOST = "rightsized log key v1, the key before was lost"


class Secrets(Protocol):
    """Small secret files: private to their owner, written whole or not at all."""

    def names(self) -> list[str]: ...

    def read(self, name: str) -> bytes | None: ...

    def create(self, name: str, value: bytes) -> bool:
        """Durable when this returns; False where the name is taken."""
        ...


class Handover(Frozen, frozen=True):
    """A change of keys: the entry that says so, and what it says."""

    seq: int
    note: Note
    key: VerifierKey

    @property
    def lost(self) -> bool:
        """Whether it says that the key before was lost, so that it could not sign."""
        return self.note.text.startswith(f"{LOST}\n")


class KeyChain(Frozen, frozen=True):
    """The keys of a log, and from which number of entries on each signs."""

    origin: str
    first: VerifierKey
    handovers: tuple[Handover, ...] = ()

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        return (self.first, *(handover.key for handover in self.handovers))

    def at(self, size: int) -> VerifierKey:
        """The key that signs a checkpoint of `size` entries."""
        return next((h.key for h in reversed(self.handovers) if h.seq <= size), self.first)

    def signers(self, size: int, since: int | None = None) -> set[VerifierKey]:
        """The keys that must have signed a checkpoint of `size` entries.

        Args:
            since: entries of the checkpoint kept before: a key that was followed by another since then signs as well.
        """
        followed = (h for h in self.handovers if since is not None and since < h.seq <= size and not h.lost)
        return {self.at(size), *(self.at(handover.seq - 1) for handover in followed)}

    def problems(self) -> list[tuple[int, str]]:
        """What is wrong with the handovers: (entry, words). Empty where each was signed by the key before it."""
        found, before = [], self.first
        for handover in self.handovers:
            signers = _signers(handover, before)
            if handover.note.text != handover_text(self.origin, handover.key):
                words = "says that the key before was lost" if handover.lost else "speaks of another log or key"
                found.append((handover.seq, f"The change to key {handover.key.id.hex()} {words}."))
            elif {before, handover.key} - set(signers):
                found.append((handover.seq, f"The change to key {handover.key.id.hex()} is not signed by both keys."))
            before = handover.key
        return found


def _signers(handover: Handover, before: VerifierKey) -> list[VerifierKey]:
    try:
        return handover.note.signed_by([before, handover.key])
    except ProofError:
        return []


def read_chain(origin: str, first: str, handovers: Sequence[tuple[int, str]]) -> KeyChain:
    """Put the chain together from the first key and the events' notes, by entry. Raises ProofError."""
    found = []
    for seq, detail in handovers:
        note = parse_note(detail)
        named = note.text.rstrip("\n").rpartition("\n")[2]
        found.append(Handover(seq, note, parse_key(named)))
    return KeyChain(origin, parse_key(first), tuple(found))


def handover_text(origin: str, key: VerifierKey, *, lost: bool = False) -> str:
    """What is signed when `key` takes over."""
    return f"{LOST if lost else HANDOVER}\n{origin}\n{key}\n"


def handover_note(before: Signer | None, after: Signer) -> str:
    """The note by which `before` hands over to `after`; None where the key before was lost."""
    text = handover_text(after.key.name, after.key, lost=before is None)
    return text + "\n" + (before.line(text) if before else "") + after.line(text)


class LogKeys:
    """The secret keys of one log, in files `log-ORIGIN-NUMBER`.

    Args:
        secrets: where the files are.
        origin: of the log.
    """

    def __init__(self, secrets: Secrets, origin: str) -> None:
        self._secrets = secrets
        self._origin = origin
        self._prefix = PREFIX + re.sub(r"[^A-Za-z0-9]+", "-", origin.partition("/")[2] or origin) + "-"

    def all(self) -> list[Signer]:
        """Every key there is, oldest first. Raises IntegrityError where one was cut."""
        return [self._signer(number) for number in self._numbers()]

    def signer(self, key: VerifierKey) -> Signer:
        """The secret half of a key. Raises IntegrityError where it is not here."""
        for signer in self.all():
            if signer.key == key:
                return signer
        raise IntegrityError(
            f"The key {key.id.hex()} that signs this log is not among the home's secrets ({self._prefix}...).",
            fix="Restore the folder of secrets from a backup; where it is lost: rightsized ledger rotate-key --lost",
        )

    def create(self) -> Signer:
        """A new key, on the disk when this returns."""
        number = max(self._numbers(), default=0) + 1
        while not self._secrets.create(f"{self._prefix}{number}", random.token_bytes(KEY_BYTES)):
            number += 1
        return self._signer(number)

    def strangers(self) -> list[Signer]:
        """The keys of other logs of this home, each under the name of its file."""
        found = []
        for name in self._secrets.names():
            stem, _, number = name.rpartition("-")
            if name.startswith(PREFIX) and number.isdecimal() and f"{stem}-" != self._prefix:
                found.append(Signer(stem, _whole(self._secrets, name)))
        return found

    def _numbers(self) -> list[int]:
        ends = (name.removeprefix(self._prefix) for name in self._secrets.names() if name.startswith(self._prefix))
        return sorted(int(end) for end in ends if end.isdecimal())

    def _signer(self, number: int) -> Signer:
        return Signer(self._origin, _whole(self._secrets, f"{self._prefix}{number}"))


def trusted_keys(secrets: Secrets, origin: str) -> list[VerifierKey]:
    """The keys that a log of this home must be signed by: its own, or, where the home has none for it, those of the
    logs that it did sign. Then the log was put in place of one of those. None where the home never signed a log."""
    keys = LogKeys(secrets, origin)
    return [signer.key for signer in keys.all() or keys.strangers()]


def _whole(secrets: Secrets, name: str) -> bytes:
    seed = secrets.read(name) or b""
    if len(seed) != KEY_BYTES:
        raise IntegrityError(
            f"The secret {name} has {len(seed)} bytes instead of {KEY_BYTES}.",
            fix="Restore the folder of secrets from a backup.",
        )
    return seed

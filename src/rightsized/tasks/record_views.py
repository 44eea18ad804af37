"""What an auditor is told of a home: how its record stands and what binds requests. Records, no behaviour."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import field

from rightsized.core.frozen import Frozen
from rightsized.ledger.find import Wanted
from rightsized.ledger.prove import Proof
from rightsized.ledger.publish import SinkStatus
from rightsized.tasks.accesses import Access
from rightsized.tasks.acts import Act
from rightsized.tasks.finding import Found
from rightsized.tasks.leaving import Leaving


class RecordStatus(Frozen, frozen=True):
    """How the record of decisions stands.

    Args:
        entries: entries under the newest signed checkpoint.
        checkpoint: that checkpoint, to be kept elsewhere; empty where nothing was recorded yet.
        keys: verifier keys of the log, the one that signs now last.
        sinks: where checkpoints are kept outside this home, and how far each of them is.
        text_days: days until texts are deleted; `labelled_text_days`: those whose label may train.
    """

    entries: int
    checkpoint: str
    keys: tuple[str, ...]
    sinks: tuple[SinkStatus, ...]
    text_days: float
    labelled_text_days: float


class PolicyView(Frozen, frozen=True):
    """The policy in force.

    Args:
        path: of its file. `digest`: SHA-256 of what was read from it, as decisions keep it; empty: there is none.
        problem: why the file as it is now is not in force, in words; empty where it is.
        undeclared: class of data of a request that declares none.
        detect: when requests are searched for personal data.
        policy: its rules, as in the file.
    """

    path: str
    digest: str
    problem: str
    undeclared: str
    detect: str
    policy: dict[str, Any] = field(default_factory=dict)


class KeyChange(Frozen, frozen=True):
    """The verifier key that signs the log from now on, and the first checkpoint that it signed."""

    key: str
    checkpoint: str


class Purged(Frozen, frozen=True):
    """How many texts were deleted, since their time was over."""

    deleted: int


class Record(Protocol):
    """What the server asks of a home's record. Methods raise StoreError where nothing is recorded here."""

    def status(self) -> RecordStatus: ...

    def policy(self) -> PolicyView: ...

    async def leaving(self, days: int) -> Leaving:
        """What may leave, and what has left in the last so many days; 0: ever. Raises ConfigError."""
        ...

    async def proof(self, decision_id: str) -> Proof:
        """That a decision is in the log, without texts. Raises NotFoundError, ProofError."""
        ...

    async def find(self, wanted: Wanted, limit: int, *, blind_too: bool = False) -> Found:
        """The newest decisions that fit."""
        ...

    def blind(self, decision_id: str) -> bool:
        """Whether a decision waits for a blind look."""
        ...

    async def note(self, one: Access) -> None:
        """Put into the log that somebody is being shown texts. Raises where it cannot: then nothing may be shown."""
        ...

    async def acted(self, one: Act) -> None:
        """Put into the log what was done outside. Raises where it cannot."""
        ...

    async def rotate_key(self) -> KeyChange: ...

    async def purge(self) -> Purged: ...

"""Where checkpoints are kept outside the log: a file, syslog, a witness. Registered by the scheme of their address.

`file:/mnt/worm/checkpoints.txt`, `syslog:`, `https://witness.example/prefix`. Another kind of sink is an entry point in
the group `rightsized.sinks`: a factory that takes the address and the egress.
"""

from __future__ import annotations

from typing import Protocol

from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, NotFoundError
from rightsized.core.registry import names, resolve
from rightsized.ledger.notes import Checkpoint
from rightsized.ledger.tree import StoredTree

GROUP = "rightsized.sinks"


class Sink(Protocol):
    """Keeps checkpoints elsewhere. Called in a thread of its own, one call at a time."""

    @property
    def name(self) -> str:
        """The address, as the settings give it."""
        ...

    @property
    def newest_only(self) -> bool:
        """Whether an older checkpoint may be left out once a newer one waits: it covers what the older one does."""
        ...

    def send(self, checkpoint: Checkpoint, tree: StoredTree, sent: int) -> str:
        """Hand a checkpoint over; returns the signature lines that the other side adds, or nothing.

        Args:
            tree: makes the proof that this checkpoint goes on from an older one.
            sent: entries that the last checkpoint sent covered; 0 for none.
        Raises RightsizedError or OSError where it could not be handed over: it is tried again.
        """
        ...


def open_sink(address: str, egress: Egress) -> Sink:
    """The sink of an address. Raises ConfigError."""
    scheme = address.partition(":")[0]
    try:
        factory = resolve(GROUP, scheme)
    except NotFoundError:
        known = ", ".join(f"{name}:" for name in names(GROUP))
        raise ConfigError(f"{address!r} in ledger.sinks is no known kind of sink.", fix=f"Known: {known}.") from None
    sink: Sink = factory(address, egress)
    return sink

"""Hands checkpoints to a witness (c2sp.org/tlog-witness), which checks that the log only grew, and cosigns.

The strongest sink: the witness remembers the newest checkpoint and never cosigns one that does not go on from it, so a
rollback or a rewritten past is refused there, by somebody else's machine. Each connection asks the egress first.
"""

from __future__ import annotations

import base64
import http.client
import ssl
from urllib.parse import urlsplit

from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, IntegrityError, UpstreamError
from rightsized.ledger.notes import Checkpoint, parse_signature
from rightsized.ledger.tree import StoredTree

TIMEOUT_S = 20.0
MOST_BYTES = 1 << 16  # of a witness's answer
CONFLICT, OK = 409, 200
PURPOSE = "The ledger's witness"


class WitnessSink:
    """Submits the newest checkpoint with a proof that it goes on from the one the witness knows."""

    newest_only = True

    def __init__(self, address: str, egress: Egress) -> None:
        self.name = address
        self._egress = egress
        self._url = urlsplit(address)

    def send(self, checkpoint: Checkpoint, tree: StoredTree, sent: int) -> str:
        """Submit it; returns the witness's signature lines.

        Raises EgressDeniedError, UpstreamError, OSError; IntegrityError where the witness knows of more than we have.
        """
        status, body = self._add(checkpoint, tree, min(sent, checkpoint.size))
        if status == CONFLICT:
            status, body = self._add(checkpoint, tree, self._known(body, checkpoint))
        if status != OK:
            raise UpstreamError(
                f"The witness {self._url.hostname} refused the checkpoint with status {status}: {body[:200]!r}.",
                fix="It must know this log's verifier key: rightsized ledger checkpoint",
                upstream_status=status,
                retryable=status >= 500,
            )
        return "".join(str(parse_signature(line)) for line in body.splitlines() if line)

    def _known(self, body: str, checkpoint: Checkpoint) -> int:
        known = body.strip()
        if not known.isdecimal():
            raise UpstreamError(f"The witness {self._url.hostname} has another root for this checkpoint.")
        if int(known) > checkpoint.size:
            raise IntegrityError(
                f"The witness {self._url.hostname} has seen {int(known):,} entries of this log, which now has "
                f"{checkpoint.size:,}: it was set back.",
                fix="Find out who restored an older copy: rightsized ledger verify --against FILE",
            )
        return int(known)

    def _add(self, checkpoint: Checkpoint, tree: StoredTree, old: int) -> tuple[int, str]:
        proof = tree.consistency(old, checkpoint.size) if old else []
        lines = "".join(base64.b64encode(step).decode() + "\n" for step in proof)
        return self._post(f"old {old}\n{lines}\n{checkpoint.note}".encode())

    def _post(self, body: bytes) -> tuple[int, str]:
        host = self._url.hostname or ""
        with self._egress.connecting(host, PURPOSE):
            connection = self._connection(host)
            try:
                connection.request("POST", self._url.path.rstrip("/") + "/add-checkpoint", body)
                response = connection.getresponse()
                return response.status, response.read(MOST_BYTES).decode("utf-8", "replace")
            except http.client.HTTPException as error:
                raise UpstreamError(f"The witness {host} answered nonsense: {type(error).__name__}.") from error
            finally:
                connection.close()

    def _connection(self, host: str) -> http.client.HTTPConnection:
        if self._url.scheme == "http":
            return http.client.HTTPConnection(host, self._url.port, timeout=TIMEOUT_S)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, self._url.port, timeout=TIMEOUT_S, context=context)


def open_witness(address: str, egress: Egress) -> WitnessSink:
    """`https://host/prefix` (or http:). Raises ConfigError."""
    if not urlsplit(address).hostname:
        raise ConfigError(f"{address!r} in ledger.sinks names no host.", fix="Write https://witness.example/prefix.")
    return WitnessSink(address, egress)

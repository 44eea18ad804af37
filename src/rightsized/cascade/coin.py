"""The audit coin: which requests a person will label, decided before any score is seen.

Keyed by the decision id with a secret of the home, so that the throw can be repeated by whoever holds the secret and
foreseen by nobody else. It depends on nothing the model does: labels gathered this way watch the promise without bias.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import NamedTuple

from rightsized.core.errors import ConfigError

_TWO_TO_64 = float(2**64)


class Toss(NamedTuple):
    """Whether to audit, and the probability with which that was decided (0 where no coin was thrown)."""

    audit: bool
    probability: float


class AuditCoin:
    """Audits each request with a known probability, one a conversation.

    Args:
        secret: bytes known to this home only, 16 at least.
        rate: the probability, in [0, 1].
        audited: conversations that were audited before (read from the log at the start).
    Raises:
        ConfigError: the rate or the secret cannot be used.
    """

    def __init__(self, secret: bytes, rate: float, audited: Iterable[str] = ()) -> None:
        if not 0.0 <= rate <= 1.0:
            raise ConfigError(f"audit.rate = {rate} is no probability.", fix="Set it between 0 and 1.")
        if len(secret) < 16:
            raise ConfigError(f"The audit coin's secret has {len(secret)} bytes; it needs 16.")
        self._keyed = hmac.new(secret, b"audit\0", "sha256")  # copied for each throw: no key to set up again
        self._rate = rate
        self._audited = set(audited)

    def __call__(self, decision_id: str, conversation: str = "") -> Toss:
        """Throw the coin for a decision. A conversation with an audit gets no second: its messages share their fate."""
        if conversation and conversation in self._audited:
            return Toss(False, 0.0)
        keyed = self._keyed.copy()
        keyed.update(decision_id.encode("utf-8", "surrogatepass"))
        heads = int.from_bytes(keyed.digest()[:8], "big") / _TWO_TO_64 < self._rate
        if heads and conversation:
            self._audited.add(conversation)
        return Toss(heads, self._rate)

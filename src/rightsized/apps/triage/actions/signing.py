"""Signatures of web hooks, both ways: Standard Webhooks 1.0 (standardwebhooks.com), symmetric, version `v1`.

What is signed is `ID.TIMESTAMP.BODY` by HMAC-SHA-256. A secret is base64, after `whsec_`; a receiver takes several, so
that one can be replaced by another without a gap.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from rightsized.core.errors import ConfigError, UnauthorizedError

PREFIX = "whsec_"
TOLERANCE_SECONDS = 300.0  # between the sender's clock and ours; older requests may be repeats by somebody else
LEAST_BYTES = 16  # of a key; 24 to 64 are advised
MOST_ID = 256  # characters
MOST_SIGNATURES = 16


def key_of(secret: str) -> bytes:
    """The key of a secret as it is written. Raises ConfigError."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError("The secret of a web hook is not base64.", fix="Write whsec_ and 24 to 64 bytes.") from None
    if len(key) < LEAST_BYTES:
        raise ConfigError(f"The secret of a web hook has {len(key)} bytes; {LEAST_BYTES} are the least.")
    return key


def signed(key: bytes, identity: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a signed request. `identity` stays the same however often it is sent; `timestamp` in seconds."""
    signature = f"v1,{_digest(key, identity, str(timestamp), body)}"
    return {"webhook-id": identity, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def verify(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: float) -> str:
    """The id of a request that was signed by one of the keys, lately. Raises UnauthorizedError.

    Args:
        headers: by lower-case name.
        now: seconds since the epoch.
    """
    identity, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "").split()[:MOST_SIGNATURES]
    if not identity or not given or len(identity) > MOST_ID or not identity.isprintable():
        raise UnauthorizedError("The request is not signed.", fix="Send webhook-id, -timestamp and -signature.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise UnauthorizedError("webhook-timestamp is no whole number of seconds.")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise UnauthorizedError(
            f"The request was signed {now - int(timestamp):,.0f} seconds ago; {TOLERANCE_SECONDS:.0f} are the most.",
            fix="Set the clocks of both machines (NTP).",
        )
    wanted = [f"v1,{_digest(key, identity, timestamp, body)}".encode() for key in keys]
    matches = [hmac.compare_digest(one.encode("utf-8", "replace"), each) for one in given for each in wanted]
    if not any(matches):
        raise UnauthorizedError("The signature of the request is not right.")
    return identity


def _digest(key: bytes, identity: str, timestamp: str, body: bytes) -> str:
    made = hmac.digest(key, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256)
    return base64.b64encode(made).decode()

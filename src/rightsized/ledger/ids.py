"""Decision ids: 128 bits that sort by time (UUID version 7, RFC 9562 section 5.7), the random part from the OS."""

from __future__ import annotations

import secrets
import time
import uuid

_RANDOM_BITS = 74  # 12 bits beside the version, 62 beside the variant
_LOW_62 = (1 << 62) - 1


def new_id(now: float | None = None) -> str:
    """A fresh id such as `019231f2-...`; later ids sort after earlier ones of another millisecond.

    Args:
        now: seconds since the epoch; None reads the clock.
    """
    milliseconds = int((time.time() if now is None else now) * 1000)
    random = secrets.randbits(_RANDOM_BITS)
    value = (milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | (random & _LOW_62)
    return str(uuid.UUID(int=value))

"""Times as people write them, on the command line or in an address."""

from __future__ import annotations

from datetime import UTC, datetime

from rightsized.core.errors import InputError


def moment(given: str | None, option: str) -> float | None:
    """Seconds since the epoch of a day or moment in ISO 8601, UTC where it does not say; None for None.

    Raises InputError, which names the option.
    """
    if given is None:
        return None
    try:
        when = datetime.fromisoformat(given)
    except ValueError:
        raise InputError(f"{option} {given!r} is no time.", fix="Write 2026-11-01 or 2026-11-01T08:30.") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()

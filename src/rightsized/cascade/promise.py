"""The state of a promise while it is served: it may expire or be withdrawn, for good."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from rightsized.cascade.certificate import why_expired
from rightsized.core.types import State

log = logging.getLogger("rightsized.promise")
NEVER_EXPIRES = float("inf")


class Promise:
    """Counts requests and watches the clock.

    Args:
        state: as the certificate says.
        certificate: its id, or empty.
        expires: seconds since the epoch.
        expires_requests: requests the certificate covers.
        requests: those answered under it before.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        state: State,
        certificate: str = "",
        *,
        expires: float = NEVER_EXPIRES,
        expires_requests: float = NEVER_EXPIRES,
        requests: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state, self.certificate, self.requests = state, certificate, requests
        self.void = "the promise is suspended" if state == "suspended" else ""
        self._expires, self._expires_requests, self._clock = expires, expires_requests, clock

    def suspend(self, reason: str) -> None:
        """Withdraw the promise at once, as on an alarm of the monitor."""
        if self.state != "suspended":
            log.error("A promise is suspended", extra={"certificate": self.certificate, "reason": reason})
        self.state, self.void = "suspended", reason

    def count(self, *, dry_run: bool = False) -> State:
        """Note one more request, unless it is a dry run's, and say under which state it is answered."""
        if self.state == "certified":
            now = self._clock()
            if self.requests >= self._expires_requests or now >= self._expires:
                requests = int(min(self._expires_requests, self.requests))
                self.void = why_expired(self._expires, requests, now=now, requests=self.requests)
                self.state = "none"
                log.error("A promise has ended", extra={"certificate": self.certificate, "reason": self.void})
        self.requests += not dry_run
        return self.state

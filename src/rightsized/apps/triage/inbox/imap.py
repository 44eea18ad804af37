"""Messages of a mailbox: `imaps://USER@HOST/FOLDER`, or `imap://` with STARTTLS. See docs/how-to/triage-imap.md.

Nothing is marked, moved or deleted unless the options say so, and then only what is on record. The work is done by
`imap.reader` in a thread of its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

from rightsized.apps.triage.imap.address import Access, parse
from rightsized.apps.triage.inbox.opening import Context, read_options
from rightsized.apps.triage.protocols import Arrival
from rightsized.core.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from rightsized.apps.triage.imap.reader import Reader

CLOSE_S = 10.0  # to mark and to log out; what was not marked then is marked at the next start
RENEW_BEFORE_S = 29 * 60  # servers may end a longer IDLE (RFC 2177)
T = TypeVar("T")


class ImapOptions(Access, frozen=True):
    """What a source of this kind takes beside how it is reached."""

    seen: bool = False  # mark messages as read, once they are on record
    keyword: str = ""  # set this keyword on them then
    since: str = ""  # take only what arrived on this day or later, such as 2026-11-01
    idle_s: float = 540.0  # seconds until waiting is begun anew; routers and servers forget longer ones
    poll_s: float = 10.0  # between two looks where the server cannot announce messages (IDLE)
    retry_s: float = 1.0  # before the first try again; doubled each time, up to a minute


class ImapSource:
    """Implements `Source`."""

    def __init__(self, name: str, reader: Reader) -> None:
        self.name, self._reader = name, reader
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="imap")
        self._stop = threading.Event()
        self._closed = False

    async def arrivals(self, *, wait: bool) -> AsyncIterator[Arrival]:
        """See `Source`. Raises ConfigError, EgressDeniedError; without `wait` DownloadError."""
        self._stop.set()
        stop = self._stop = threading.Event()
        await self._work(self._reader.restart)
        try:
            while found := await self._work(lambda: self._reader.take(wait, stop)):
                while found:
                    yield found.pop(0)
        finally:
            stop.set()
            self._reader.ring()

    async def recorded(self, arrival: Arrival) -> None:
        """See `Source`."""
        await asyncio.to_thread(self._reader.recorded, arrival.place)

    async def close(self) -> None:
        """See `Source`."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        self._reader.ring()
        finishing = asyncio.ensure_future(self._work(self._reader.finish))
        try:
            done, _ = await asyncio.wait({finishing}, timeout=CLOSE_S)
            if not done:
                self._reader.abort()
                await asyncio.wait({finishing})
        finally:
            self._reader.abort()
            self._thread.shutdown(wait=False)

    async def _work(self, step: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, step)


def open_imap(address: str, options: Mapping[str, Any], context: Context) -> ImapSource:
    """The source at an address, not connected yet. Raises ConfigError, MissingExtraError."""
    given = read_options(ImapOptions, options, address)
    place = parse(address, given)
    try:
        from rightsized.apps.triage.imap.reader import Marking, Reader
        from rightsized.apps.triage.imap.session import open_session
    except ImportError:
        raise MissingExtraError("Mailboxes need IMAPClient.", extra="triage") from None
    if not 0 < given.idle_s <= RENEW_BEFORE_S:
        raise ConfigError(f"idle_s = {given.idle_s} is not above 0 and at most {RENEW_BEFORE_S}.")
    session = open_session(place, given, context.egress)
    flags = (*(["\\Seen"] if given.seen else []), *([_keyword(given.keyword)] if given.keyword else []))
    marking = Marking(flags, _day(given.since), given.idle_s, given.poll_s, given.retry_s)
    return ImapSource(place.name, Reader(session, place.name, marking, context))


def _keyword(word: str) -> str:
    if not all(c.isascii() and (c.isalnum() or c in "$_.-") for c in word):
        raise ConfigError(f"{word!r} cannot be a keyword.", fix="Use letters, digits and $ _ . - of ASCII.")
    return word


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigError(f"since = {text!r} is no day.", fix="Write 2026-11-01.") from None

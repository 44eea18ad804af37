"""Reading an answer within bounds: of bytes (before and after decompression), of silence, and of the whole time."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable

from multidict import CIMultiDict

from rightsized.engines.remote.connection import Connection, ConnectionTrouble
from rightsized.engines.remote.failures import AttemptError, Speaker, from_trouble, nonsense, too_late

REFUSAL_BYTES = 2**16  # of an error page that are read
SETTLE_S = 0.05  # wait for the end of a stream whose last event came, so that the connection can serve again
NETWORK_ERRORS = (ConnectionTrouble, TimeoutError)


class Clock:
    """How long one request may still take.

    Args:
        now: seconds, monotonic.
        until: when it is over.
        limit: whose limit that is, in words.
        ours: whether it is the tier's own, so that reaching it speaks against the server.
    """

    def __init__(self, now: Callable[[], float], until: float, limit: str, *, ours: bool) -> None:
        self._now, self._until, self.limit, self.ours = now, until, limit, ours

    def left(self) -> float:
        """Seconds, 0 or more."""
        return max(0.0, self._until - self._now())

    def failed(self, speaker: Speaker, error: ConnectionTrouble | TimeoutError) -> AttemptError:
        """What an exception means: an end of our time, or a failure of the server's."""
        if isinstance(error, TimeoutError):
            return too_late(speaker, self.limit, counts=self.ours)
        return from_trouble(speaker, error.what)


class Incoming:
    """The body of one answer.

    Args:
        limit: longest body, bytes.
    """

    def __init__(self, connection: Connection, speaker: Speaker, clock: Clock, limit: int) -> None:
        self._connection, self._speaker, self._clock, self._limit = connection, speaker, clock, limit
        self._unpack = _unpacker(connection.headers, speaker)
        self._taken = 0

    @property
    def kind(self) -> str:
        """The content type, without its parameters; empty where none was given."""
        return self._connection.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    async def next(self) -> bytes:
        """The next bytes, empty at the end. Raises AttemptError."""
        while True:
            raw = await self._read()
            data = raw if self._unpack is None else self._unpacked(raw)
            self._taken += len(data)
            if self._taken > self._limit:
                raise nonsense(self._speaker, f"answered more than {self._limit} bytes", again=False)
            if data or not raw:
                return data

    async def all(self) -> bytes:
        """The whole body. Raises AttemptError."""
        if (self._connection.length or 0) > self._limit:
            raise nonsense(self._speaker, f"answered more than {self._limit} bytes", again=False)
        parts = []
        while data := await self.next():
            parts.append(data)
            if self._unpack is None and self._connection.whole:
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def refusal(self) -> bytes:
        """The beginning of an error page, as much as comes."""
        self._limit = REFUSAL_BYTES
        parts = []
        with contextlib.suppress(AttemptError):
            while data := await self.next():
                parts.append(data)
        return b"".join(parts)

    async def settle(self) -> None:
        """Wait a little for the end of the body: the connection can be used again then, and is closed otherwise."""
        with contextlib.suppress(*NETWORK_ERRORS):
            while not self._connection.whole and self._taken <= self._limit:
                self._taken += len(await self._connection.read(SETTLE_S))

    async def _read(self) -> bytes:
        try:
            left = self._clock.left()
            if left > 0:
                return await self._connection.read(left)
            failure = too_late(self._speaker, self._clock.limit, counts=self._clock.ours)
        except NETWORK_ERRORS as error:
            failure = self._clock.failed(self._speaker, error)
        raise failure

    def _unpacked(self, raw: bytes) -> bytes:
        """`raw` decompressed, never more than the limit at a time: a small body may hold a huge one."""
        unpack = self._unpack
        try:
            data = unpack.decompress(raw, self._limit - self._taken + 1) if unpack and raw else b""
        except zlib.error:
            data, unpack = b"", None
        if unpack is None or (not raw and not unpack.eof):
            raise nonsense(self._speaker, "answered compressed data that is broken")
        return data


def _unpacker(headers: CIMultiDict[str], speaker: Speaker) -> zlib._Decompress | None:
    """A decompressor for what was not asked for and came nevertheless. Raises AttemptError where there is none."""
    encodings = [e.strip().lower() for e in ",".join(headers.getall("Content-Encoding", [])).split(",")]
    encodings = [e for e in encodings if e not in ("", "identity")]
    if not encodings:
        return None
    if encodings[0] not in ("gzip", "x-gzip", "deflate") or len(encodings) > 1:
        raise nonsense(speaker, f"answered in the encoding {','.join(encodings)[:40]!r}, which was not asked for")
    return zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, as the data says

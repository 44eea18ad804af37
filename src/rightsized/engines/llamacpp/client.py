"""HTTP over the worker's Unix socket: one answer as JSON, or the objects of a stream. Maps failures to our errors.

Every request has a connection of its own: closing it is how llama.cpp learns that nobody waits any more, and frees
the slot.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import msgspec

from rightsized.core.errors import (
    ContextLengthError,
    InputError,
    RightsizedError,
    UnsupportedError,
    UpstreamError,
    UpstreamTimeoutError,
)
from rightsized.engines.llamacpp.supervisor import Address, Supervisor

DONE = b"[DONE]"
LONGEST_EVENT = 1 << 24  # bytes of one line of a stream
READ_AHEAD = 1 << 16  # bytes of a stream kept for a reader that is slower than the model
PROBE_SECONDS = 10.0  # a worker that does not say how it is for so long is stuck
END_SECONDS = 5.0  # longest wait for the reason after a broken connection
_OF_THE_REQUEST = (
    "Failed to parse",
    "Unknown ",
    "Missing ",
    "Unable to generate parser",
)  # given as errors of the server
Body = dict[str, Any]


class Patience(NamedTuple):
    """How long to wait: `deadline` for all of it (`time.monotonic()`), `silence_s` for the next sign of life."""

    deadline: float
    silence_s: float

    def left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())


class Client:
    """Talks to whichever life of the worker there is."""

    def __init__(self, name: str, supervisor: Supervisor) -> None:
        self._name = name
        self._supervisor = supervisor
        self._session: aiohttp.ClientSession | None = None
        self._life: Address | None = None

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, path: str, body: Body, patience: Patience) -> Body:
        """The whole answer. Raises InputError and its kinds, UpstreamError, UpstreamTimeoutError."""
        try:
            async with asyncio.timeout(patience.left()):
                async with self._request("POST", path, body) as response:
                    return _object(await _read(response))
        except TimeoutError:
            raise await self._late(patience) from None

    async def get(self, path: str, seconds: float) -> Any:
        """A question about the worker's state, as JSON. Raises as `post`."""
        try:
            async with asyncio.timeout(seconds), self._request("GET", path, None) as response:
                return msgspec.json.decode(await _read(response))
        except TimeoutError:
            raise UpstreamTimeoutError(f"Tier {self._name!r} did not say how it is within {seconds:g} s.") from None

    async def stream(self, path: str, body: Body, patience: Patience) -> AsyncGenerator[Body, None]:
        """The objects of an event stream, until its end. Raises as `post`."""
        async with self._request("POST", path, body, seconds=patience.left()) as response:
            finished = False
            while line := await self._line(response, patience):
                if line.startswith(b"data:") and (data := line[5:].strip()) == DONE:
                    finished = True
                elif line.startswith((b"data:", b"error:")):
                    piece = _object(data if line.startswith(b"data:") else line[6:])
                    if "error" in piece:
                        raise _error(piece, 500)
                    yield piece
            if not finished:
                raise UpstreamError(f"The answer of tier {self._name!r} broke off.")

    async def _line(self, response: aiohttp.ClientResponse, patience: Patience) -> bytes:
        """The next line that is not empty; nothing at the end."""
        line = b"\n"
        while line in (b"\n", b"\r\n"):
            try:
                async with asyncio.timeout(min(patience.silence_s, patience.left())):
                    line = await response.content.readline(max_line_length=LONGEST_EVENT)
            except TimeoutError:
                raise await self._late(patience) from None
            except RuntimeError:  # aiohttp's word for a session that was closed between two reads
                raise self._supervisor.failure() from None
        return line

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, body: Body | None, *, seconds: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with asyncio.timeout(seconds):
                life = await self._supervisor.address()
        except TimeoutError:
            raise UpstreamTimeoutError(f"The model of tier {self._name!r} was not loaded in time.") from None
        data = None if body is None else msgspec.json.encode(body)
        try:
            async with (await self._connect(life)).request(method, f"http://worker{path}", data=data) as response:
                if response.status != 200:
                    raise _error(_object(await _read(response)), response.status)
                yield response
        except (aiohttp.ClientError, ConnectionError) as error:
            raise await self._broken(life, error) from None

    async def _connect(self, life: Address) -> aiohttp.ClientSession:
        if self._session is None or self._life != life:
            old, self._life = self._session, life
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(life.socket, limit=0, force_close=True),
                headers={"Authorization": f"Bearer {life.key}", "Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=None),
                read_bufsize=READ_AHEAD,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            if old is not None:
                await old.close()
        return self._session

    async def _broken(self, life: Address, error: Exception) -> UpstreamError:
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._supervisor.ended(life)
        except TimeoutError:  # the process lives; only this connection broke
            return UpstreamError(f"The connection to the model of tier {self._name!r} broke: {error}.")
        return self._supervisor.failure()

    async def _late(self, patience: Patience) -> UpstreamTimeoutError:
        """The error for a request that waited too long. A worker that does not even answer a question is ended."""
        if patience.left() > 0:  # silent before its time was up
            try:
                await self.get("/slots", PROBE_SECONDS)
            except UpstreamTimeoutError as error:
                self._supervisor.restart(error.message.rstrip("."))
            except UpstreamError:
                pass  # it is down already
            return UpstreamTimeoutError(f"Tier {self._name!r} was silent for {patience.silence_s:g} s.")
        return UpstreamTimeoutError(f"Tier {self._name!r} did not finish its answer in time.")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    return await response.read()


def _object(data: bytes) -> Body:
    try:
        return msgspec.json.decode(data, type=Body)
    except msgspec.DecodeError:
        error = UpstreamError(f"llama.cpp answered what is no JSON object: {data[:200]!r}.")
        error.quoted = f": {data[:200]!r}."
        raise error from None


def _error(body: Body, status: int) -> RightsizedError:
    """Our error for llama.cpp's. Its kinds are too coarse: several errors of the input come as 500."""
    given = body.get("error")
    said = given if isinstance(given, dict) else {}
    message, kind = str(said.get("message", body)), str(said.get("type", ""))
    code = int(said.get("code", status))
    if kind == "exceed_context_size_error":
        return ContextLengthError(
            f"The prompt has {said.get('n_prompt_tokens')} tokens, the model reads {said.get('n_ctx')} at a time.",
            fix="Shorten it, or raise `context` of the tier.",
        )
    error = _kind(f"llama.cpp refused this: {message}.", code, message)
    error.quoted = f": {message}."  # it may repeat the prompt
    return error


def _kind(words: str, code: int, message: str) -> RightsizedError:
    if "too large to process" in message:
        return ContextLengthError(words, fix="Shorten the text, or raise `context` of the tier.")
    if code == 501 or "is not supported" in message or "does not support" in message:
        return UnsupportedError(words)
    if 400 <= code < 500 or message.startswith(_OF_THE_REQUEST):
        return InputError(words)
    return UpstreamError(words, upstream_status=code, retryable=code == 503)

"""A mailbox on the real server, its messages, and a store in memory that remembers what was recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from benchmarks.dovecot import Dovecot
from rightsized.apps.triage.inbox import Context, open_source
from rightsized.apps.triage.protocols import Arrival, Source
from rightsized.core.egress import Egress

QUICK = {"password_env": "MAIL_PASSWORD", "retry_s": 0.01, "poll_s": 0.05, "timeout_s": 20.0}


class Memory:
    """What a store remembers between two starts. `arrived` has every message handed over and recorded, by its place."""

    def __init__(self) -> None:
        self.arrived: dict[str, Arrival] = {}
        self.cursors: dict[str, str] = {}
        self.handed: list[str] = []

    def context(self, **more: Any) -> Context:
        return Context(
            egress=Egress(),
            seen=lambda _, place: place in self.arrived,
            cursor=lambda name: self.cursors.get(name, ""),
            keep_cursor=self.cursors.__setitem__,
            **more,
        )

    @property
    def names(self) -> list[bytes]:
        """The first line of each recorded message, in order of their recording."""
        return [one.data.split(b"\r\n", 1)[0] for one in self.arrived.values()]


class Mailbox:
    """One user's."""

    def __init__(self, server: Dovecot, user: str) -> None:
        self.server, self.user = server, user

    def put(self, *messages: bytes, folder: str = "INBOX", flags: str = "") -> None:
        self.server.append(self.user, *messages, folder=folder, flags=flags)

    def flags(self, folder: str = "INBOX") -> dict[int, set[str]]:
        return self.server.flags(self.user, folder)

    def address(self, *, host: str = "127.0.0.1", port: int = 0, folder: str = "INBOX") -> str:
        return f"imap://{self.user}@{host}:{port or self.server.plain}/{folder}"

    def open(self, memory: Memory, address: str = "", *, most: int = 50 << 20, **options: Any) -> Source:
        return open_source(address or self.address(), {**QUICK, **options}, memory.context(max_bytes=most))


def message(number: int | str, size: int = 0) -> bytes:
    """A message whose first line names it."""
    body = ("x" * 70 + "\r\n") * (size // 72 + 1)
    return f"Message-ID: <{number}@shop.example>\r\nSubject: order {number}\r\n\r\n{body}".encode()


async def recorded(source: Source, memory: Memory, *, wait: bool = False, most: int = 0) -> AsyncIterator[Arrival]:
    """Record each message as it comes; end after `most`."""
    async with aclosing(source.arrivals(wait=wait)) as arrivals:
        async for one in arrivals:
            memory.handed.append(one.place)
            memory.arrived.setdefault(one.place, one)
            await source.recorded(one)
            yield one
            if len(memory.handed) == most:
                return


async def run(source: Source, memory: Memory, *, wait: bool = False, most: int = 0) -> list[Arrival]:
    """All of it, then close."""
    try:
        return [one async for one in recorded(source, memory, wait=wait, most=most)]
    finally:
        await source.close()

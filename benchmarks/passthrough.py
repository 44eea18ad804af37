"""The least a gateway can do: a raw ASGI application on uvicorn that passes a body on with aiohttp, and back.

    python -m benchmarks.passthrough PORT UPSTREAM

No keys, no policy, no record, nothing parsed.
"""

from __future__ import annotations

import sys
from typing import Any

import aiohttp
import uvicorn


class Passthrough:
    """Passes every POST on to the upstream, and its answer back as it comes."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256))
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {"content-type": "application/json"}
        async with self._session.request(
            scope["method"], self._upstream + scope["path"], data=body, headers=headers
        ) as response:
            kind = response.headers.get("content-type", "application/json").encode()
            start = {"type": "http.response.start", "status": response.status, "headers": [(b"content-type", kind)]}
            await send(start)
            if kind.startswith(b"text/event-stream"):
                async for piece in response.content.iter_any():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            else:
                await send({"type": "http.response.body", "body": await response.read()})


if __name__ == "__main__":
    uvicorn.run(
        Passthrough(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False,
        loop="uvloop", lifespan="off",
    )  # fmt: skip

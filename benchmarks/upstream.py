"""A model server that is always the same, for measuring what stands in front of it: fixed answers, at once.

    python -m benchmarks.upstream PORT

Chat completions in OpenAI shape, about 700 bytes; as a stream, 20 chunks and the usage.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import uvicorn

WORDS = 20
_TEXT = "Your parcel left our depot on Monday and should be with you within two working days, before noon. "
_USAGE = {"prompt_tokens": 24, "completion_tokens": WORDS, "total_tokens": 24 + WORDS}
_HEAD = {"id": "chatcmpl-fixed", "created": 1_700_000_000, "model": "fixed"}
_CHOICE = {"index": 0, "message": {"role": "assistant", "content": _TEXT * 4}, "finish_reason": "stop"}
_WHOLE = msgspec.json.encode({**_HEAD, "object": "chat.completion", "choices": [_CHOICE], "usage": _USAGE})


class _Asked(msgspec.Struct):
    stream: bool = False


def _chunk(delta: dict[str, Any], finish: str | None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {**_HEAD, "object": "chat.completion.chunk", "choices": [choice], **more}
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


_PIECES = (
    _chunk({"role": "assistant", "content": ""}, None),
    *(_chunk({"content": "parcel "}, None) for _ in range(WORDS)),
    _chunk({}, "stop"),
    b"data: "
    + msgspec.json.encode({**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
    + b"\n\n",
    b"data: [DONE]\n\n",
)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers every POST with the same completion and every GET with `{}`."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    streamed = scope["method"] == "POST" and msgspec.json.decode(body, type=_Asked).stream
    kind = b"text/event-stream" if streamed else b"application/json"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    if streamed:
        for piece in _PIECES:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.body", "body": _WHOLE if scope["method"] == "POST" else b"{}"})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False, loop="uvloop")

"""A gateway over an upstream on loopback that says the last message again, for tests of privacy and safety."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from rightsized.core.config import Config, load
from rightsized.core.generation import Caller, Generation
from rightsized.core.pii import Finding, Findings
from rightsized.ledger.log import SqliteLedger
from rightsized.tasks.gateway import LocalGateway
from tests.engines.upstream import Seen, Upstream, Writer, events

NAME, MAIL = "Zoë Müller", "zoe@ex.org"
WARD = Caller(key="k1", tenant="ward-3")
TIER = """
[[tiers]]
name = "cloud"
engine = "remote"
tier = 1
model = "big"
url = "http://127.0.0.1:{port}/v1"
pseudonymise = true
data_classes = ["internal"]
"""


class Detector:
    """Finds one name and one address."""

    digest = "sha256:test"

    def detect(self, text: str) -> Findings:
        places = [(m, kind) for kind, what in (("person", NAME), ("email", MAIL)) for m in re.finditer(what, text)]
        found = sorted((Finding(m.start(), m.end(), kind, 1.0, "test") for m, kind in places), key=lambda f: f.start)
        return Findings(tuple(found), "personal")


def echo(seen: Seen) -> dict[str, Any]:
    """The last message said again, and a call with it."""
    text = seen.body["messages"][-1]["content"]
    call = {"name": "note", "arguments": json.dumps({"text": text})}
    message = {
        "role": "assistant",
        "content": text,
        "tool_calls": [{"id": "c1", "type": "function", "function": call}],
    }
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


async def echoing(upstream: Upstream, writer: Writer) -> None:
    """Says the last message again: whole, or in a stream of two characters a chunk."""
    seen = upstream.seen[-1]
    if not seen.body.get("stream"):
        data = json.dumps(echo(seen)).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        await writer.drain()
        return
    text = seen.body["messages"][-1]["content"]
    chunks = [{"choices": [{"index": 0, "delta": {"content": text[k : k + 2]}}]} for k in range(0, len(text), 2)]
    ends = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    writer.write(events(*chunks, ends))
    await writer.drain()
    writer.close()


Work = Callable[[LocalGateway, SqliteLedger, Upstream], Coroutine[Any, Any, None]]


def with_upstream(tmp_path: Path, work: Work, *, toml: str = TIER, policy: str = "") -> None:
    async def main() -> None:
        upstream = Upstream([echoing])
        server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
        upstream.port = server.sockets[0].getsockname()[1]
        try:
            with SqliteLedger(tmp_path / "decisions.sqlite") as ledger:
                gateway = LocalGateway(settings(tmp_path, toml.format(port=upstream.port), policy), ledger)
                try:
                    await gateway.start()
                    await work(gateway, ledger, upstream)
                finally:
                    await gateway.close()
        finally:
            server.close()

    asyncio.run(main())


def settings(tmp_path: Path, toml: str, policy: str = "") -> Config:
    file = tmp_path / "rightsized.toml"
    file.write_text(toml)
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    if policy:
        (home / "policy.toml").write_text(f"version = 1\n{policy}")
    return load(file, environment={}, flags={"home": str(home)})


def chat(*messages: dict[str, Any] | str, **more: Any) -> Generation:
    given = [{"role": "user", "content": m} if isinstance(m, str) else m for m in messages]
    return Generation("chat", {"messages": given, **more}, data_class="personal")

"""Faults: what a client of `rightsized serve` sees of each way a model server can fail, and what is on record.

Each fault is a tier of its own behind the running server (a child process), asked for a whole answer, for a stream,
and for a whole answer with another tier to fall back on. Afterwards the ledger is compared with what was asked: each
request must be there once, with one end. The key of the upstream must be in no answer, log line or record.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks import harness, models, servers
from benchmarks.faulty import SCRIPTS, Faulty

KEY = "sk-fault-" + secrets.token_hex(16)
PATIENCE_S = 20.0  # a client that waits longer was forgotten
LIMITS = (
    "connect_s = 0.5\nfirst_byte_s = 0.6\ntimeout_s = 2.0\nretries = 1\nconcurrent = 8\nqueue = 8\n"
    'key_env = "FAULTS_UPSTREAM_KEY"\noptions = {max_response_mb = 1, max_event_mb = 1}\n'
)
ALL_DATA = 'data_classes = ["public", "internal", "personal", "health", "secret"]\n'
FORMS = ("whole", "stream", "fallback")


class Asked(NamedTuple):
    """One request and what its client saw."""

    fault: str
    form: str
    saw: dict[str, Any]
    sent: int  # requests that reached the upstream for it


class World:
    """The failing upstream, its certificate, ports that take nobody, and the addresses that lead there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.faulty = folder, Faulty()
        self._held: list[socket.socket] = []
        self.urls: dict[str, str] = {}

    async def open(self) -> None:
        """Start everything."""
        port = await self.faulty.open()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(_certificate(self.folder))
        secure = await self.faulty.open(context)
        self.urls = {fault: f"http://127.0.0.1:{port}/{fault}" for fault in SCRIPTS}
        self.urls |= {
            "refused": f"http://127.0.0.1:{self._bound()}/v1",
            "never-accepted": f"http://127.0.0.1:{self._full()}/v1",
            "unknown-name": "http://no-such-host.invalid/v1",
            "certificate": f"https://localhost:{secure}/good",
            "plain-for-tls": f"https://127.0.0.1:{port}/good",
            "not-allowed": "http://forbidden.invalid/v1",
        }

    def close(self) -> None:
        self.faulty.close()
        for held in self._held:
            held.close()

    def settings(self) -> str:
        """A rightsized.toml with one tier a fault, one more with a fallback, and the fallback."""
        parts = ['[egress]\nallow = ["no-such-host.invalid"]\n[gateway]\ntimeout_s = 10.0\n']
        for fault, url in self.urls.items():
            for name, more in ((fault, ""), (f"{fault}-fallback", 'fallback = ["spare"]\n')):
                parts.append(f'[[tiers]]\nname = "{name}"\nmodel = "m"\nurl = "{url}"\n{LIMITS}{ALL_DATA}{more}')
        parts.append('[[tiers]]\nname = "spare"\nengine = "fake"\ntier = 1\noptions = {answer = "Spare."}\n')
        return "\n".join(parts)

    def _bound(self) -> int:
        """A port where nobody listens and nobody else can."""
        held = socket.socket()
        held.bind(("127.0.0.1", 0))
        self._held.append(held)
        port: int = held.getsockname()[1]
        return port

    def _full(self) -> int:
        """A port whose queue of connections is full."""
        held = socket.socket()
        held.bind(("127.0.0.1", 0))
        held.listen(0)
        self._held.append(held)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(held.getsockname())
            self._held.append(filler)
        port: int = held.getsockname()[1]
        return port


def _certificate(folder: Path) -> Path:
    """A certificate that nobody trusts, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    made = builder.not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    file = folder / "localhost.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


async def ask(session: aiohttp.ClientSession, model: str, *, stream: bool, text: str) -> dict[str, Any]:
    """Ask as a client would, and note what came: status, error, pieces, and whether it was well formed."""
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
    began = time.monotonic()
    try:
        async with session.post("/v1/chat/completions", json=body) as response:
            raw = await response.read()
            saw: dict[str, Any] = {"status": response.status, "decision": response.headers.get("x-rightsized-decision")}
            is_stream = response.content_type == "text/event-stream"
    except (aiohttp.ClientError, TimeoutError) as error:
        return {"status": 0, "broken": type(error).__name__, "seconds": round(time.monotonic() - began, 2)}
    saw |= _events(raw) if is_stream else _body(raw)
    return saw | {"seconds": round(time.monotonic() - began, 2)}


def _body(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {"broken": "not JSON"}
    if "error" in body:
        return {"error": body["error"].get("code") or body["error"]["type"], "message": body["error"]["message"]}
    return {"text": body["choices"][0]["message"]["content"]}


def _events(raw: bytes) -> dict[str, Any]:
    """Pieces, the error if one came, and whether the stream was ended as the protocol says."""
    blocks = [block for block in raw.decode().split("\n\n") if block and not block.startswith(":")]
    if not raw.endswith(b"\n\n") or not all(block.startswith("data: ") for block in blocks):
        return {"broken": "half an event"}
    datas = [block.removeprefix("data: ") for block in blocks]
    done = bool(datas) and datas[-1] == "[DONE]"
    chunks = [json.loads(data) for data in datas if data != "[DONE]"]
    errors = [chunk["error"] for chunk in chunks if "error" in chunk]
    pieces = [choice["delta"].get("content") or "" for c in chunks if "error" not in c for choice in c["choices"]]
    found: dict[str, Any] = {"text": "".join(pieces), "done": done}
    if errors:
        found |= {"error": errors[0].get("code") or errors[0]["type"], "message": errors[0]["message"]}
    elif not done:
        found["broken"] = "no end"
    return found


@contextlib.contextmanager
def gateway(folder: Path, settings: str) -> Iterator[servers.Server]:
    """`rightsized serve` on these settings, in a child process."""
    file = folder / "rightsized.toml"
    file.write_text(settings, "utf-8")
    port = servers.free_port()
    command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", str(port)]
    command += ["--home", str(folder / "home"), "--config", str(file)]
    environment = {"FAULTS_UPSTREAM_KEY": KEY}
    with servers.Server(command, f"http://127.0.0.1:{port}", "/healthz", environment) as server:
        yield server


def session_for(server: servers.Server) -> aiohttp.ClientSession:
    """A client without patience for what never ends."""
    return aiohttp.ClientSession(server.url, timeout=aiohttp.ClientTimeout(total=PATIENCE_S))


async def every_fault(world: World, server: servers.Server, names: Sequence[str]) -> list[Asked]:
    """Ask each tier in each form, one after the other."""
    asked = []
    async with session_for(server) as session:
        for fault in names:
            for form in FORMS:
                before = world.faulty.sent[fault]
                model = f"{fault}-fallback" if form == "fallback" else fault
                saw = await ask(session, model, stream=form == "stream", text=f"{fault} {form}")
                asked.append(Asked(fault, form, saw, world.faulty.sent[fault] - before))
                harness.note(f"{fault} {form}: {saw.get('status')} {saw.get('error') or saw.get('text') or saw}")
    return asked


async def clients_that_leave(world: World, server: servers.Server) -> dict[str, Any]:
    """Clients that go away while a whole answer, or a stream, is under way: does the upstream notice?"""
    left = {}
    for form in ("whole", "stream"):
        before = world.faulty.left["hang-midway"]
        async with session_for(server) as session:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3):  # within first_byte_s
                    await ask(session, "hang-midway", stream=form == "stream", text=f"left {form}")
        await asyncio.sleep(0.2)
        left[form] = world.faulty.left["hang-midway"] - before
    return {"requests": 2, "upstream_saw": left}


async def crowd(server: servers.Server) -> dict[str, int]:
    """60 requests at once on a tier of 8 places and a queue of 8, half of them streams."""
    async with session_for(server) as session:
        tasks = [ask(session, "hang-before-head", stream=n % 2 == 1, text=f"crowd {n}") for n in range(60)]
        seen = await asyncio.gather(*tasks)
    return dict(Counter(str(saw.get("error") or saw.get("broken")) for saw in seen))


async def killed(world: World, folder: Path) -> dict[str, Any]:
    """The gateway itself is killed in the middle of a stream, and started again."""
    with gateway(folder, world.settings()) as server:
        async with session_for(server) as session:
            asking = asyncio.ensure_future(ask(session, "hang-midway", stream=True, text="killed"))
            await asyncio.sleep(0.4)
            os.kill(json.loads((folder / "home" / "writer.lock").read_text())["pid"], signal.SIGKILL)
            saw = await asking
    with gateway(folder, world.settings()) as server:
        async with session_for(server) as session:
            after = await ask(session, "good", stream=False, text="after the kill")
    return {"client": saw, "after": after}


@dataclass(frozen=True)
class Recorded:
    """One decision on the disk; `phase` is None where it never ended."""

    id: str
    phase: str | None
    error: str
    attempts: list[str]


def ledger(folder: Path) -> list[Recorded]:
    """Every start on the disk, in order, with its end; twice where it ended twice."""
    with contextlib.closing(sqlite3.connect(folder / "home" / "decisions.sqlite")) as database:
        rows = database.execute(
            "SELECT starts.id, ends.record FROM starts LEFT JOIN ends ON ends.id = starts.id ORDER BY starts.seq"
        ).fetchall()
    found = []
    for decision, raw in rows:
        end = json.loads(raw) if raw else {}
        reply = end.get("reply") or {}
        attempts = [f"{a['rung']}: {a.get('reason') or a.get('verdict') or ''}" for a in reply.get("attempts", [])]
        found.append(Recorded(decision, end.get("phase"), end.get("error") or "", attempts))
    return found


def leaks(folder: Path) -> list[str]:
    """Files of the home, and of the server's own words, that hold the upstream's key."""
    files = [path for path in (folder / "home").rglob("*") if path.is_file()]
    logs = list((models.home().path / "benchmarks").glob(f"server-{os.getpid()}.log"))
    return [path.name for path in [*files, *logs] if KEY.encode() in path.read_bytes()]


def table(asked: Sequence[Asked], recorded: Sequence[Recorded]) -> list[dict[str, Any]]:
    """One row a request: what was done to it, what its client saw, what is on record. They were asked in order."""
    return [
        {
            "fault": one.fault,
            "form": one.form,
            "upstream_requests": one.sent,
            "client": one.saw,
            "recorded": {"phase": row.phase, "error": row.error, "attempts": row.attempts},
        }
        for one, row in zip(asked, recorded, strict=True)
    ]


def wrong(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Requests whose client was left hanging, got something malformed, or a failure of our own."""
    found = []
    for row in rows:
        saw = row["client"]
        spared = row["form"] == "fallback" and saw.get("text") != "Spare."
        good = row["fault"] in _HEALED and saw.get("text") != "Good." and row["form"] != "fallback"
        if row["fault"] in _CALLERS and row["form"] != "fallback" and saw["status"] != 400:
            found.append(f"{row['fault']} {row['form']}: the client was not told that its request is wrong")
        if "broken" in saw or saw["status"] == 500 or (spared and row["fault"] not in _HEALED) or good:
            found.append(f"{row['fault']} {row['form']}: {saw}")
        if row["recorded"]["phase"] is None:
            found.append(f"{row['fault']} {row['form']}: never ended on record")
    return found


_HEALED = {"good", *(fault for fault, script in SCRIPTS.items() if script.healed)}
_CALLERS = {"status-400", "context-length"}  # the request itself is wrong; another tier may still take it


async def measure(folder: Path, names: Sequence[str] | None) -> dict[str, Any]:
    """The whole run."""
    world = World(folder)
    await world.open()
    names = list(world.urls) if names is None else names
    try:
        with gateway(folder, world.settings()) as server:
            asked = await every_fault(world, server, names)
            left = await clients_that_leave(world, server)
            seen = await crowd(server)
            await asyncio.sleep(3.0)  # the ends of those who left
        first = ledger(folder)
        leaked = leaks(folder)
        kill = await killed(world, folder)
        last = ledger(folder)
    finally:
        world.close()
    rows = table(asked, first[: len(asked)])
    refused = seen.get("busy", 0)
    expected = len(asked) + left["requests"] + sum(seen.values())
    return {
        "faults": len(names),
        "rows": rows,
        "wrong": wrong(rows),
        "clients_that_left": left,
        "crowd": seen,
        "decisions": {
            "asked": expected,
            "recorded": len(first),
            "lost": expected - len(first),
            "doubled": len(first) - len({one.id for one in first}),
            "without_end": sum(one.phase is None for one in first),
            "refused_as_busy": refused,
        },
        "gateway_killed": {
            **kill,
            "asked": expected + 2,
            "recorded": len(last),
            "without_end": sum(one.phase is None for one in last),
        },
        "key_found_in": leaked,
    }


def lines(result: dict[str, Any]) -> list[str]:
    """The table for a person."""
    found = [f"{'fault':20} {'form':9} {'sent':>4} {'status':>6}  what the client saw"]
    for row in result["rows"]:
        saw = row["client"]
        what = saw.get("error") or saw.get("text") or saw.get("broken")
        found.append(f"{row['fault']:20} {row['form']:9} {row['upstream_requests']:4} {saw['status']:6}  {what}")
    return [*found, f"decisions: {result['decisions']}", f"wrong: {result['wrong'] or 'nothing'}"]


def main() -> int:
    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--only", nargs="*", help="faults to inject; all by default")

    given = harness.options("faults", __doc__.splitlines()[0] if __doc__ else "", configure)
    folder = models.home().path / "benchmarks" / "home-faults"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = given.extra.only or (["good", "reset-once", "status-500", "half-an-event"] if given.quick else None)
    result = asyncio.run(measure(folder, names))
    return harness.finish(given, result, lines(result))


if __name__ == "__main__":
    raise SystemExit(main())

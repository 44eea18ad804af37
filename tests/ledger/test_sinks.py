"""Sinks: each gets every checkpoint it must, retries, holds up nobody, and a witness cosigns only what grew."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from ledger_samples import signed_ledger, write_decisions

from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, EgressDeniedError, IntegrityError, ProofError, UpstreamError
from rightsized.ledger import merkle
from rightsized.ledger.head import stored_chain
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.notes import COSIGNATURE, Checkpoint, Signer, VerifierKey, parse_checkpoint, parse_checkpoints
from rightsized.ledger.prove import Prover
from rightsized.ledger.publish import LONGEST_PAUSE_S, Publisher
from rightsized.ledger.sinks import open_sink
from rightsized.ledger.sinks.file import FileSink
from rightsized.ledger.tree import StoredTree
from rightsized.ledger.verify import verify


class Witness(HTTPServer):
    """A witness as c2sp.org/tlog-witness describes one, for the tests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.keys: list[VerifierKey] = []
        self.latest: Checkpoint | None = None
        self.asked = 0
        self.signer = Signer("witness.test/w1", b"w" * 32)
        self.key = VerifierKey("witness.test/w1", self.signer.key.public, COSIGNATURE)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/submit"

    def cosign(self, checkpoint: Checkpoint) -> str:
        moment = 1_800_000_000
        message = f"cosignature/v1\ntime {moment}\n{checkpoint.note.text}".encode()
        body = self.key.id + moment.to_bytes(8, "big") + self.signer.sign(message)
        return f"\u2014 witness.test/w1 {base64.b64encode(body).decode()}\n"


class Handler(BaseHTTPRequestHandler):
    server: Witness

    def do_POST(self) -> None:
        self.server.asked += 1
        status, body = self.judge(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def judge(self, body: str) -> tuple[int, str]:
        witness = self.server
        head, _, note = body.partition("\n\n")
        first, *proof = head.split("\n")
        checkpoint, old = parse_checkpoint(note), int(first.removeprefix("old "))
        if self.path != "/submit/add-checkpoint":
            return 404, "unknown path"
        try:
            if not checkpoint.note.signed_by(witness.keys):
                return 403, "unknown key"
        except ProofError:
            return 403, "bad signature"
        known = witness.latest.size if witness.latest else 0
        if old != known:
            return 409, f"{known}\n"
        if witness.latest and old == checkpoint.size and witness.latest.root != checkpoint.root:
            return 409, "another root"
        try:
            if witness.latest and old:
                hashes = [base64.b64decode(line) for line in proof]
                merkle.verify_consistency(old, checkpoint.size, hashes, witness.latest.root, checkpoint.root)
        except ProofError:
            return 422, "not consistent"
        witness.latest = checkpoint
        return 200, witness.cosign(checkpoint)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def witness() -> Iterator[Witness]:
    server = Witness()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


async def grow(ledger: SqliteLedger, times: int = 1) -> None:
    for _ in range(times):
        await write_decisions(ledger, 3)
        await ledger.keep_checkpoint()


def keys(ledger: SqliteLedger) -> list[VerifierKey]:
    return list(stored_chain(ledger.reader.query).keys)


def test_a_file_gets_every_checkpoint_once_and_verify_reads_it(tmp_path: Path) -> None:
    kept = tmp_path / "elsewhere.txt"

    async def scenario(ledger: SqliteLedger, times: int) -> None:
        publisher = Publisher(ledger, [open_sink(f"file:{kept}", Egress())])
        await grow(ledger, times)
        await publisher.publish()
        await publisher.publish()
        assert publisher.status()[0].waiting == 0

    with signed_ledger(tmp_path) as ledger:
        asyncio.run(scenario(ledger, 3))
    with signed_ledger(tmp_path) as ledger:  # a restart goes on where it stopped
        asyncio.run(scenario(ledger, 2))
        expected = [note for (note,) in ledger.reader.query("SELECT note FROM checkpoints ORDER BY size")]
    assert [str(one.note) for one in parse_checkpoints(kept.read_text("utf-8"))] == expected
    found = verify(tmp_path / "d.sqlite", against=parse_checkpoints(kept.read_text("utf-8")))
    assert (found.ok, found.external) == (True, len(expected))


def test_syslog_gets_them_as_json(tmp_path: Path) -> None:
    with signed_ledger(tmp_path) as ledger, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "log"))
        listener.settimeout(5)
        asyncio.run(grow(ledger))
        publisher = Publisher(ledger, [open_sink(f"syslog:{tmp_path / 'log'}", Egress())])
        asyncio.run(publisher.publish())
        message = listener.recv(65536).decode()
        assert message.startswith("<109>rightsized-ledger: {")
        sent = json.loads(message.partition(": ")[2])
        assert parse_checkpoint(sent["checkpoint"]).size == sent["size"]


def test_a_witness_cosigns_what_grew(tmp_path: Path, witness: Witness) -> None:
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(grow(ledger))
        witness.keys = keys(ledger)
        publisher = Publisher(ledger, [open_sink(witness.url, Egress())])
        for _ in range(3):
            asyncio.run(grow(ledger, 2))
            asyncio.run(publisher.publish())
            (status,) = publisher.status()
            assert (status.error, status.waiting, status.size) == ("", 0, witness.latest.size)
        assert witness.asked == 3  # the newest checkpoint covers those before it
        size, _, lines = ledger.reader.query("SELECT * FROM cosignatures ORDER BY size DESC")[0]
        (note,) = ledger.reader.query("SELECT note FROM checkpoints WHERE size = ?", (size,))[0]
        assert parse_checkpoint(note + lines).note.signed_by([witness.key]) == [witness.key]
        cosigned = parse_checkpoint(Prover(ledger.reader).cosigned())
        assert cosigned.note.signed_by([witness.key, *witness.keys]) == [*witness.keys, witness.key]
        ledger._connection.execute("DELETE FROM published")  # we forgot how far the witness is: it tells us
        asyncio.run(grow(ledger))
        asyncio.run(publisher.publish())
        assert publisher.status()[0].error == ""


def test_a_witness_finds_a_rollback_and_a_rewritten_past(tmp_path: Path, witness: Witness) -> None:
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(grow(ledger, 2))
        witness.keys = keys(ledger)
        sink, tree = open_sink(witness.url, Egress()), StoredTree(ledger.reader.query)
        early, late = (
            parse_checkpoint(note) for (note,) in ledger.reader.query("SELECT note FROM checkpoints ORDER BY size")[-2:]
        )
        sink.send(late, tree, 0)
        with pytest.raises(IntegrityError, match="was set back"):
            sink.send(early, tree, 0)
        witness.latest = Checkpoint(late.origin, early.size, bytes(32), late.time, late.note)
        with pytest.raises(UpstreamError, match="status 422"):
            sink.send(late, tree, early.size)
        witness.keys = []
        with pytest.raises(UpstreamError, match="verifier key"):
            sink.send(late, tree, early.size)


def test_a_witness_elsewhere_asks_the_egress(tmp_path: Path) -> None:
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(grow(ledger))
        sink = open_sink("https://witness.example/w1", Egress())
        note = parse_checkpoint(ledger.checkpoint)
        with pytest.raises(EgressDeniedError, match=r"witness\.example"):
            sink.send(note, StoredTree(ledger.reader.query), 0)
        publisher = Publisher(ledger, [sink])
        asyncio.run(publisher.publish())
        assert "no rule allows" in publisher.status()[0].error


def test_a_sink_that_fails_is_tried_ever_less_often_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rightsized.ledger")
    now = [0.0]
    away, kept = tmp_path / "share" / "kept.txt", tmp_path / "kept.txt"
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(grow(ledger, 3))
        sinks = [FileSink("file:away", away), FileSink("file:here", kept)]
        publisher = Publisher(ledger, sinks, clock=lambda: now[0])
        tries = []
        for second in range(2000):
            now[0] = float(second)
            before = publisher.status()[0].failures
            asyncio.run(publisher.publish()) if second < 40 or second % 50 == 0 else None
            if publisher.status()[0].failures > before:
                tries.append(second)
        pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
        assert pauses == sorted(pauses)
        assert tries[:3] == [0, 2, 6]
        assert pauses[-1] >= LONGEST_PAUSE_S
        failed, fine = publisher.status()
        assert "FileNotFoundError" in failed.error
        assert (failed.waiting, fine.waiting, fine.error) == (4, 0, "")
        away.parent.mkdir()
        now[0] = 1e6
        asyncio.run(publisher.publish())
        assert away.read_text("utf-8") == kept.read_text("utf-8")
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]  # once each, not at every try


def test_a_sink_that_hangs_holds_up_no_answer(tmp_path: Path) -> None:
    release = threading.Event()

    class Hanging:
        name, newest_only = "hangs", True

        def send(self, checkpoint: Checkpoint, tree: StoredTree, sent: int) -> str:
            assert release.wait(20)
            return ""

    async def scenario(ledger: SqliteLedger) -> int:
        await grow(ledger)
        publishing = asyncio.ensure_future(Publisher(ledger, [Hanging()]).publish())
        await asyncio.sleep(0)
        written = len(await write_decisions(ledger, 50))
        assert not publishing.done()
        release.set()
        await publishing
        return written

    with signed_ledger(tmp_path) as ledger:
        assert asyncio.run(scenario(ledger)) == 50


@pytest.mark.parametrize("address", ["gopher://x", "file:relative.txt", "syslog:relative", "https:///path", ""])
def test_an_address_that_cannot_be_is_told(address: str) -> None:
    with pytest.raises(ConfigError):
        open_sink(address, Egress())

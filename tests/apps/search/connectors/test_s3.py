"""Buckets, against a real S3 server; what networks do to it is done by a proxy in front of it."""

from __future__ import annotations

import hashlib
import http.client
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rightsized.apps.search.connectors import open_connector, s3_client
from rightsized.apps.search.connectors.s3 import S3Connector, open_s3
from rightsized.apps.search.connectors.s3_client import FORBIDDEN, Bucket, S3Client
from rightsized.apps.search.connectors.sigv4 import Credentials
from rightsized.apps.search.types import Item
from rightsized.core.egress import Egress, Journal, read_journal
from rightsized.core.errors import ConfigError, DownloadError, EgressDeniedError, NotFoundError, StoreError
from tests.apps.search.connectors.s3_server import BUCKET, Server, peer, running

pytestmark = pytest.mark.needs_s3


@pytest.fixture(scope="module")
def started() -> Iterator[Server]:
    if not peer().installed:
        pytest.skip("no S3 server: python -m tests.apps.search.connectors.s3_server")
    with running() as server:
        yield server


@pytest.fixture
def server(started: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", started.access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", started.secret)
    monkeypatch.setattr(s3_client, "FIRST_WAIT_S", 0.001)
    yield started
    for stored in client(started).listed(""):
        started.delete(stored.key)


def client(server: Server, endpoint: str = "", keys: tuple[str, str] | None = None, **more: Any) -> S3Client:
    bucket = Bucket(more.pop("bucket", BUCKET), endpoint or server.endpoint, "us-east-1")
    return S3Client(bucket, Credentials(*(keys or (server.access, server.secret))), Egress(), **more)


def items(connector: S3Connector) -> dict[str, Item]:
    return {item.key: item for item in connector.items()}


def test_objects_beneath_a_prefix_with_odd_names(server: Server, tmp_path: Path) -> None:
    keys = ["policies/a.txt", "policies/Grüße & mehr/ü +%41=?.txt", "policies/日本/契約.pdf", "policies/a b~c'(1).txt"]
    for key in keys:
        server.put(key, key.encode())
    server.put("other/b.txt", b"x")
    server.put("policies/.hidden/c.txt", b"x")
    server.put("policies/~$a.docx", b"x")
    connector = open_s3(server.address("policies", allow="group:staff"), Egress())
    found = items(connector)
    assert sorted(f"policies/{key}" for key in found) == sorted(keys)
    assert list(found) == sorted(found, key=str.encode)
    for item in found.values():
        connector.read(item, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == f"policies/{item.key}".encode()
        assert item.principals == ("group:staff",)
        assert item.version.startswith(hashlib.md5(f"policies/{item.key}".encode()).hexdigest())
        assert abs(item.modified - datetime.now(UTC).timestamp()) < 600


def test_more_objects_than_fit_on_a_page(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "PAGE", 7)
    keys = [f"many/{number:03d}.txt" for number in range(40)]
    for key in keys:
        server.put(key, b"x")
    assert [stored.key for stored in client(server).listed("many/")] == keys


def test_versions_follow_the_content(server: Server, tmp_path: Path) -> None:
    server.put("a.txt", b"one")
    server.put("b.txt", b"two")
    connector = open_s3(server.address(), Egress())
    before = items(connector)
    assert before["a.txt"].principals == ()
    server.put("a.txt", b"ONE")
    after = items(connector)
    assert after["a.txt"].version != before["a.txt"].version
    assert after["b.txt"] == before["b.txt"]
    server.delete("b.txt")
    assert list(items(connector)) == ["a.txt"]
    with pytest.raises(NotFoundError, match=r"b\.txt in the bucket 'docs' is gone"):
        connector.read(before["b.txt"], tmp_path / "copy")


def test_sidecar_objects_say_who_sees_what(server: Server) -> None:
    for key in ("a.txt", "hr/b.txt", "hr/+first.txt", "legal/c.txt", "legal/deep/d.txt"):
        server.put(key, b"x")
    everyone = b'[[rule]]\nmatch = "**"\nallow = ["everyone"]\n'
    server.put("hr/.rightsized-access.toml", b'[[rule]]\nmatch = "b.txt"\nallow = ["group:hr"]\n')
    server.put("legal/.rightsized-access.toml", b"[[rule]")
    server.put("legal/deep/.rightsized-access.toml", everyone)
    connector = open_s3(server.address(allow="user:anna"), Egress())
    assert {key: item.principals for key, item in items(connector).items()} == {
        "a.txt": ("user:anna",), "hr/+first.txt": (), "hr/b.txt": ("group:hr",), "legal/c.txt": (),
        "legal/deep/d.txt": (),
    }  # fmt: skip
    (problem,) = connector.problems
    assert "s3://docs/legal/" in problem


def test_refusals_say_what_to_do(server: Server, tmp_path: Path) -> None:
    server.put("a.txt", b"x")
    with pytest.raises(StoreError, match=r"SignatureDoesNotMatch.*secret key is another"):
        list(client(server, keys=(server.access, "wrong")).listed(""))
    with pytest.raises(StoreError, match=r"InvalidAccessKeyId.*does not know this access key"):
        list(client(server, keys=("UNKNOWN", server.secret)).listed(""))
    with pytest.raises(StoreError, match=r"403 AccessDenied.*s3:ListBucket"):
        list(client(server, keys=server.stranger).listed(""))
    with pytest.raises(StoreError, match=r"403 AccessDenied.*s3:GetObject"):
        client(server, keys=server.stranger).read("a.txt", tmp_path / "copy")
    with pytest.raises(StoreError, match=r"404 NoSuchBucket.*name of the bucket"):
        list(client(server, bucket="absent").listed(""))


def test_objects_put_in_parts(server: Server, tmp_path: Path) -> None:
    first, second = b"a" * (5 << 20), b"b" * 1000
    server.put_in_parts("big.bin", first, second)
    connector = open_s3(server.address(), Egress())
    (item,) = items(connector).values()
    assert item.version.endswith(f"-2-{item.size}")
    connector.read(item, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == first + second
    server.put("big.bin", b"other")
    with pytest.raises(StoreError, match="changed since it was listed"):
        connector.read(item, tmp_path / "copy")


class Proxy(BaseHTTPRequestHandler):
    """Hands requests on, and does to each answer what `faults` says next."""

    faults: ClassVar[list[str]] = []
    asked: ClassVar[list[dict[str, str]]] = []
    behind: ClassVar[str] = ""

    def do_GET(self) -> None:
        self.asked.append({name.lower(): value for name, value in self.headers.items()})
        connection = http.client.HTTPConnection(self.behind, timeout=10)
        connection.request("GET", self.path, headers=dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        fault = self.faults.pop(0) if self.faults else ""
        if fault.isdecimal():
            self.send_response(int(fault))
            self.send_header("content-length", "0")
            self.end_headers()
            return
        if fault == "skewed":  # in the words of Amazon's servers
            body = b"<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>"
        self.send_response(FORBIDDEN if fault == "skewed" else answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "date", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
        self.close_connection = fault == "cut"

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def proxy(server: Server) -> Iterator[str]:
    Proxy.behind, Proxy.faults, Proxy.asked = server.host, [], []
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_a_read_that_was_cut_off_goes_on_where_it_was(server: Server, proxy: str, tmp_path: Path) -> None:
    body = bytes(range(256)) * 4000
    server.put("big.bin", body)
    Proxy.faults += ["cut", "503", "cut", "cut"]
    received = client(server, proxy).read("big.bin", tmp_path / "copy", etag=hashlib.md5(body).hexdigest())
    assert received == len(body)
    assert (tmp_path / "copy").read_bytes() == body
    ranges = [asked.get("range", "") for asked in Proxy.asked]
    assert ranges == ["", "bytes=512000-", "bytes=512000-", "bytes=768000-", "bytes=896000-"]
    assert all(asked["if-match"] == f'"{hashlib.md5(body).hexdigest()}"' for asked in Proxy.asked)


def test_clocks_that_differ(server: Server, proxy: str) -> None:
    Proxy.faults += ["skewed"]
    late = client(server, proxy, now=lambda: datetime.now(UTC) - timedelta(hours=2))
    with pytest.raises(StoreError, match=r"7[12][0-9][0-9] seconds apart.*clock"):
        list(late.listed(""))


def test_a_listing_is_tried_again_and_then_given_up(server: Server, proxy: str) -> None:
    server.put("a.txt", b"x")
    Proxy.faults += ["cut", "500", "429"]
    assert [stored.key for stored in client(server, proxy).listed("")] == ["a.txt"]
    Proxy.faults += ["503"] * s3_client.ATTEMPTS
    with pytest.raises(DownloadError, match="did not answer 5 times in a row: 503"):
        list(client(server, proxy).listed(""))


def test_waits_grow_and_heed_the_server(server: Server, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "FIRST_WAIT_S", 0.5)
    waits: list[float] = []
    Proxy.faults += ["503", "503", "503"]
    assert list(client(server, proxy, wait=waits.append).listed("")) == []
    assert [0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(waits)] == [True] * 3


def test_what_others_say_stays_within_bounds(server: Server, proxy: str, tmp_path: Path) -> None:
    server.put("a.txt", b"x" * 1000)
    with pytest.raises(StoreError, match="more than 10 bytes"):
        client(server).read("a.txt", tmp_path / "copy", most=10)
    Proxy.faults += ["301"]
    with pytest.raises(StoreError, match="answered 301"):
        list(client(server, proxy).listed(""))
    for bomb in (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', b"x" * (s3_client.MOST_ANSWER_BYTES + 1)):
        with pytest.raises(DownloadError, match="no list of objects"):
            s3_client._xml(bomb, "The bucket")


def test_nothing_is_connected_to_that_egress_does_not_allow(tmp_path: Path) -> None:
    bucket = Bucket("b", "https://store.example:9000", "us-east-1")
    denied = S3Client(bucket, Credentials("A", "B"), Egress())
    with pytest.raises(EgressDeniedError, match=r"store\.example"):
        list(denied.listed(""))
    journal = Journal(tmp_path / "journal")
    allowed = S3Client(
        bucket, Credentials("A", "B"), Egress(frozenset({"store.example"}), journal), wait=lambda _: None
    )
    with pytest.raises(DownloadError, match="did not answer"):
        list(allowed.listed(""))  # the name resolves nowhere
    assert {line.destination for line in read_journal(tmp_path / "journal")} == {"store.example"}


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("s3://", "names no bucket"),
        ("s3://b?endpoint=ftp://x", "names no bucket"),
        ("s3://key:secret@b", "names no bucket"),
        ("s3://b?colour=red", "'colour' is no option"),
        ("s3://b?style=upside-down", "neither path nor host"),
        ("s3://b?keys=/nonexistent", "cannot be read"),
    ],
)
def test_addresses_that_are_wrong(address: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong) as caught:
        open_connector(address, Egress())
    assert "secret" not in str(caught.value)


def test_amazon_is_asked_by_the_name_of_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "B")
    connector = open_s3("s3://b/x?region=eu-central-1", Egress())
    assert connector.source == "s3://b/x/?endpoint=https://s3.eu-central-1.amazonaws.com"
    with pytest.raises(EgressDeniedError, match=r"'b\.s3\.eu-central-1\.amazonaws\.com'"):
        list(connector.items())

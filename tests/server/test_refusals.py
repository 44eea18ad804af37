"""What goes wrong, and what the caller is told: every failure is a problem document that names the cause."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_service import FakeService
from live_server import Answer, Client

from rightsized.core.types import Reply
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore

CLASSIFY = "/v1/classify"
GOOD = {"task": "support", "text": "refund my invoice"}


def problem(answer: Answer, status: int, code: str) -> str:
    """Checks the form of a problem and gives its detail."""
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json
    assert set(found) == {"type", "title", "status", "detail", "instance", "code", "fix"}
    assert (answer.status, found["status"], found["code"]) == (status, status, code), found
    assert found["type"] == f"/problems/{code}"
    assert "Traceback" not in answer.text
    return str(found["detail"])


@pytest.mark.parametrize(
    ("body", "code", "names"),
    [
        (b"", "invalid-json", "truncated"),
        (b'{"task":', "invalid-json", "truncated"),
        (b"[1, 2", "invalid-field", "array"),
        (b'{"task": "support", "text": "\xff\xfe"}', "invalid-json", "UTF-8"),
        (b'{"task": "support", "text": "\\ud800"}', "invalid-field", "half a surrogate pair"),
        (b'{"task": "support", "text": "\\udc00 \\ud83d\\ude00"}', "invalid-field", "half a surrogate pair"),
        (b'{"task": "support", "text": "\\ud800"', "invalid-json", "not valid JSON"),
        (b'{"task": "support", "text": "a"} trailing', "invalid-json", "trailing"),
        (b'{"task": "support", "text": "a", "lable": 1}', "invalid-field", "`lable`"),
        (b'{"text": "a"}', "invalid-field", "`task`"),
        (b'{"task": "support", "text": 7}', "invalid-field", "$.text"),
        (b'{"task": "support", "texts": ["a", null]}', "invalid-field", "$.texts[1]"),
        (b'{"task": "support", "texts": []}', "invalid-field", "$.texts"),
        (b'{"task": "support"}', "invalid-field", "neither"),
        (b'{"task": "support", "text": "a", "texts": ["b"]}', "invalid-field", "both"),
        (b'{"task": "support", "texts": ["b"], "conversation": "c"}', "invalid-field", "conversation"),
        (b'{"task": "support", "text": ' + b"[" * 20_000, "invalid-field", "$.text"),
        (b"[" * 20_000, "invalid-field", "array"),
    ],
)
def test_bodies_that_cannot_be_used(client: Client, body: bytes, code: str, names: str) -> None:
    answer = client.send("POST", CLASSIFY, body, {"content-type": "application/json"})
    detail = problem(answer, 400 if code == "invalid-json" else 422, code)
    assert names.lower() in detail.lower()


def test_a_wrong_field_comes_with_the_right_ones(client: Client) -> None:
    assert (
        client.post(CLASSIFY, {**GOOD, "lable": "x"})
        .json["fix"]
        .startswith("Fields of this request: task, text, texts, conversation")
    )
    answer = client.post("/v1/feedback", {"decision": "d1", "label": "x", "reviewer": ""})
    assert "$.reviewer" in problem(answer, 422, "invalid-field")


def test_errors_of_the_service(client: Client) -> None:
    unknown = client.post(CLASSIFY, {"task": "suport", "text": "a"})
    assert "'suport'" in problem(unknown, 404, "not-found")
    assert "support" in unknown.json["fix"]
    problem(client.post(CLASSIFY, {"task": "support", "text": "  "}), 422, "input")
    problem(client.get("/v1/tasks/none"), 404, "not-found")
    problem(client.get("/v1/decisions/none"), 404, "not-found")
    problem(client.get("/v1/queue?task=none"), 404, "not-found")
    waiting = client.get("/v1/queue").json["items"][0]["decision"]
    assert "'blling'" in problem(client.post(f"/v1/queue/{waiting}", {"label": "blling"}), 422, "input")


def test_busy_says_when_to_come_back(client: Client) -> None:
    client.service.busy = True
    try:
        answer = client.post(CLASSIFY, GOOD)
    finally:
        client.service.busy = False
    problem(answer, 503, "busy")
    assert answer.headers["retry-after"] == "1"


def test_an_unforeseen_error_stays_inside(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.service.broken = True
    try:
        with caplog.at_level(logging.ERROR, "rightsized.server"):
            answers = [client.post(CLASSIFY, GOOD), client.form("/try", GOOD, accept="application/json")]
    finally:
        client.service.broken = False
    for answer in answers:
        problem(answer, 500, "internal")
        assert "secret" not in answer.text
        assert "ZeroDivision" not in answer.text
    assert "secret internals" in caplog.text


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=ten", "limit=-1", "limit=", "limit=99999999999999999999"]
)
def test_query_parameters_are_checked(client: Client, query: str) -> None:
    assert "limit" in problem(client.get(f"/v1/queue?{query}"), 422, "invalid-field")


def test_an_unknown_query_parameter_is_named(client: Client) -> None:
    assert "'tsak'" in problem(client.get("/v1/queue?tsak=support"), 422, "invalid-field")


def test_no_such_address_and_no_such_method(client: Client) -> None:
    problem(client.get("/v1/nothing"), 404, "unknown-route")
    problem(client.get("/v1/tasks/"), 404, "unknown-route")
    for method, path, allow in (
        ("GET", CLASSIFY, "POST"),
        ("PUT", "/v1/queue/d1", "DELETE, POST"),
        ("POST", "/v1/tasks", "GET, HEAD"),
        ("OPTIONS", CLASSIFY, "POST"),
        ("POST", "/queue", "GET, HEAD"),
    ):
        answer = client.send(method, path)
        problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == allow


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_only_json_is_taken(client: Client, kind: str) -> None:
    """`text/plain` matters: browsers send it across sites without asking first."""
    for path in (CLASSIFY, "/v1/feedback", "/v1/queue/d1"):
        headers = {"content-type": kind} if kind else {}
        answer = client.send("POST", path, json.dumps(GOOD).encode(), headers)
        assert "application/json" in problem(answer, 415, "unsupported-media-type")


def test_a_compressed_body_is_refused(client: Client) -> None:
    answer = client.post(CLASSIFY, GOOD, content_encoding="gzip")
    assert "gzip" in problem(answer, 415, "unsupported-media-type")


def test_a_body_that_is_too_large(client: Client) -> None:
    answer = client.post(CLASSIFY, {"task": "support", "text": "a" * 60_000})
    assert "0.05 MiB" in problem(answer, 413, "payload-too-large")
    assert client.form("/try", {"task": "support", "text": "a" * 60_000}).status == 413


def test_a_body_without_a_declared_length_is_counted(client: Client) -> None:
    chunk = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", client.listening.port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"transfer-encoding: chunked\r\n\r\n" + chunk * 4
        )
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"payload-too-large" in received


def test_a_body_in_small_pieces_is_put_together(client: Client) -> None:
    body = json.dumps(GOOD).encode()
    with socket.create_connection(("127.0.0.1", client.listening.port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json; charset=utf-8\r\n"
            b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for byte in body:
            connection.sendall(b"1\r\n%c\r\n" % byte)
        connection.sendall(b"0\r\n\r\n")
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 200 ")


def test_a_client_that_leaves_early_harms_nobody(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        for path, kind in ((b"/v1/classify", b"application/json"), (b"/try", b"application/x-www-form-urlencoded")):
            with socket.create_connection(("127.0.0.1", client.listening.port), timeout=10) as connection:
                connection.sendall(
                    b"POST " + path + b" HTTP/1.1\r\nhost: localhost\r\ncontent-type: " + kind
                    + b"\r\ncontent-length: 100\r\n\r\nabc"
                )  # fmt: skip
        assert client.get("/healthz").status == 200
    assert not caplog.records


HALVES = {
    "body": b"POST /v1/classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"content-length: 99\r\n\r\n{",
    "form": b"POST /try HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    b"content-length: 99\r\n\r\ntask=",
    "chunks": b"POST /v1/feedback HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    "header": b"GET /healthz HTTP/1.1\r\nhost: local",
}


@pytest.mark.parametrize("half", HALVES)
def test_half_a_request_is_answered_408_and_its_connection_closed(start: Callable[..., Client], half: str) -> None:
    client = start(FakeService(), body_seconds=0.2)
    with socket.create_connection(("127.0.0.1", client.listening.port), timeout=10) as connection:
        connection.sendall(HALVES[half])
        received = b""
        while piece := connection.recv(65536):  # ends: the server closes
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    found = json.loads(body)
    assert (found["code"], found["status"]) == ("request-timeout", 408)
    assert "body_seconds" in found["fix"]
    assert client.get("/healthz").status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /v1/classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 99\r\n\r\n{",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nho",
    ],
)
def test_a_connection_on_which_nothing_more_comes_is_closed(start: Callable[..., Client], sent: bytes) -> None:
    client = start(FakeService(), body_seconds=0.2)
    with socket.create_connection(("127.0.0.1", client.listening.port), timeout=10) as connection:
        connection.sendall(sent)
        time.sleep(0.05)
        if b"text/plain" in sent:
            connection.sendall(b"x")  # the answer is out; this byte would put off the end of an idle connection
        while connection.recv(65536):
            pass


def test_an_answer_may_take_longer_than_its_request(start: Callable[..., Client]) -> None:
    service = FakeService()
    quick = service.classify

    async def slow(task: str, text: str, **more: Any) -> Reply:
        await asyncio.sleep(0.5)
        return await quick(task, text, **more)

    service.classify = slow  # type: ignore[method-assign]  # the slow service under test
    client = start(service, body_seconds=0.1)
    body = json.dumps(GOOD).encode()
    request = (
        b"POST /v1/classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", client.listening.port), timeout=10) as connection:
        connection.sendall(request % len(body) + body + b"GET /healthz HT")
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in received  # the half that followed


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8321", "10.0.0.1", "127.0.0.1.evil.example", "[2001:db8::1]:80"]
)
def test_a_foreign_host_is_refused_on_loopback(client: Client, host: str) -> None:
    for path in ("/", "/v1/tasks", "/healthz"):
        problem(client.send("GET", path, headers={"host": host}), 421, "wrong-host")
    answer = client.send("POST", CLASSIFY, b"{}", {"host": host, "content-type": "application/json"})
    problem(answer, 421, "wrong-host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1", "127.8.9.1:1", "[::1]:8321"])
def test_loopback_names_are_answered(client: Client, host: str) -> None:
    assert client.send("GET", "/healthz", headers={"host": host}).status == 200


def test_any_host_is_answered_when_listening_openly(start: Callable[..., Client], tmp_path: Path) -> None:
    KeyStore(Home(tmp_path)).create("anyone")
    client = start(FakeService(), host="0.0.0.0", home=tmp_path)
    assert client.send("GET", "/healthz", headers={"host": "box.example"}).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:1"},
    ],
)
def test_other_sites_may_not_change_anything(client: Client, sent: dict[str, str]) -> None:
    job = {"content-type": "application/json", **sent}
    for method, path in (
        ("POST", CLASSIFY),
        ("DELETE", "/v1/jobs/job-3"),
        ("POST", "/try"),
        ("POST", "/jobs/job-3/cancel"),
    ):
        problem(client.send(method, path, b"{}", job), 403, "cross-site")
    assert client.get("/v1/jobs").json["jobs"][0]["state"] == "running"
    assert client.send("GET", "/healthz", headers=sent).status == 200


def test_our_own_pages_may(client: Client) -> None:
    own = f"http://127.0.0.1:{client.listening.port}"
    answer = client.post(CLASSIFY, GOOD, origin=own, sec_fetch_site="same-origin")
    assert answer.status == 200


def test_no_answer_invites_other_origins(client: Client) -> None:
    for answer in (client.post(CLASSIFY, GOOD), client.get("/v1/tasks"), client.get("/")):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_behind_a_proxy_on_this_machine_dropping_the_origin_is_what_helps(client: Client) -> None:
    body = b'{"task": "support", "text": "refund"}'
    headers = {"Content-Type": "application/json"}
    refused = client.send("POST", "/v1/classify", body, {**headers, "Origin": "https://proxy.example"})
    assert "drop the Origin header" in refused.json["fix"]
    assert client.send("POST", "/v1/classify", body, headers).status == 200

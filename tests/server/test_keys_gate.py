"""API keys in front of a real server: what each role opens, what is never open, and what a refusal says."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_service import FakeService
from live_server import WAIT, Client

from rightsized.core.config import Config, ServerConfig
from rightsized.core.errors import ConfigError
from rightsized.core.roles import ROLES
from rightsized.server.access import needed
from rightsized.server.app import create_app
from rightsized.server.keys import Gate
from rightsized.server.routes import OPERATIONS
from rightsized.server.run import Listening, Tls, serve
from rightsized.store.home import Home
from rightsized.store.keys import LOOK_SECONDS, ApiKey, KeyStore, Limits
from rightsized.tasks.remote import local_key
from rightsized.tasks.spending import Spending

ASK = {"task": "support", "text": "Where is my parcel?"}


@contextmanager
def guarded(home: Path, tls: Tls | None = None) -> Iterator[Client]:
    """A server on loopback that asks for keys as one beyond loopback does."""
    config = Config(home=str(home), server=ServerConfig(require_key="always"))
    service, ready, found = FakeService(), threading.Event(), list[Listening]()
    app = create_app(service, config)

    def note(listening: Listening) -> None:
        found.append(listening)
        ready.set()

    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", 0, 5.0, note, tls))
    thread.start()
    try:
        assert ready.wait(WAIT)
        yield Client(service, found[0])
    finally:
        found[0].stop()
        thread.join(WAIT)


def bearer(shown: str) -> dict[str, str]:
    return {"authorization": f"Bearer {shown}"}


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, tuple[ApiKey, str]]:
    store = KeyStore(Home(tmp_path))
    return {role: store.create(role, roles=(role,)) for role in ROLES}


def test_each_role_opens_its_own_addresses(tmp_path: Path, keys: dict[str, tuple[ApiKey, str]]) -> None:
    with guarded(tmp_path) as client:
        got = {
            role: [
                client.post("/v1/classify", ASK, **bearer(shown)).status,
                client.send("GET", "/v1/queue", headers=bearer(shown)).status,
                client.send("GET", "/metrics", headers=bearer(shown)).status,
                client.send("GET", "/", headers=bearer(shown)).status,
            ]
            for role, (_, shown) in keys.items()
        }
    assert got == {
        "client": [200, 403, 403, 403],
        "viewer": [403, 403, 403, 200],
        "reviewer": [403, 200, 403, 200],
        "operator": [200, 403, 200, 200],
        "auditor": [403, 403, 200, 200],
        "admin": [200, 200, 200, 200],
    }


def test_without_a_key_only_health_is_open(tmp_path: Path, keys: dict[str, tuple[ApiKey, str]]) -> None:
    with guarded(tmp_path) as client:
        assert client.get("/healthz").status == 200
        for operation in OPERATIONS:
            if operation.path not in ("/healthz", "/readyz"):
                path = operation.path.replace("{id}", "x").replace("{name}", "x")
                answer = client.send(operation.method, path, "{}", {"content-type": "application/json"})
                assert answer.status == 401, (operation.method, path)
        problem = client.post("/v1/classify", ASK).json
    assert (problem["code"], problem["status"]) == ("unauthorized", 401)
    assert "Bearer" in problem["fix"]


@pytest.mark.parametrize(
    ("path", "more"),
    [("/v1/embeddings", {"input": ["abba", "gab"]}), ("/v1/rerank", {"query": "abba", "documents": ["gab", "cab"]})],
)
def test_tokens_that_an_encoder_read_count_as_well(tmp_path: Path, path: str, more: dict[str, object]) -> None:
    shown = KeyStore(Home(tmp_path)).create("bot", limits=Limits(tokens_per_minute=1))[1]
    with guarded(tmp_path) as client:
        first, second = [client.post(path, {"model": "letters", **more}, **bearer(shown)) for _ in range(2)]
    assert first.status == 200
    assert first.json["usage"]["prompt_tokens"] > 1
    assert (second.status, second.json["error"]["type"]) == (429, "rate_limit_error")


def test_a_refusal_never_repeats_the_key(tmp_path: Path, keys: dict[str, tuple[ApiKey, str]]) -> None:
    wrong = keys["client"][1][:-1] + ("A" if keys["client"][1][-1] != "A" else "B")
    with guarded(tmp_path) as client:
        answer = client.post("/v1/classify", ASK, **bearer(wrong))
        assert answer.status == 401
        assert wrong not in answer.text
        assert client.post("/v1/chat/completions", {"messages": []}, **bearer(wrong)).json["error"]["code"] == (
            "invalid_api_key"
        )


def test_a_revoked_key_stops_within_a_moment(tmp_path: Path, keys: dict[str, tuple[ApiKey, str]]) -> None:
    key, shown = keys["client"]
    with guarded(tmp_path) as client:
        assert client.post("/v1/classify", ASK, **bearer(shown)).status == 200
        KeyStore(Home(tmp_path)).revoke(key.id)
        time.sleep(LOOK_SECONDS * 1.1)
        answer = client.post("/v1/classify", ASK, **bearer(shown))
    assert answer.status == 401
    assert "revoked" in answer.json["detail"]


def test_too_many_requests_say_when_to_come_back(tmp_path: Path) -> None:
    _, shown = KeyStore(Home(tmp_path)).create("slow", limits=Limits(requests_per_minute=2))
    with guarded(tmp_path) as client:
        answers = [client.post("/v1/classify", ASK, **bearer(shown)) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert 25 <= int(answers[2].headers["retry-after"]) <= 30


def test_a_browser_is_asked_for_a_key_and_may_give_it_as_a_password(
    tmp_path: Path, keys: dict[str, tuple[ApiKey, str]]
) -> None:
    with guarded(tmp_path) as client:
        asked = client.page("/")
        assert asked.status == 401
        assert asked.headers["www-authenticate"].startswith("Basic ")
        basic = base64.b64encode(f"me:{keys['admin'][1]}".encode()).decode()
        assert client.send("GET", "/", headers={"accept": "text/html", "authorization": f"Basic {basic}"}).status == 200


def test_commands_of_this_machine_are_let_in(tmp_path: Path, keys: dict[str, tuple[ApiKey, str]]) -> None:
    with guarded(tmp_path) as client:
        assert client.send("GET", "/v1/queue", headers=bearer(local_key(Home(tmp_path)))).status == 200
        assert client.send("GET", "/v1/queue", headers=bearer("local-" + "0" * 64)).status == 401


def test_beyond_loopback_a_server_without_keys_does_not_start(tmp_path: Path) -> None:
    config = Config(home=str(tmp_path), server=ServerConfig(host="0.0.0.0"))
    with pytest.raises(ConfigError, match="this home has none") as caught:
        Gate(config, Spending())
    assert "rightsized keys create" in caught.value.fix


def test_what_no_line_of_the_table_names_needs_admin() -> None:
    assert needed("GET", "/anything/else") == "administer"
    assert needed("DELETE", "/v1/tasks/x") == "administer"
    assert needed("HEAD", "/v1/tasks/x") == "list"
    assert needed("GET", "/v1/models/a/b") == "list"
    assert needed("GET", "/v1/tasks/a/b") == "administer"


def test_https_with_the_certificate_of_the_settings(tmp_path: Path, keys: dict[str, tuple[ApiKey, str]]) -> None:
    certificate, private = make_certificate(tmp_path)
    with guarded(tmp_path, Tls(str(certificate), str(private))) as client:
        assert client.listening.url.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(f"{client.listening.url}/healthz", context=trust, timeout=WAIT) as answer:
            assert answer.status == 200


def test_a_certificate_that_cannot_be_used_is_an_error_before_anything_listens(tmp_path: Path) -> None:
    certificate, _ = make_certificate(tmp_path)
    with pytest.raises(ConfigError, match=r"tls_cert and server\.tls_key"):
        Tls(str(certificate), "").checked()
    with pytest.raises(ConfigError, match="cannot be used"):
        Tls(str(certificate), str(certificate)).checked()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(private, hashes.SHA256())
    )
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    return folder / "cert.pem", folder / "key.pem"

"""Debian's dovecot on loopback, for tests and benchmarks: a folder of its own, free ports, gone at the end.

Everybody's password is `PASSWORD`; OAuth tokens are JSON Web Tokens under `TOKEN_KEY`. On 127.0.0.2 the same mailboxes
are served by one that knows neither IDLE nor MOVE nor UIDPLUS.
"""

from __future__ import annotations

import base64
import contextlib
import getpass
import grp
import hashlib
import hmac
import imaplib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "correct horse ü"
TOKEN_KEY = b"0123456789abcdef0123456789abcdef"
BARE = "127.0.0.2"
START_S, STOP_S = 20.0, 10.0

_CONFIG = """
protocols = imap
listen = 127.0.0.1, {bare}
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
default_login_user = {login}
default_internal_user = {internal}
default_internal_group = {group}
first_valid_uid = 1
first_valid_gid = 1
mail_location = sdbox:~/mail
mail_fsync = never
mail_max_userip_connections = 100
mailbox_idle_check_interval = 1 secs
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
import_environment = TZ
namespace inbox {{
  inbox = yes
  separator = .
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/passwd
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {tls}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  user = {internal}
  unix_listener auth-userdb {{
    mode = 0666
  }}
}}
local {bare} {{
  protocol imap {{
    imap_capability = IMAP4rev1 LITERAL+ ID
  }}
}}
"""
_OAUTH = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/keys/
username_attribute = sub
"""


def available() -> bool:
    """Whether Debian's dovecot-imapd is installed."""
    return _program() is not None


class Dovecot:
    """A server that runs. `plain` and `tls` are ports of 127.0.0.1; `ca` is the file of its certificate."""

    def __init__(self, folder: Path, plain: int, tls: int) -> None:
        self.folder, self.plain, self.tls = folder, plain, tls
        self.ca = folder / "cert.pem"

    @contextmanager
    def client(self, user: str) -> Iterator[imaplib.IMAP4]:
        """A plain client that is logged in, to put things there and to look at them."""
        client = imaplib.IMAP4("127.0.0.1", self.plain, timeout=30)
        try:
            client.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode())
            yield client
        finally:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                client.logout()

    def append(self, user: str, *messages: bytes, folder: str = "INBOX", flags: str = "") -> float:
        """Deliver messages; the time when the last was acknowledged."""
        with self.client(user) as client:
            for message in messages:
                status, said = client.append(folder, flags, "", message)
                assert status == "OK", said
            return time.time()

    def flags(self, user: str, folder: str = "INBOX") -> dict[int, set[str]]:
        """The flags of every message, by its number; `\\Recent` left out."""
        with self.client(user) as client:
            client.select(f'"{folder}"', readonly=True)
            _, lines = client.uid("FETCH", "1:*", "(FLAGS)")
            found = {}
            for line in lines:
                if line:
                    text = line.decode()
                    flags = text[text.index("FLAGS (") + 7 :].split(")")[0].split()
                    found[int(text.split("UID ")[1].split(" ")[0].rstrip(")"))] = set(flags) - {"\\Recent"}
            return found


def token(user: str, *, seconds: float = 600.0) -> str:
    """An OAuth token that this server takes (RFC 7519, HS256)."""
    now = int(time.time())
    head = _url64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = _url64(json.dumps({"sub": user, "iat": now - 60, "nbf": now - 60, "exp": int(now + seconds)}).encode())
    sign = hmac.new(TOKEN_KEY, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{_url64(sign)}"


@contextmanager
def running(users: Sequence[str] = ("anna",)) -> Iterator[Dovecot]:
    """A server with mailboxes for these users. Raises RuntimeError with its log where it does not start."""
    folder = Path(tempfile.mkdtemp(prefix="dove-"))  # short: Unix sockets have short names
    plain, tls = _free_ports()
    try:
        _set_up(folder, plain, tls, users)
        program = _program()
        assert program is not None, "apt-get install dovecot-imapd"
        with subprocess.Popen([program, "-F", "-c", str(folder / "dovecot.conf")], stderr=subprocess.PIPE) as process:
            try:
                _await(process, plain, folder)
                yield Dovecot(folder, plain, tls)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.communicate(timeout=STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _set_up(folder: Path, plain: int, tls: int, users: Sequence[str]) -> None:
    root = os.geteuid() == 0
    own = pwd.getpwnam("nobody" if root else getpass.getuser())
    group = grp.getgrgid(own.pw_gid).gr_name
    facts = {
        "login": "dovenull" if root else own.pw_name,
        "internal": "dovecot" if root else own.pw_name,
        "group": "dovecot" if root else group,
    }
    text = _CONFIG.format(folder=folder, bare=BARE, plain=plain, tls=tls, uid=own.pw_uid, gid=own.pw_gid, **facts)
    (folder / "dovecot.conf").write_text(text, "utf-8")
    (folder / "oauth2.conf").write_text(_OAUTH.format(folder=folder), "utf-8")
    (folder / "passwd").write_text("".join(f"{user}:{PASSWORD}\n" for user in users), "utf-8")
    keys = folder / "keys" / "default" / "HS256"
    keys.mkdir(parents=True)
    (keys / "default").write_text(base64.b64encode(TOKEN_KEY).decode(), "ascii")
    _certificate(folder)
    (folder / "mail").mkdir()
    folder.chmod(0o755)
    if root:
        os.chown(folder / "mail", own.pw_uid, own.pw_gid)


def _certificate(folder: Path) -> None:
    """A certificate for localhost that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)


def _await(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as tried:
                if tried.recv(64).startswith(b"* OK"):
                    return
        except OSError:
            pass
        time.sleep(0.02)
    log = folder / "log"
    said = log.read_text("utf-8", "replace")[-2000:] if log.exists() else ""
    raise RuntimeError(f"dovecot did not start: {said}")


def _program() -> str | None:
    return shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

"""Who we are to a mail server: a password, or an OAuth token that is fetched again when it is refused.

Secrets are read when they are needed, sent to the server and shown nowhere.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from pathlib import Path
from typing import Any

from rightsized.apps.triage.imap.address import Access
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError

MAX_SECRET_BYTES = 16 << 10  # tokens of some issuers have 4 KiB
COMMAND_S = 30.0  # longest that token_command may take
_WAYS = ("password_env", "password_file", "token_file", "token_command")
_CHOOSE = f"Name one of {', '.join(_WAYS)}."


class Credentials:
    """Answers a server's question who we are, as its options say.

    Raises ConfigError at once: none or several of the options are given.
    """

    def __init__(self, user: str, access: Access, egress: Egress) -> None:
        given = [name for name in _WAYS if getattr(access, name)]
        if len(given) != 1:
            said = " and ".join(given) or "nothing"
            raise ConfigError(f"The mailbox of {user} is given {said} to log in with.", fix=_CHOOSE)
        if access.token_command and not access.token_host:
            raise ConfigError(
                "token_command is given without token_host.",
                fix="Name the host that it asks, and put it into [egress] allow; localhost where it asks none.",
            )
        self._user, self._access, self._egress = user, access, egress
        self._token = ""

    @property
    def renewable(self) -> bool:
        """Whether another try with `renew` may succeed where the server refused."""
        return bool(self._access.token_file or self._access.token_command)

    def renew(self) -> None:
        """Forget the token: the next login fetches it again."""
        self._token = ""

    def login(self, client: Any) -> None:
        """Log an IMAPClient in. Raises what IMAPClient raises; ConfigError, EgressDeniedError (no secret to be had)."""
        if self.renewable:
            self._send_token(client)
            return
        password = self._password()
        if client.has_capability("AUTH=PLAIN"):
            client.sasl_login("PLAIN", _Answers(f"\0{self._user}\0{password}".encode(), b""))
        elif client.has_capability("LOGINDISABLED"):
            raise ConfigError("The server takes no password over this connection.", fix="Use imaps://.")
        elif not (self._user + password).isascii():
            raise ConfigError("The server takes ASCII names and passwords only (no AUTH=PLAIN).")
        else:
            client.login(self._user, password)

    def _send_token(self, client: Any) -> None:
        offered = [name for name in ("OAUTHBEARER", "XOAUTH2") if client.has_capability(f"AUTH={name}")]
        wanted = self._access.mechanism
        mechanism = (offered or ["XOAUTH2"])[0] if wanted == "auto" else wanted.upper()
        self._token = self._token or self._fetch()
        if mechanism == "XOAUTH2":  # developers.google.com/workspace/gmail/imap/xoauth2-protocol
            answers = _Answers(f"user={self._user}\1auth=Bearer {self._token}\1\1".encode(), b"")
        else:  # RFC 7628: a refusal is a challenge, answered by one byte
            name = self._user.replace("=", "=3D").replace(",", "=2C")
            answers = _Answers(f"n,a={name},\1auth=Bearer {self._token}\1\1".encode(), b"\1")
        client.sasl_login(mechanism, answers)

    def _password(self) -> str:
        name = self._access.password_env
        if not name:
            return _read(Path(self._access.password_file).expanduser(), "password_file")
        if not os.environ.get(name):
            raise ConfigError(
                f"The environment variable {name} (password_env of {self._user}) is not set.",
                fix=f"Set {name}, or name a file with password_file.",
            )
        return os.environ[name]

    def _fetch(self) -> str:
        if self._access.token_file:
            return _read(Path(self._access.token_file).expanduser(), "token_file")
        return _checked(self._run(), "token_command")

    def _run(self) -> bytes:
        """What the command prints. It is run without a shell, and asked for at the egress under the host it asks."""
        command, host = self._access.token_command, self._access.token_host
        try:
            with (
                tempfile.TemporaryFile() as errors,
                self._egress.program(
                    command, host, f"The token of {self._user}", errors=errors, environment=os.environ
                ) as child,
            ):
                watch = threading.Timer(COMMAND_S, child.kill)
                watch.start()
                printed, _ = child.communicate()
                watch.cancel()
        except OSError as error:
            raise ConfigError(f"token_command {command[0]!r} cannot be run: {error.strerror}.") from None
        if child.returncode == -signal.SIGKILL:
            raise ConfigError(f"token_command {command[0]!r} took more than {COMMAND_S:.0f} seconds.")
        if child.returncode:
            raise ConfigError(f"token_command {command[0]!r} ended with status {child.returncode}.")
        return bytes(printed)


class _Answers:
    """Answers of a SASL exchange in turn; the last one stands for whatever else is asked."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)

    def __call__(self, challenge: bytes) -> bytes:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def _read(path: Path, option: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{option} {path} cannot be read: {error.strerror}.") from None
    return _checked(raw, option)


def _checked(raw: bytes, option: str) -> str:
    """A secret without the end of its line. Only what stands alone on one line is one."""
    text = raw.decode("utf-8", "replace").rstrip("\r\n")
    if not text or len(raw) > MAX_SECRET_BYTES or not text.isprintable():
        raise ConfigError(f"What {option} gives is no secret.", fix="It stands alone on one line, in UTF-8.")
    return text

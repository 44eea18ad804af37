"""Where a mailbox is and how it may be reached: `imaps://USER@HOST[:PORT]/FOLDER`, and the options of its connection.

An address holds no password. `imaps` is TLS from the first byte; `imap` turns to TLS before anybody logs in (STARTTLS),
and stays plain on loopback only.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote, unquote, urlsplit

import msgspec

from rightsized.core.errors import ConfigError
from rightsized.core.frozen import Frozen
from rightsized.core.net import holds_password, is_loopback

INBOX = "INBOX"
PORTS = {"imaps": 993, "imap": 143}
Mechanism = Literal["auto", "xoauth2", "oauthbearer"]
Security = Literal["tls", "starttls", "plain"]


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a mailbox is reached. Exactly one of the first four names what proves who we are."""

    password_env: str = ""  # environment variable that holds the password
    password_file: str = ""  # file that holds it, alone on one line
    token_file: str = ""  # file that holds an OAuth token; read again when the server refuses the last one
    token_command: tuple[str, ...] = ()  # program and arguments that print one; run again when it is refused
    token_host: str = ""  # host that token_command asks, so that [egress] allow and its journal know
    mechanism: Mechanism = "auto"  # how a token is sent; auto: whichever the server offers
    starttls: bool | None = None  # of imap://; default: yes, but on loopback
    ca: str = ""  # file of further certificate authorities
    timeout_s: float = 60.0  # longest silence of the server, seconds


class Place(Frozen, frozen=True):
    """A folder of a mailbox on a server."""

    user: str
    host: str
    port: int
    folder: str
    security: Security
    scheme: str

    @property
    def name(self) -> str:
        """The address as shown and stored; the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{quote(self.user, safe='@')}@{host}{port}/{quote(self.folder)}"


def parse(address: str, access: Access) -> Place:
    """The place that an address names. Raises ConfigError."""
    if holds_password(address):
        raise ConfigError(
            "The address of a mailbox holds a password.",
            fix="Leave it out, and name it with password_env or password_file. Write a colon in a name as %3A.",
        )
    url = urlsplit(address)
    try:
        port = url.port or PORTS.get(url.scheme, 0)
    except ValueError:
        raise ConfigError(f"{address!r} has no usable port.", fix="Write imaps://USER@HOST:993/FOLDER.") from None
    if ":" in url.netloc.rpartition("@")[0]:
        raise ConfigError(
            "The address of a mailbox holds a password.",
            fix="Leave it out, and name it with password_env or password_file. Write a colon in a name as %3A.",
        )
    user, host = unquote(url.username or ""), url.hostname or ""
    if url.scheme not in PORTS or not user or not host or url.query or url.fragment:
        raise ConfigError(f"{address!r} names no mailbox.", fix="Write imaps://USER@HOST/FOLDER; options stand apart.")
    folder = unquote(url.path.strip("/")) or INBOX
    if not (folder + user).isprintable():
        raise ConfigError(f"The folder or user of {address!r} has characters that no name has.")
    return Place(user, host, port, folder, _security(url.scheme, host, access), url.scheme)


def _security(scheme: str, host: str, access: Access) -> Security:
    if scheme == "imaps":
        if access.starttls is not None:
            raise ConfigError("starttls belongs to imap://; imaps:// is TLS from the start.", fix="Leave it out.")
        return "tls"
    if access.starttls is False and not is_loopback(host):
        raise ConfigError(
            f"starttls = false would send mail and password to {host} in plain text.",
            fix="Use imaps://, or leave starttls out. Plain text stays on this machine.",
        )
    secure = access.starttls if access.starttls is not None else not is_loopback(host)
    return "starttls" if secure else "plain"

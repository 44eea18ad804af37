"""One connection to a mailbox: logged in, a folder open. Every trouble is one of two: it dropped, or it was refused.

Blocking: it is used by one thread; `abort` may be called from another. Messages are looked at with BODY.PEEK, so that
none is marked as read by it (RFC 3501, section 6.4.5).
"""

from __future__ import annotations

import contextlib
import imaplib
import logging
import re
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from imapclient.exceptions import ProtocolError
from imapclient.imap_utf7 import encode

from rightsized.apps.triage.imap.address import Access, Place
from rightsized.apps.triage.imap.credentials import Credentials
from rightsized.apps.triage.imap.wire import SMALL, Client
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError
from rightsized.core.frozen import Frozen
from rightsized.core.tables import nearest

log = logging.getLogger("rightsized.triage")

_CODE = re.compile(r"\[([A-Z-]+)")
_LATER = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN"})  # RFC 5530: not our fault
MOST_FOLDERS_SHOWN = 12


class DroppedError(Exception):
    """The connection is of no more use, or was none; the text says why. Another one may do."""


class RefusedError(Exception):
    """The server said no (NO or BAD). `code` is its response code (RFC 5530), empty where it gave none."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        found = _CODE.search(said)
        self.code = found[1] if found else ""


class Selected(Frozen, frozen=True):
    """A folder that was opened. `keywords`: those it has; `any_keyword`: whether it takes new ones."""

    validity: int
    keywords: frozenset[str]
    any_keyword: bool


class Head(Frozen, frozen=True):
    """What is known of a message before it is fetched: size in bytes as the server says, arrival in seconds (UTC)."""

    uid: int
    size: int
    arrived: float


class Session:
    """A mailbox, connected when `open` is called and as long as nothing drops.

    Raises ConfigError where another try cannot help, EgressDeniedError; see `DroppedError`, `RefusedError`.
    """

    def __init__(self, place: Place, access: Access, egress: Egress) -> None:
        self.place, self._access, self._egress = place, access, egress
        self._credentials = Credentials(place.user, access, egress)
        self._tls = _context(access) if place.security != "plain" else None
        self._client: Client | None = None

    @property
    def connected(self) -> bool:
        return self._client is not None

    def open(self) -> None:
        """Connect and log in. A token that is refused is fetched again, once.

        Raises RefusedError where we are not let in, see `not_let_in`.
        """
        for last in (False, True):
            with self._speaking():
                client = Client(self.place, self._tls, self._egress, self._access.timeout_s)
            self._client = client
            with self._speaking():
                if self.place.security == "starttls":
                    self._turn_to_tls(client)
                refusal = self._refusal(client)
            if refusal is None:
                return
            self.abort()
            if last or not self._credentials.renewable:
                raise RefusedError(refusal)
            self._credentials.renew()

    def has(self, capability: str) -> bool:
        """Whether the server can do this."""
        with self._speaking() as client:
            return bool(client.has_capability(capability))

    def select(self, folder: str, *, readonly: bool) -> Selected:
        """Open a folder. Slashes stand for the server's own separator where there is no folder with slashes.

        Raises ConfigError where there is no such folder, with the nearest one.
        """
        try:
            with self._speaking() as client:
                said = client.select_folder(folder, readonly)
        except RefusedError as error:
            if error.code in _LATER:
                raise DroppedError(f"{folder}: {error}") from None
            return self.select(self._folder_like(folder, error), readonly=readonly)
        validity = said.get(b"UIDVALIDITY", 0)
        if not validity:
            raise ConfigError(f"{self.place.host} does not number the messages of {folder} for good (UIDVALIDITY).")
        permanent = tuple(flag.decode("ascii", "replace").strip("()") for flag in said.get(b"PERMANENTFLAGS", ()))
        return Selected(validity, frozenset(permanent) - {"\\*"}, "\\*" in permanent)

    def search(self, *criteria: Any) -> list[int]:
        """Numbers (UID) of the messages of the open folder that meet all criteria, ascending."""
        with self._speaking() as client:
            client.wire.news()
            return sorted(client.search(list(criteria)))

    def after(self, uid: int, since: date | None) -> list[int]:
        """Numbers of messages above `uid` that are not marked as deleted; since this day, where one is given."""
        criteria = ["UID", f"{uid + 1}:*", "UNDELETED", *(["SINCE", since] if since else [])]
        return [found for found in self.search(*criteria) if found > uid]  # n:* names the last one in any case

    def heads(self, uids: Sequence[int]) -> dict[int, Head]:
        """Size and arrival of messages; those that are gone are missing."""
        found = self._fetch(uids, ["RFC822.SIZE", "INTERNALDATE"])
        return {
            uid: Head(uid, int(said[b"RFC822.SIZE"]), _seconds(said.get(b"INTERNALDATE")))
            for uid, said in found.items()
            if uid in uids and b"RFC822.SIZE" in said
        }

    def parts(self, uids: Sequence[int], start: int, size: int, *, section: str = "") -> dict[int, bytes]:
        """Bytes from `start` of each message, at most `size` of them; messages that are gone are missing."""
        asked = f"BODY.PEEK[{section}]<{start}.{size}>"
        found = self._fetch(uids, [asked], most=len(uids) * (size + SMALL))
        return {uid: part for uid in uids if (part := _part(found.get(uid, {}), section, start)) is not None}

    def message_ids(self, uids: Sequence[int]) -> dict[int, str]:
        """The Message-ID of each message, as its header has it, without space around it."""
        asked = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"
        found = self._fetch(uids, [asked], most=(len(uids) + 1) * SMALL)
        ids = {}
        for uid, said in found.items():
            lines = next((value for key, value in said.items() if key.startswith(b"BODY[HEADER.FIELDS")), None) or b""
            ids[uid] = " ".join(lines.partition(b":")[2].decode("ascii", "replace").split())
        return ids

    def add_flags(self, uids: Sequence[int], flags: Sequence[str]) -> None:
        """Set flags or keywords; messages that are gone are passed by."""
        with self._speaking() as client:
            client.add_flags(list(uids), list(flags), silent=True)

    def flagged(self, uids: Sequence[int], flag: str) -> bool:
        """Whether all messages that are still there have this flag or keyword, in whatever case."""
        found = self._fetch(uids, ["FLAGS"])
        sets = [{one.decode("ascii", "replace").lower() for one in said.get(b"FLAGS", ())} for said in found.values()]
        return all(flag.lower() in one for one in sets)

    def folders(self) -> dict[str, str]:
        """The folders that can hold messages, each with what separates the parts of its name."""
        with self._speaking(most=SMALL * 16) as client:
            listed = client.list_folders()
        return {
            str(name): (separator or b"/").decode("ascii", "replace")
            for flags, separator, name in listed
            if b"\\noselect" not in {flag.lower() for flag in flags}
        }

    def command(self, name: str, *arguments: Any) -> Any:
        """Any other method of IMAPClient, by its name."""
        with self._speaking() as client:
            return getattr(client, name)(*arguments)

    def wait(self, seconds: float, wake: int) -> None:
        """Wait in IDLE until something happens, or `wake` can be read. Returns at once where there is news already."""
        with self._speaking() as client:
            client.wire.await_news(seconds, wake)

    def news(self) -> bool:
        """Whether the server spoke of new messages since the last search."""
        with self._speaking() as client:
            return client.wire.news()

    def close(self) -> None:
        """Log out, where it is still possible."""
        if self._client is not None:
            with contextlib.suppress(DroppedError, RefusedError), self._speaking() as client:
                client.logout()
        self.abort()

    def abort(self) -> None:
        """Close the connection without a word; whoever waits for it gets a DroppedError."""
        client, self._client = self._client, None
        if client is not None:
            client.wire.shutdown()

    def _turn_to_tls(self, client: Client) -> None:
        if not client.has_capability("STARTTLS"):
            raise ConfigError(
                f"{self.place.host}:{self.place.port} offers no STARTTLS: the password would go in plain text.",
                fix="Use imaps://, or ask whoever runs it.",
            )
        client.starttls(self._tls)

    def _refusal(self, client: Client) -> str | None:
        """Log in. What the server said where it refused who we are; None where it did not."""
        try:
            self._credentials.login(client)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            if isinstance(error.__context__, imaplib.IMAP4.abort):  # the library makes both a LoginError
                raise error.__context__ from None
            refused = RefusedError(_told(error))
            if refused.code in _LATER:
                raise DroppedError(f"it cannot log anybody in now: {refused}") from None
            return str(refused)
        client.forget_capabilities()
        return None

    def _folder_like(self, folder: str, error: RefusedError) -> str:
        """The folder that was meant, in the server's own way of writing. Raises ConfigError."""
        names = self.folders()
        for name, separator in names.items():
            if name.split(separator) == folder.split("/") and name != folder:
                return name
        shown = ", ".join(list(names)[:MOST_FOLDERS_SHOWN])
        raise ConfigError(
            f"The folder {folder!r} of {self.place.user} cannot be opened: {error}.",
            fix=f"{nearest(folder, names)}Folders there: {shown or 'none'}.",
        )

    def _fetch(self, uids: Sequence[int], items: Sequence[str], *, most: int = SMALL) -> dict[int, dict[bytes, Any]]:
        with self._speaking(most=most) as client:
            return dict(client.fetch(list(uids), list(items)))

    @contextmanager
    def _speaking(self, most: int = SMALL) -> Iterator[Client]:
        """One command. Whatever goes wrong on the way is a DroppedError, and closes; NO and BAD are a RefusedError."""
        client = self._client
        try:
            if client is not None:
                client.wire.begin(most)
            yield client  # type: ignore[misc]  # None while the connection is being made, which does not use it
        except (DroppedError, ConfigError):
            self.abort()
            raise
        except ssl.SSLCertVerificationError as error:
            self.abort()
            raise ConfigError(
                f"The certificate of {self.place.host} is not trusted: {error.verify_message or error}.",
                fix="Name the file of your certificate authority with the option ca.",
            ) from None
        except imaplib.IMAP4.readonly:
            self.abort()
            raise ConfigError(
                f"The folder of {self.place.name} cannot be written to, so nothing can be marked or moved there.",
                fix="Leave the options seen and keyword out, or have the rights changed.",
            ) from None
        except (imaplib.IMAP4.abort, OSError) as error:
            self.abort()
            raise DroppedError(_told(error)) from None
        except imaplib.IMAP4.error as error:
            if client is None or isinstance(error, ProtocolError):
                self.abort()
                raise DroppedError(f"it does not speak as it should: {_told(error)}") from None
            raise RefusedError(_told(error)) from None
        except (ValueError, TypeError, LookupError, AttributeError, AssertionError) as error:
            # The library stumbled over what a server sent, or the connection was closed beside us.
            log.debug("%s", self.place.name, exc_info=True)
            self.abort()
            raise DroppedError(f"it does not speak as it should ({type(error).__name__})") from None


def open_session(place: Place, access: Access, egress: Egress | None) -> Session:
    """A session, not connected yet. Raises ConfigError."""
    if egress is None:
        raise ConfigError(f"{place.name} is a server, and nothing may be connected to here.")
    return Session(place, access, egress)


def modified_utf7(text: str) -> str:
    """Text as folders and keywords are written: ASCII, with other letters encoded (RFC 3501, section 5.1.3)."""
    return bytes(encode(text)).decode("ascii")


def _context(access: Access) -> ssl.SSLContext:
    """TLS 1.2 or later, certificates and names verified."""
    try:
        context = ssl.create_default_context()
        if access.ca:
            context.load_verify_locations(access.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"The file ca = {access.ca!r} cannot be used: {error}.") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def not_let_in(place: Place, said: RefusedError) -> ConfigError:
    """What a refused login means to whoever wrote the settings."""
    return ConfigError(
        f"{place.host} does not let {place.user} in: {said}.",
        fix="See the password or token that the options name; docs/how-to/triage-imap.md says what providers ask for.",
    )


def _part(said: dict[bytes, Any], section: str, start: int) -> bytes | None:
    """The bytes of a section; of a server that knows no parts, those from `start` on."""
    plain = b"BODY[" + section.encode() + b"]"
    for key in (plain + f"<{start}>".encode(), plain):
        value = said.get(key)
        if isinstance(value, bytes):
            return value[start:] if key == plain else value
        if key in said and value is None:
            return b"" if start else None
    return None


def _seconds(arrived: datetime | None) -> float:
    return arrived.timestamp() if arrived is not None else time.time()


def _told(error: Exception) -> str:
    """What a server or the system said, on one line, of a bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(c for c in text if c.isprintable())[:300].rstrip(". ")

"""A mailbox as a system that takes actions: labels as keywords (of Gmail: labels), and moves between folders.

Each action looks first, and may be asked for twice: a label that is there is left, a message that was moved is found
where it went. What undoes an action is one too: `label` with the text "remove", `move` with the folder to move from.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote

from rightsized.apps.triage.imap.address import PORTS, Access, Place, parse
from rightsized.apps.triage.imap.finding import find
from rightsized.apps.triage.imap.session import (
    DroppedError,
    RefusedError,
    Session,
    modified_utf7,
    not_let_in,
    open_session,
)
from rightsized.apps.triage.protocols import Done
from rightsized.apps.triage.records import Action, Handled, Mail
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, InputError, UpstreamError
from rightsized.core.tables import nearest, read_table

REMOVE = "remove"
MOST_FOLDERS = 100  # that are searched for a message which is no longer where it arrived
TAKEN = frozenset({"label", "move"})
_ATOM = frozenset("!#$&'+,-.:;<=>?@^_`|~/") | frozenset("0123456789")  # beside letters (RFC 3501, atom)
T = TypeVar("T")


class DeskOptions(Access, frozen=True):
    """What a desk of this kind takes beside how it is reached."""

    address: str = ""  # imaps://USER@HOST/FOLDER: the folder where messages arrive
    create_folders: bool = False  # make a folder that a message is moved to, where there is none


class ImapDesk:
    """Implements `Desk`. Keeps its connection between actions."""

    def __init__(self, session: Session, options: DeskOptions) -> None:
        self.place, self.name = session.place, session.place.name
        self._session, self._options = session, options
        self._lock = threading.Lock()

    def takes(self, action: Action) -> bool:
        """See `Desk`."""
        return action.kind in TAKEN

    async def carry_out(self, action: Action, mail: Mail, handled: Handled, token: str) -> Done:
        """See `Desk`. Raises InputError, UpstreamError; ConfigError, EgressDeniedError."""
        if not self.takes(action):
            raise InputError(f"{self.name} cannot carry out {action.kind}.", fix="It takes label and move.")
        home = self._home(handled.source)
        step = self._label if action.kind == "label" else self._move
        return await asyncio.to_thread(self._connected, lambda: step(action, mail, home))

    async def close(self) -> None:
        """Log out."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._lock:
            self._session.close()

    def _connected(self, step: Callable[[], T]) -> T:
        """A step over a connection; one that was kept may have died meanwhile, so a second one is tried."""
        with self._lock:
            for last in (not self._session.connected, True):
                try:
                    if not self._session.connected:
                        self._open()
                    return step()
                except RefusedError as error:
                    raise UpstreamError(f"{self.name} refuses: {error}.") from None
                except DroppedError as error:
                    if last:
                        raise UpstreamError(f"{self.name} dropped: {error}.") from None
        raise AssertionError  # the second time is the last

    def _open(self) -> None:
        try:
            self._session.open()
        except RefusedError as error:
            raise not_let_in(self.place, error) from None

    def _home(self, source: str) -> str:
        """The folder in which a message arrived. Raises InputError: in another mailbox."""
        mailbox, _, folder = source.rpartition("/")
        if source.partition(":")[0] not in PORTS or mailbox == self.name.rpartition("/")[0]:
            return unquote(folder) if mailbox == self.name.rpartition("/")[0] else self.place.folder
        raise InputError(f"The message is in {source}, and this desk is that of {self.name}.")

    def _label(self, action: Action, mail: Mail, home: str) -> Done:
        label, removes = action.value, action.text == REMOVE
        uids = self._anywhere(home, mail)
        undo = Action("label", label, "" if removes else REMOVE)
        if self._session.has("X-GM-EXT-1"):
            self._session.command("remove_gmail_labels" if removes else "add_gmail_labels", uids, [label], True)
            return Done(f"label {label!r} {'removed' if removes else 'set'}", undo)
        word = keyword(label)
        if removes:
            self._session.command("remove_flags", uids, [word], True)
            return Done(f"keyword {word} removed", undo)
        self._session.add_flags(uids, [word])
        if not self._session.flagged(uids, word):
            raise InputError(
                f"{self.name} keeps no keyword {word!r}.", fix="Move messages instead, or ask whoever runs it."
            )
        return Done(f"keyword {word} set", undo)

    def _move(self, action: Action, mail: Mail, home: str) -> Done:
        start = action.text or home
        target = self._folder(action.value)
        if target == start:
            raise InputError(f"{start} is where the message is.")
        undo = Action("move", start, target)
        uids = find(self._session, start, mail)
        if not uids:
            if not find(self._session, target, mail):
                raise self._gone(start, mail)
            return Done(f"is in {target} already", undo)
        if self._session.has("MOVE"):
            self._session.command("move", uids, target)
            return Done(f"moved to {target}", undo)
        if not find(self._session, target, mail):  # or a try before this one has copied it
            self._session.select(start, readonly=False)
            self._session.command("copy", uids, target)
        self._session.select(start, readonly=False)
        return Done(f"copied to {target}, {self._delete(uids)}", undo)

    def _delete(self, uids: Sequence[int]) -> str:
        """Delete messages that stand elsewhere now. Nothing else that is marked as deleted is touched by it."""
        self._session.add_flags(uids, ["\\Deleted"])
        if not self._session.has("UIDPLUS"):
            return "marked as deleted here: the server cannot remove single messages"
        self._session.command("uid_expunge", list(uids))
        return "deleted here"

    def _anywhere(self, home: str, mail: Mail) -> list[int]:
        """The message where it arrived, or where it was moved to since; that folder is open then."""
        if uids := find(self._session, home, mail):
            return uids
        for folder in [name for name in self._session.folders() if name != home][:MOST_FOLDERS]:
            with contextlib.suppress(ConfigError):  # a folder that may be listed and not opened
                if uids := find(self._session, folder, mail, readonly=True):
                    self._session.select(folder, readonly=False)
                    return uids
        raise self._gone(home, mail)

    def _gone(self, folder: str, mail: Mail) -> InputError:
        return InputError(f"{mail.key} is not in {folder} of {self.place.user}: somebody has moved or deleted it.")

    def _folder(self, wanted: str) -> str:
        """The name of a folder, in the server's own way of writing; made where the options allow it."""
        names = self._session.folders()
        like = [name for name, separator in names.items() if name.split(separator) == wanted.split("/")]
        if wanted in names or like:
            return wanted if wanted in names else like[0]
        if not self._options.create_folders:
            raise InputError(
                f"There is no folder {wanted!r} in the mailbox of {self.place.user}.",
                fix=f"{nearest(wanted, names)}Make it, or set create_folders = true for this desk.",
            )
        separator = next(iter(names.values()), "/")
        made = separator.join(wanted.split("/"))
        self._session.command("create_folder", made)
        return made


def keyword(label: str) -> str:
    """A label as a keyword of IMAP: one word of ASCII, other letters as mail programs write them (modified UTF-7).

    >>> keyword("Rückgabe dringend")
    'R&APw-ckgabe_dringend'
    """
    word = modified_utf7("_".join(label.split()))
    kept = "".join(c if c.isalpha() or c in _ATOM else "_" for c in word)
    if not kept.strip("_"):
        raise InputError(f"{label!r} cannot be a label of a mailbox.")
    return kept


def open_desk(options: Mapping[str, Any], egress: Egress | None) -> ImapDesk:
    """The desk of a mailbox, not connected yet. Raises ConfigError."""
    given = read_table(DeskOptions, dict(options), "the options of the desk imap")
    place: Place = parse(given.address, given)
    return ImapDesk(open_session(place, given, egress), given)

"""The inboxes of a home, a folder each (`<home>/triage/<name>/`), opened with settings, store and reader."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from rightsized.apps.triage import rules
from rightsized.apps.triage import settings as inbox_settings
from rightsized.apps.triage.actions import Carrier, Journal
from rightsized.apps.triage.actions.carrying import Note
from rightsized.apps.triage.actions.opening import check_taken, open_desks
from rightsized.apps.triage.composing import compose, is_ours
from rightsized.apps.triage.desk import settings as desk_settings
from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.fields.population import taken_since
from rightsized.apps.triage.inbox import Context, open_source
from rightsized.apps.triage.looking import Looks
from rightsized.apps.triage.mail.settling import Settling
from rightsized.apps.triage.protocols import Source
from rightsized.apps.triage.reach import Reach
from rightsized.apps.triage.reading.message import MessageReader
from rightsized.apps.triage.reading.tasks import Tasks, roles, versions
from rightsized.apps.triage.records import Address, Handled, Mail
from rightsized.apps.triage.settings import InboxSettings, check_name
from rightsized.apps.triage.similar import made_lately
from rightsized.apps.triage.store import MessageStore
from rightsized.apps.triage.store.audited import Blind, audited
from rightsized.apps.triage.store.likeness import KeptVector, trim
from rightsized.apps.triage.store.subjects import thread_of_subject
from rightsized.apps.triage.tending import Tending
from rightsized.core.egress import Egress
from rightsized.core.errors import NotFoundError
from rightsized.store.home import Home

FOLDER = "triage"
MIB = 1 << 20
DAY_SECONDS = 86_400.0
_FILES = (
    "inbox.toml",
    "rules.toml",
    "desk.toml",
    "fields/fields.json",
    "fields/certificates.json",
)  # what decides how a message is read


class Inbox:
    """One inbox, open. `files` says which files its reader was made of; other files make another reader."""

    def __init__(self, name: str, folder: Path, tasks: Tasks, blind: Blind = lambda decision: False) -> None:
        self.name, self.folder, self._tasks, self.blind = name, folder, tasks, blind
        self._loading = threading.RLock()
        self._read_now: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.store, self.reach = MessageStore(folder), Reach()
        self.taking = threading.Lock()  # held while a message gets its key
        of_subject = partial(thread_of_subject, self.store)
        self.settle = Settling(self.store.find, self.store.people, self.is_ours, self.store.was, of_subject)
        self.looks = Looks(self.store, self.is_ours)
        try:
            self.actions = Journal(self.store, name)
            self._load()
        except BaseException:
            self.store.close()
            raise

    @property
    def settings(self) -> InboxSettings:
        """The settings by the files as they are now. Raises ConfigError."""
        self._refresh()
        return self._settings

    @property
    def reader(self) -> MessageReader:
        """What reads messages, by the files as they are now. Raises ConfigError."""
        self._refresh()
        return self._reader

    @property
    def tending(self) -> Tending:
        """What keeps the queue, by the desk's file as it is now. Raises ConfigError."""
        self._refresh()
        return self._tending

    def made(self) -> str:
        """Names all that decides how a message is read: versions of tasks, rules and settings as they are now.

        Raises ConfigError.
        """
        self._refresh()
        told = f"{self._files} {versions(self._tasks, roles(self._tasks, self._settings.tasks))}"
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    def alone(self, key: str) -> asyncio.Lock:
        """Held while a message is read: whoever hands it over too finds it read."""
        return self._read_now.setdefault(key, asyncio.Lock())

    def is_ours(self, address: Address) -> bool:
        """Whether somebody of our own side has this address, by the settings' domains."""
        return is_ours(self._settings, address)

    def audited(self) -> set[str]:
        """Keys of the messages with an answer that a person has to label without having seen it."""
        return audited(self.store, self.blind)

    def made_lately(self, mail: Mail) -> KeptVector | None:
        """The vector that the tasks' reading of a message has just made; None where none did."""
        return made_lately(self._tasks, self._reader.text_of(mail))

    def source(self, address: str, options: Mapping[str, Any], egress: Egress, *, dry_run: bool) -> Source:
        """A source of this inbox, going on where it was. Raises ConfigError, MissingExtraError."""
        told = self.reach.told
        return source_of(self.store, self._settings, address, options, egress, dry_run=dry_run, told=told)

    def plan(self, handled: Handled, *, accepted: bool = False) -> None:
        """Plan the actions of a message, in the transaction that keeps it.

        Of one that waits for a person nothing is planned before somebody has accepted its route.
        """
        if handled.route.automatic or accepted:
            self.actions.plan(handled, off=not self._settings.actions.enabled)

    def carrier(self, egress: Egress, note: Note | None = None) -> Carrier:
        """What carries actions out, by the settings as they are now.

        Raises ConfigError (also where a rule asks for what no system here takes), MissingExtraError.
        """
        settings = inbox_settings.load(self.folder)
        off, desks = not settings.actions.enabled, open_desks(settings, egress)
        if not off:
            check_taken(rules.load(self.folder), desks)
        return Carrier(self.actions, self.store, desks, note=note, undo_only=off)

    @property
    def files(self) -> str:
        """Names the content of the files that say how messages are read and what is done."""
        return digest_of(self.folder)

    def purge(self) -> int:
        """Delete the text of messages that were finished `read.history_days` ago. Returns how many."""
        trim(self.store)
        return self.store.purge(time.time() - self._settings.read.history_days * DAY_SECONDS)

    def close(self) -> None:
        self.store.close()

    def _refresh(self) -> None:
        with self._loading:
            if self._files != digest_of(self.folder):
                self._load()

    def _load(self) -> None:
        files = digest_of(self.folder)
        self._settings = inbox_settings.load(self.folder)
        parts = compose(self.folder, self._settings, partial(taken_since, self.store))
        desk = desk_settings.load(self.folder)
        self._tending = Tending(self.store, desk, Calendar(desk.hours), withheld=self.audited)
        named = self.store.names.of
        self._reader = MessageReader(self.name, self._tasks, self._settings, parts, version=files, named=named)
        self._files = files


class Inboxes:
    """The inboxes of a home, opened as they are asked for. May be used by several threads.

    Args:
        blind: whether a decision waits for a person's own label.
    """

    def __init__(self, home: Home, tasks: Tasks, blind: Blind = lambda decision: False) -> None:
        self._home, self._tasks, self._blind = home, tasks, blind
        self._open: dict[str, Inbox] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Every inbox that has a folder."""
        folder = self._home.path / FOLDER
        return sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []

    def folder(self, name: str) -> Path:
        """Where an inbox is kept. Raises InputError (no name of an inbox)."""
        return self._home.path / FOLDER / check_name(name)

    def open(self, name: str, *, new: bool = False) -> Inbox:
        """An inbox. `new`: made where there is none. Raises NotFoundError, ConfigError, StoreError."""
        with self._lock:
            if name in self._open and not self._open[name].store.stands:
                self._open.pop(name).close()  # its folder was deleted or replaced: what is written there is lost
            if name not in self._open:
                folder = self.folder(name)
                if not new and not folder.is_dir():
                    raise no_inbox(name, self.names())
                self._open[name] = Inbox(name, folder, self._tasks, self._blind)
            return self._open[name]

    def close(self) -> None:
        """Close them all."""
        with self._lock:
            for one in self._open.values():
                one.close()
            self._open.clear()


def no_inbox(name: str, known: Sequence[str]) -> NotFoundError:
    """That a home has no inbox of this name, with those it has."""
    near = get_close_matches(name, known, n=1)
    asked = f"Did you mean {near[0]}? " if near else ""
    return NotFoundError(
        f"There is no inbox {name!r}. Inboxes here: {', '.join(known) or 'none yet'}.",
        fix=f"{asked}Make it: rightsized triage connect ADDRESS --inbox {name}",
    )


def digest_of(folder: Path) -> str:
    """A digest of the files that decide how messages are read."""
    total = hashlib.sha256()
    for name in _FILES:
        path = folder / name
        body = path.read_bytes() if path.is_file() else b""
        total.update(f"{name} {len(body)}\n".encode() + body)
    return total.hexdigest()[:32]


def source_of(
    store: MessageStore,
    settings: InboxSettings,
    address: str,
    options: Mapping[str, Any],
    egress: Egress,
    *,
    dry_run: bool,
    told: Callable[[str, str], None] | None = None,
) -> Source:
    """A source at `address` that passes by what the store is done with. A dry run keeps nothing of how far it got."""
    nowhere = Context().keep_cursor
    context = Context(
        egress=egress,
        seen=store.done_with,
        cursor=store.cursor,
        keep_cursor=nowhere if dry_run else store.keep_cursor,
        max_bytes=int(settings.read.max_mb * MIB),
        told=told or Context().told,
    )
    return open_source(address, options, context)

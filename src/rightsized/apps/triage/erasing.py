"""What a home holds of a person: conversations in its inboxes, and examples that its tasks were taught with; and what
its inboxes hold for too long.

Conversations are deleted here. Of examples it is only said where they are: a version of a task stays as it was tested,
so it goes whole, once a version without them is in its place.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from rightsized.apps.triage.inboxes import DAY_SECONDS, FOLDER
from rightsized.apps.triage.settings import check_name, load
from rightsized.apps.triage.store import MessageStore
from rightsized.apps.triage.store.database import FILE
from rightsized.core.errors import NotFoundError
from rightsized.core.frozen import Frozen
from rightsized.explain.neighbours import open_examples
from rightsized.store.home import Home
from rightsized.tasks.versions import TaskStore

BEGINS = 200  # characters by which a text is known again; of a long one an example may hold the beginning


class Conversations(Frozen, frozen=True):
    """The messages of a person's conversations in an inbox, by key, and what they say."""

    inbox: str
    keys: tuple[str, ...]
    texts: tuple[str, ...]


class Taught(Frozen, frozen=True):
    """How many examples of a version of a task are texts of these conversations; `current`: it is in force."""

    task: str
    version: str
    examples: int
    current: bool


def conversations_of(home: Home, address: str, inbox: str = "") -> list[Conversations]:
    """Where a person takes part: in one inbox, or in every one. Raises NotFoundError (no such inbox), StoreError."""
    found = []
    for name in [check_name(inbox)] if inbox else _inboxes(home):
        with closing(_store(home, name)) as store:
            keys = store.conversations_of(address)
            mails = (store.get(key).mail for key in keys)
            texts = tuple(mail.text for mail in mails if mail is not None and mail.text)
        found += [Conversations(name, tuple(keys), texts)] if keys else []
    return found


def forget(home: Home, found: Sequence[Conversations], by: str) -> int:
    """Delete these messages' words and names, for good. Returns how many there were."""
    for one in found:
        with closing(_store(home, one.inbox)) as store:
            store.forget(one.keys, by)
    return sum(len(one.keys) for one in found)


def taught(home: Home, found: Sequence[Conversations]) -> list[Taught]:
    """Versions of tasks that keep texts of these conversations among their examples."""
    known = {text[:BEGINS] for one in found for text in one.texts}
    store = TaskStore(home)
    held = []
    for task in store.names() if known else ():
        current = store.current(task)
        for version in store.versions(task):
            try:
                texts = open_examples(store.folder(task, version)).texts
            except NotFoundError:
                continue
            count = sum(text[:BEGINS] in known for text in texts)
            held += [Taught(task, version, count, version == current)] if count else []
    return held


def _inboxes(home: Home) -> Iterator[str]:
    folder = home.path / FOLDER
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        if (one / FILE).is_file():
            yield one.name


def _store(home: Home, name: str) -> MessageStore:
    folder = home.path / FOLDER / name
    if not (folder / FILE).is_file():
        raise NotFoundError(f"There is no inbox {name!r}.", fix="Name another: --inbox NAME")
    return MessageStore(folder)


class Retention(Frozen, frozen=True):
    """The texts of an inbox by age: all, those whose time is over, those that wait for a person longer than that.

    `deleted` were deleted just now. What waits is never deleted by age: somebody is to answer it first.
    """

    inbox: str
    history_days: float
    texts: int
    due: int
    waiting: int
    deleted: int = 0


def retention(home: Home, inbox: str = "", *, apply: bool = False, now: float | None = None) -> list[Retention]:
    """How long texts are kept, in one inbox or in every one; `apply`: delete those that are due.

    Raises NotFoundError, ConfigError, StoreError.
    """
    found = []
    for name in [check_name(inbox)] if inbox else _inboxes(home):
        days = load(home.path / FOLDER / name).read.history_days
        before = (time.time() if now is None else now) - days * DAY_SECONDS
        with closing(_store(home, name)) as store:
            texts, due, waiting = store.aged(before)
            deleted = store.purge(before) if apply else 0
        found.append(Retention(name, days, texts, due, waiting, deleted))
    return found

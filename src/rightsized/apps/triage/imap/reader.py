"""Takes the messages of a folder in, oldest first, in the thread that calls: whatever drops is opened again.

A message is handed over until it is recorded; then, and not before, it is marked, where the options say so. What cannot
be had is handed over as an error, so that it waits for a person and holds up no other.
"""

from __future__ import annotations

import io
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from datetime import date
from typing import Protocol

from msgspec import field

from rightsized.apps.triage.imap.pauses import FIRST_PAUSE_S, Wake, pause
from rightsized.apps.triage.imap.progress import Progress
from rightsized.apps.triage.imap.session import DroppedError, Head, RefusedError, Selected, Session, not_let_in
from rightsized.apps.triage.imap.troubles import Troubles
from rightsized.apps.triage.inbox.opening import Context
from rightsized.apps.triage.protocols import Arrival
from rightsized.core.errors import ConfigError, DownloadError
from rightsized.core.frozen import Frozen

log = logging.getLogger("rightsized.triage")

PART = 1 << 20  # bytes that are asked for at a time
HEADER = 1 << 18  # bytes of the header of a message that is too large to be had whole
AT_ONCE = 32  # small messages that are fetched together
HEADS = 256  # messages whose sizes are asked for together
MARKS = 500
ATTEMPTS = 5  # failures in a row before somebody who does not wait is told
HEADER_TRIES = 3  # of a message that is too large; then it goes without its header
KEEP_S = 1.0  # between two keepings of how far it got


class Marking(Frozen, frozen=True):
    """What is set on a message that was recorded, and which messages are taken: since this day, where one is given."""

    flags: tuple[str, ...] = ()
    since: date | None = None
    idle_s: float = 540.0
    poll_s: float = 10.0
    first_pause_s: float = field(default=FIRST_PAUSE_S)


class Stop(Protocol):
    """Whether to end; a threading.Event."""

    def is_set(self) -> bool: ...


class Reader:
    """Reads one folder. `take` and `finish` are called by one thread; `recorded`, `ring` and `abort` by any."""

    def __init__(self, session: Session, name: str, marking: Marking, context: Context) -> None:
        self._session, self._name, self._marking, self._context = session, name, marking, context
        self._progress = Progress(context.cursor(name))
        self._wake = Wake()
        weakref.finalize(self, self._wake.close)  # a source that is opened and never read
        self._queue: deque[int] = deque()  # found, not handed over
        self._heads: dict[int, Head] = {}
        self._alone: set[int] = set()  # to be fetched by themselves: something went wrong among others
        self._begun: tuple[int, io.BytesIO] | None = None  # a large message, fetched in part
        self._troubles = Troubles()
        self._delivered = self._failures = self._refused = 0
        self._let_in = False
        self._marks: list[int] = []
        self._lock = threading.Lock()
        self._kept_at, self._kept = 0.0, self._progress.kept()

    def restart(self) -> None:
        """Look again for everything that is not recorded."""
        self._progress.rewind()
        self._queue.clear()
        self._wake.hush()

    def ring(self) -> None:
        """End a wait."""
        self._wake.ring()

    def take(self, wait: bool, stop: Stop) -> list[Arrival]:
        """The next messages, at least one; none at the end, or when told to stop. With `wait` there is no end.

        Raises ConfigError, EgressDeniedError; without `wait` DownloadError.
        """
        while not stop.is_set():
            try:
                found = self._round()
                self._context.told(self._name, "")
                if found:
                    self._failures = 0
                    self._delivered += len(found)
                    return found
                if self._queue:
                    continue
                if not wait:
                    return []
                self._rest()
                self._failures = 0
            except (DroppedError, RefusedError) as error:
                self._session.abort()
                self._failed(error, wait, stop)
        return []

    def recorded(self, place: str) -> None:
        """The message at this place is on record."""
        uid = self._progress.uid(place)
        if not uid:
            return
        if self._marking.flags:
            with self._lock:
                self._marks.append(uid)
            self._wake.ring()
        else:
            self._progress.done(uid)
            self._keep()

    def finish(self) -> None:
        """Mark what is to be marked, keep how far it got, log out."""
        try:
            if self._session.connected:
                self._mark()
        except (DroppedError, RefusedError) as error:
            log.warning("%s: not marked yet, done at the next start: %s", self._name, error)
        self._keep(now=True)
        self._session.close()
        self._wake.close()

    def abort(self) -> None:
        """Close the connection, whoever waits for it."""
        self._session.abort()

    def _round(self) -> list[Arrival]:
        """What is there to be handed over now."""
        if not self._session.connected:
            self._connect()
        self._mark()
        if not self._queue:
            self._search()
        return self._fetch() if self._queue else []

    def _connect(self) -> None:
        self._log_in()
        flags = self._marking.flags
        selected = self._session.select(self._session.place.folder, readonly=not flags)
        if flags:
            _check_marks(flags, selected, self._name)
        if self._progress.begin(selected.validity):
            self._queue.clear()
            self._heads.clear()
            self._alone.clear()
            self._troubles.clear()
            self._begun = None
            with self._lock:
                self._marks.clear()

    def _log_in(self) -> None:
        """Who was let in before and now is not waits a little: servers that are busy say no as well."""
        try:
            self._session.open()
        except RefusedError as error:
            self._refused += 1
            if not self._let_in or self._refused >= ATTEMPTS:
                raise not_let_in(self._session.place, error) from None
            raise DroppedError(f"it does not let us in: {error}") from None
        self._let_in, self._refused = True, 0

    def _search(self) -> None:
        for uid in self._session.after(self._progress.top, self._marking.since):
            if self._progress.found(uid):
                self._queue.append(uid)

    def _rest(self) -> None:
        """Wait for news, in IDLE where the server can."""
        if self._session.news() or self._marks:
            return
        if self._session.has("IDLE"):
            self._session.wait(self._marking.idle_s, self._wake.fileno)
        else:
            self._wake.wait(self._marking.poll_s)
            self._session.command("noop")
        self._wake.hush()

    def _fetch(self) -> list[Arrival]:
        group = self._group()
        if not group:
            return []
        try:
            found = [self._whole(group[0])] if len(group) == 1 else self._several(group)
        except (DroppedError, RefusedError) as error:
            self._troubled(group, error)
            if isinstance(error, DroppedError):
                raise
            return []
        for head in group:
            self._heads.pop(head.uid, None)
            self._troubles.forget(head.uid)
            self._alone.discard(head.uid)
        return [one for one in found if one is not None]

    def _group(self) -> list[Head]:
        """The next messages, taken off the queue: one large one, or small ones that are fetched together."""
        self._look_ahead()
        group: list[Head] = []
        total = 0
        while self._queue and len(group) < AT_ONCE:
            head = self._heads.get(self._queue[0])
            total += head.size if head is not None else 0
            if head is None or (group and (total > PART or head.uid in self._alone)):
                break
            group.append(head)
            self._queue.popleft()
            if head.uid in self._alone:
                break
        return group

    def _look_ahead(self) -> None:
        """Sizes of the messages at the head of the queue. What is recorded already, or gone, is dropped from it."""
        ahead = [uid for _, uid in zip(range(HEADS), self._queue, strict=False)]
        if all(uid in self._heads for uid in ahead[:AT_ONCE]):
            return
        new = [uid for uid in ahead if uid not in self._heads]
        again = {uid for uid in new if self._context.seen(self._name, self._progress.place(uid))}
        wanted = [uid for uid in new if uid not in again]
        if wanted:
            self._heads |= self._sizes(wanted)
        for _ in ahead:
            self._queue.popleft()
        self._queue.extendleft(uid for uid in reversed(ahead) if uid in self._heads)
        for uid in new:
            if uid in again:
                self.recorded(self._progress.place(uid))
            elif uid not in self._heads:
                self._progress.done(uid)  # gone before it was read

    def _sizes(self, uids: Sequence[int]) -> dict[int, Head]:
        """Sizes and arrivals; one message that the server refuses to tell of is tried by itself, like any other."""
        try:
            return self._session.heads(uids)
        except RefusedError:
            if len(uids) == 1:
                self._alone.add(uids[0])
                return {uids[0]: Head(uids[0], 0, time.time())}
        return {uid: head for one in uids for uid, head in self._sizes([one]).items()}

    def _several(self, group: Sequence[Head]) -> list[Arrival | None]:
        found = self._session.parts([head.uid for head in group], 0, PART)
        arrivals = []
        for head in group:
            part = found.get(head.uid)
            if part is not None and len(part) >= PART:  # larger than the server said
                arrivals.append(self._whole(head))
            else:
                arrivals.append(self._gone(head) if part is None else self._arrival(head, part))
        return arrivals

    def _whole(self, head: Head) -> Arrival | None:
        """One message, in parts; what was received before the connection dropped is kept. None where it is gone."""
        if why := self._troubles.hopeless(head.uid):
            return self._error(head, f"The server does not hand it over: {why}.", 1)
        most = self._context.max_bytes
        if head.size > most:
            return self._too_large(head, head.size)
        if self._begun is None or self._begun[0] != head.uid:
            self._begun = (head.uid, io.BytesIO())
        held = self._begun[1]
        while True:
            start = held.seek(0, io.SEEK_END)
            part = self._session.parts([head.uid], start, PART).get(head.uid)
            if part is None and start == 0:
                return self._gone(head)
            held.write(part or b"")
            self._failures = 0  # it goes on, however often it breaks off
            if held.tell() > most:
                self._begun = None
                return self._too_large(head, held.tell())
            if part is None or len(part) < PART:
                break
        self._begun = None
        return self._arrival(head, held.getvalue())

    def _arrival(self, head: Head, data: bytes, error: str = "") -> Arrival:
        return Arrival(self._progress.place(head.uid), data, received=head.arrived, error=error)

    def _too_large(self, head: Head, size: int) -> Arrival | None:
        most = self._context.max_bytes
        return self._error(head, f"It has {size:,} bytes or more; messages of up to {most:,} are read (read.max_mb).")

    def _error(self, head: Head, said: str, tries: int = HEADER_TRIES) -> Arrival | None:
        """A message that cannot be had, with its header, so that it is known by its name and a person can find it."""
        header = b""
        if self._troubles.may_ask_header(head.uid, tries):
            header = self._session.parts([head.uid], 0, HEADER, section="HEADER").get(head.uid, b"")
        return self._arrival(head, header, said)

    def _gone(self, head: Head) -> Arrival | None:
        """Nothing came of it: it was deleted meanwhile. A message that still stands there was refused."""
        if head.uid in self._session.search("UID", str(head.uid)):
            raise RefusedError("it is there, and nothing of it came")
        self._progress.done(head.uid)
        return None

    def _troubled(self, group: Sequence[Head], error: DroppedError | RefusedError) -> None:
        """What failed is tried alone; what failed twice alone, behind the others."""
        self._alone |= {head.uid for head in group}
        if len(group) > 1:
            self._queue.extendleft(head.uid for head in reversed(group))
            return
        uid = group[0].uid
        begun = self._begun[1].tell() if self._begun is not None and self._begun[0] == uid else 0
        if self._troubles.note(uid, error, begun=begun, delivered=self._delivered):
            self._queue.append(uid)
        else:
            self._queue.appendleft(uid)

    def _mark(self) -> None:
        """Set the flags on what was recorded; then it is done with."""
        with self._lock:
            marks, self._marks = self._marks, []
        while marks:
            chunk = marks[:MARKS]
            try:
                self._session.add_flags(chunk, self._marking.flags)
            except DroppedError:
                with self._lock:
                    self._marks = marks + self._marks
                raise
            except RefusedError as error:
                log.warning("%s: the server does not mark messages: %s", self._name, error)
            for uid in chunk:
                self._progress.done(uid)
            marks = marks[MARKS:]
            self._keep()

    def _keep(self, *, now: bool = False) -> None:
        value = self._progress.kept()
        if value and value != self._kept and (now or time.monotonic() - self._kept_at > KEEP_S):
            self._context.keep_cursor(self._name, value)
            self._kept, self._kept_at = value, time.monotonic()

    def _failed(self, error: DroppedError | RefusedError, wait: bool, stop: Stop) -> None:
        self._failures += 1
        if not wait and self._failures >= ATTEMPTS:
            raise DownloadError(
                f"{self._name} did not answer {ATTEMPTS} times in a row: {error}.",
                fix="See whether the server can be reached from here; nothing was lost.",
            )
        seconds = pause(self._failures, self._marking.first_pause_s)
        self._context.told(self._name, str(error))
        log.warning("%s dropped: %s; again in %.1f s", self._name, error, seconds)
        if not stop.is_set():
            self._wake.wait(seconds)
            if not stop.is_set():
                self._wake.hush()


def _check_marks(flags: Sequence[str], selected: Selected, name: str) -> None:
    lacking = [flag for flag in flags if not flag.startswith("\\") and flag not in selected.keywords]
    if lacking and not selected.any_keyword:
        raise ConfigError(f"{name} takes no keyword {lacking[0]!r}.", fix="Leave the option keyword out.")

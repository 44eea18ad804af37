"""Takes and reads the messages of an inbox in this process: what `running` asks for each arrival.

A dry run takes nothing: it reads a message and tells what would become of it (`looking`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.mail.authentication import refuted
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.reading.message import Asking
from rightsized.apps.triage.records import Address, Handled, Mail, Priority, Route, Summary
from rightsized.apps.triage.settings import InboxSettings
from rightsized.apps.triage.store.audited import mark
from rightsized.apps.triage.store.likeness import KeptVector, keep_vector
from rightsized.apps.triage.store.messages import SYSTEM
from rightsized.apps.triage.store.records import ANSWERED, Kept, Status, Waits
from rightsized.apps.triage.store.subjects import keep_subject
from rightsized.core.errors import DocumentError, ForbiddenError, RightsizedError
from rightsized.core.types import TIER_PERSON, TIER_TASK

OPEN = frozenset({"waiting", "routed"})  # messages that an answer is still owed to
HELPDESK = "zammad:"  # a source that knows which ticket an answer belongs to
EARLIER = 20  # messages of a thread that are looked at, the latest
UNREADABLE = "unreadable"  # the queue of what could not be read: a person looks at the original


class Handling:
    """Implements `running.Outcome` over an inbox that is open here.

    Args:
        asking: gives for whom an inbox's messages are read, at each message; for a dry run where it is told so.
        read_mail: the message behind an arrival; raises DocumentError.
    """

    def __init__(
        self, inbox: Inbox, asking: Callable[[Inbox, bool], Asking], read_mail: Callable[[Arrival, InboxSettings], Mail]
    ) -> None:
        self._inbox, self._asking, self._read_mail = inbox, asking, read_mail
        self._taking = asyncio.Lock()

    async def process(self, arrival: Arrival, source: str, *, dry_run: bool) -> Handled | None:
        """See `running.Outcome`."""
        if dry_run:
            return await self._look(arrival, source)
        async with self._taking:  # in the order of arrival, so that a thread's earlier messages are there
            key = await asyncio.to_thread(self._take, arrival, source)
        return await self.handle(key)

    async def _look(self, arrival: Arrival, source: str) -> Handled | None:
        async with self._taking:
            mail, error = await asyncio.to_thread(self._mail, arrival, source)
            found = await asyncio.to_thread(self._inbox.looks.look, mail)
        if found is None:
            return None
        mail, earlier = found
        error = arrival.error or error
        handled = await self._read(mail, source, earlier, dry_run=True) if not error else failed(mail, source, error)
        return replace(handled, dry_run=True)

    def _take(self, arrival: Arrival, source: str) -> str:
        mail, error = self._mail(arrival, source)
        store, sha256 = self._inbox.store, hashlib.sha256(arrival.data).hexdigest()
        with self._inbox.taking:  # two messages of one name, from two sources: the second must see the first
            mail = self._inbox.settle(mail)
            with store.writing():
                store.take(mail, source, arrival.place, sha256, error=arrival.error or error)
                keep_subject(store, mail)
        return mail.key

    async def handle(self, key: str) -> Handled | None:
        """Read a message that was taken. None where that was done before and stands."""
        async with self._inbox.alone(key):
            return await self._handle(self._inbox.store.get(key))

    async def _handle(self, kept: Kept) -> Handled | None:
        made = self._inbox.made()
        if kept.state != "taken" or kept.mail is None:
            return None
        if kept.error:
            handled = failed(kept.mail, kept.source, kept.error)
        else:
            thread = await asyncio.to_thread(self._inbox.store.thread, kept.thread)
            earlier = [one.mail for one in thread if one.number < kept.number and one.mail]
            handled = await self._read(kept.mail, kept.source, earlier)
        handled = replace(handled, acts=self._inbox.settings.actions.enabled)
        await asyncio.to_thread(self._keep, handled, made, self._inbox.made_lately(kept.mail))
        await asyncio.to_thread(self._tend, handled.key)
        return handled

    async def resume(self, seconds: float = 0.0) -> list[Handled]:
        """Read what was taken, so many seconds ago, and not read: by an ended process, or by rules that were broken."""
        found = []
        for key in self._inbox.store.unread(seconds):
            handled = await self.handle(key)
            if handled is not None:
                found.append(handled)
        return found

    async def _read(self, mail: Mail, source: str, earlier: Sequence[Mail], *, dry_run: bool = False) -> Handled:
        if self._inbox.is_ours(mail.sender) and not refuted(mail):
            return answered(mail, source)
        try:
            asking = self._asking(self._inbox, dry_run)
            return await self._inbox.reader.read(mail, source, earlier[-EARLIER:], asking)
        except ForbiddenError as refused:  # the policy: no model may read it, so a person does
            return failed(mail, source, str(refused), refused.decision)
        except RightsizedError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours: one message must not stop the inbox
            return failed(mail, source, f"Reading it failed: {type(error).__name__}.")

    def _keep(self, handled: Handled, made: str, vector: KeptVector | None) -> None:
        store = self._inbox.store
        status: Status = "routed" if handled.route.automatic and not handled.error else "waiting"
        with store.writing():
            store.handled(handled, status, made)
            if vector is not None:
                keep_vector(store, handled.key, vector)
            asked = [
                one.decision for one in handled.labels.values() if one.decision and self._inbox.blind(one.decision)
            ]
            if asked:
                mark(store, handled.key, asked)
            if handled.route.queue == ANSWERED:
                self._answer(handled)
                return
            after = self._answered_since(handled)
            if after is not None:
                store.update(handled.key, after.sender, "done", f"answered by {after.key}", status="done")
                return
            before = self._answered_before(handled)
            if before is not None:
                store.note(handled.key, SYSTEM, "reopened", before.key)
            if not handled.error:
                self._inbox.plan(handled)

    def _answered_before(self, handled: Handled) -> Kept | None:
        """Our own answer that a customer's message comes after, where nobody has written since."""
        if handled.automatic:
            return None
        thread = self._inbox.store.thread(handled.thread)
        own = self._inbox.store.get(handled.key)
        earlier = [one for one in thread if (one.received, one.number) < (own.received, own.number)]
        last = earlier[-1] if earlier else None
        return last if last is not None and last.queue == ANSWERED and ends(last, thread) else None

    def _answered_since(self, handled: Handled) -> Handled | None:
        """Our own answer to a message, where it was read before the message was."""
        store = self._inbox.store
        ours = Waits(None, ANSWERED, thread=handled.thread, newest=True, limit=1)
        later = (one for one in store.waiting(ours) if one.received >= handled.received)
        return next((one.handled for one in later if ends(one, store.thread(handled.thread))), None)

    def _answer(self, handled: Handled) -> None:
        """A message of our own side: what waited before it in its thread is answered, and it waits for nobody."""
        store = self._inbox.store
        store.update(handled.key, SYSTEM, "done", "written by our own side", status="done")
        own, thread = store.get(handled.key), store.thread(handled.thread)
        if not ends(own, thread):
            return
        for one in thread:
            if one.status in OPEN and one.received <= own.received:
                store.update(one.key, handled.sender, "done", f"answered by {handled.key}", status="done")

    def _tend(self, key: str) -> None:
        """Tell the queue: a storm of messages like this one is one incident, and somebody may have room."""
        self._inbox.tending.arrived(self._inbox.store.get(key))

    def _mail(self, arrival: Arrival, source: str) -> tuple[Mail, str]:
        """The message, and why it cannot be read: then one that says so, of the same name however often it comes."""
        if arrival.mail is not None:
            return arrival.mail, ""
        settings = self._inbox.settings
        try:
            return self._read_mail(arrival, settings), ""
        except DocumentError as error:
            why = str(error)
        except RightsizedError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours: one message must not stop the inbox
            why = f"Reading it failed: {type(error).__name__}."
        digest = hashlib.sha256(arrival.data or f"{source}\0{arrival.place}".encode()).hexdigest()
        return Mail(f"sha256:{digest}", "", "", Address(""), received=arrival.received, notes=(why,)), why


def ends(answer: Kept, thread: Sequence[Kept]) -> bool:
    """Whether a message of our own side answers its thread: it names one of its messages, or the helpdesk says so.

    Anybody can write our domain into From, and a subject that is known; who names the Message-ID of a mail has seen it.
    """
    if answer.source.startswith(HELPDESK):
        return True
    named = {answer.mail.in_reply_to, *answer.mail.references} - {""} if answer.mail else set()
    return any(one.key in named for one in thread if one.key != answer.key)


def answered(mail: Mail, source: str) -> Handled:
    """A message of our own side, as a copy of what was sent: no task reads it."""
    return _unread(mail, source, Route(ANSWERED, True, "written by our own side"), "our own answer", tier=TIER_TASK)


def failed(mail: Mail, source: str, error: str, decision: str = "") -> Handled:
    """A message that no model may or can read: a person gets it."""
    route = Route(UNREADABLE, False, error)
    return _unread(mail, source, route, "it could not be read", tier=TIER_PERSON, decision=decision, error=error)


def _unread(
    mail: Mail, source: str, route: Route, why: str, *, tier: int, decision: str = "", error: str = ""
) -> Handled:
    return Handled(
        key=mail.key,
        source=source,
        thread=mail.thread or mail.key,
        subject=mail.subject,
        sender=mail.sender.address,
        received=mail.received or mail.date or 0.0,
        language=mail.language,
        automatic=mail.automatic,
        labels={},
        fields=(),
        priority=Priority("normal", why),
        route=route,
        summary=Summary("extract"),
        tier=tier,
        decision=decision,
        attachments=mail.attachments,
        notes=mail.notes,
        error=error,
    )
